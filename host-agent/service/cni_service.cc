#include "host-agent/service/cni_service.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/loop_rpc/typed_method.h"
#include "host-agent/cni/cni_error.h"
#include "host-agent/service/cni_log.h"
#include "xpu/hostagent/v1/host_agent.pb.h"

namespace xpu {
namespace {

namespace pb = hostagent::v1;

CniHandler::Request ToRequest(const pb::CniRequest& request) {
  return {.parameters = {.container_id = request.container_id(),
                         .netns = request.netns(),
                         .ifname = request.ifname(),
                         .args = request.args(),
                         .path = request.path()},
          .config = request.config()};
}

pb::CniResponse ToResponse(const CniHandler::Request& request, absl::StatusOr<std::string> result) {
  pb::CniResponse response;
  if (result.ok()) {
    response.set_result(*std::move(result));
    return response;
  }
  const CniFailure failure = ToCniFailure(result.status());
  pb::CniError& error = *response.mutable_error();
  error.set_code(static_cast<uint32_t>(failure.code));
  error.set_msg(failure.msg);
  error.set_details(failure.details);
  error.set_cni_version(CniVersionForErrors(request.config));
  return response;
}

using Verb = void (CniHandler::*)(const CniHandler::Request& request, CniHandler::Done done);

// `command` is what the specification calls it.
LoopRpcServer::Method MethodFor(CniHandler& handler, const char* command, Verb verb,
                                const LoopInbox::Post& post) {
  return UnaryMethod<pb::CniRequest, pb::CniResponse>(
      post, [&handler, command, verb](const pb::CniRequest& message, RpcReply<pb::CniResponse> reply) {
        CniHandler::Request request = ToRequest(message);
        (handler.*verb)(request,
                        [command, request, reply = std::move(reply)](absl::StatusOr<std::string> result) {
                          LogCniCall(command, request, result);
                          reply(ToResponse(request, std::move(result)));
                        });
      });
}

}  // namespace

LoopRpcServer::Methods CniServiceMethods(CniHandler& handler, const LoopInbox::Post& post) {
  LoopRpcServer::Methods methods;
  const auto add = [&](const char* name, const char* command, Verb verb) {
    methods[absl::StrCat("/xpu.hostagent.v1.CniService/", name)] = MethodFor(handler, command, verb, post);
  };
  add("Add", "ADD", &CniHandler::Add);
  add("Del", "DEL", &CniHandler::Del);
  add("Check", "CHECK", &CniHandler::Check);
  add("Gc", "GC", &CniHandler::Gc);
  add("Status", "STATUS", &CniHandler::Status);
  return methods;
}

}  // namespace xpu
