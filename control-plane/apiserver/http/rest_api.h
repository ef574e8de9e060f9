#pragma once

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/http/http_server.h"
#include "control-plane/apiserver/http/route.h"
#include "control-plane/apiserver/http/watch_hub.h"
#include "control-plane/apiserver/store/object_store.h"
#include "nlohmann/json.hpp"

namespace xpu::apiserver {

// Kubernetes' REST conventions over an ObjectStore: what each method means on each URL. Errors are answered
// as Status objects. Not thread-safe.
class RestApi {
 public:
  // All must outlive it.
  RestApi(ObjectStore& store, WatchHub& watches, Clock& clock)
      : store_(store), watches_(watches), clock_(clock) {}

  HttpReply Handle(HttpRequest request);

 private:
  // One object as the client wants it.
  absl::StatusOr<HttpReply> AnswerObject(int code, const Route& route, const HttpRequest& request,
                                         nlohmann::json object);
  absl::StatusOr<HttpReply> OnResource(const Route& route, const HttpRequest& request);
  absl::StatusOr<HttpReply> List(const Route& route, const HttpRequest& request);
  absl::StatusOr<HttpReply> Watch(const Route& route, const HttpRequest& request);
  absl::StatusOr<HttpReply> Create(const Route& route, const HttpRequest& request);
  absl::StatusOr<HttpReply> Replace(const Route& route, const HttpRequest& request);
  absl::StatusOr<HttpReply> Patch(const Route& route, const HttpRequest& request);
  absl::StatusOr<HttpReply> Delete(const Route& route, const HttpRequest& request);

  ObjectStore& store_;
  WatchHub& watches_;
  Clock& clock_;
};

}  // namespace xpu::apiserver
