#pragma once

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/http/http_server.h"
#include "control-plane/apiserver/auth/authorizer.h"
#include "control-plane/apiserver/http/route.h"
#include "control-plane/apiserver/store/object_store.h"

namespace xpu::apiserver {

// The methods that write: POST, PUT, PATCH and DELETE on the URLs of objects. Not thread-safe.
class Writes {
 public:
  // All must outlive it.
  Writes(ObjectStore& store, Authorizer& authorizer, Clock& clock)
      : store_(store), authorizer_(authorizer), clock_(clock) {}

  // `user` has been asked for already.
  absl::StatusOr<HttpReply> Handle(const User& user, const Route& route, const HttpRequest& request);

 private:
  absl::StatusOr<HttpReply> Create(const Route& route, const HttpRequest& request,
                                   const WriteOptions& options);
  absl::StatusOr<HttpReply> Replace(const Route& route, const HttpRequest& request,
                                    const WriteOptions& options);
  absl::StatusOr<HttpReply> Patch(const Route& route, const HttpRequest& request,
                                  const WriteOptions& options);
  absl::StatusOr<HttpReply> Apply(const User& user, const Route& route, const HttpRequest& request,
                                  const WriteOptions& options);
  absl::StatusOr<HttpReply> Delete(const Route& route, const HttpRequest& request, WriteOptions options);
  absl::StatusOr<HttpReply> DeleteCollection(const Route& route, const HttpRequest& request,
                                             WriteOptions options);
  absl::StatusOr<HttpReply> Dispatch(const User& user, const Route& route, const HttpRequest& request,
                                     const WriteOptions& options);
  // What a call of the store has returned for one object, and the reply's code.
  struct Written {
    int code = 200;
    nlohmann::json object;
  };
  // Has it written as `options` say, and answers with the object as the client wants it.
  absl::StatusOr<HttpReply> AnswerObject(
      const Route& route, const HttpRequest& request, WriteOptions options,
      absl::FunctionRef<absl::StatusOr<Written>(const WriteOptions&)> write);

  ObjectStore& store_;
  Authorizer& authorizer_;
  Clock& clock_;
};

}  // namespace xpu::apiserver
