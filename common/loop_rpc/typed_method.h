#pragma once

#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/base/loop_inbox.h"
#include "common/loop_rpc/loop_rpc_server.h"

namespace xpu {

// Methods of a LoopRpcServer in terms of protobuf messages.

// Called once, on any thread.
template <class Response>
using RpcReply = std::function<void(absl::StatusOr<Response> response)>;

// A unary method that answers when it likes, on whatever thread. `serve` is called on the loop; `post` is
// that of an inbox of the loop.
template <class Request, class Response>
LoopRpcServer::Method UnaryMethod(LoopInbox::Post post,
                                  std::function<void(Request request, RpcReply<Response> reply)> serve) {
  return [post = std::move(post), serve = std::move(serve)](const LoopCall& call, const std::string& bytes) {
    Request request;
    if (!request.ParseFromString(bytes)) {
      return call.Finish(absl::InternalError(
          absl::StrCat("the request is no ", Request().GetTypeName(), ", or of another version")));
    }
    serve(std::move(request), [post, call](const absl::StatusOr<Response>& response) {
      if (!response.ok()) return post([call, status = response.status()] { call.Finish(status); });
      post([call, answer = response->SerializeAsString()] { call.Answer(answer); });
    });
  };
}

}  // namespace xpu
