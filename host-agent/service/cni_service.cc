#include "host-agent/service/cni_service.h"

#include <string>
#include <utility>

#include "host-agent/cni/cni_error.h"
#include "host-agent/service/cni_log.h"

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

// What answers a call: its outcome, and then the end of the call.
CniHandler::Done Answer(const char* command, const pb::CniRequest* request, pb::CniResponse* response,
                        grpc::ServerUnaryReactor* reactor) {
  return [command, request, response, reactor](absl::StatusOr<std::string> result) {
    LogCniCall(command, ToRequest(*request), result);
    if (result.ok()) {
      response->set_result(*std::move(result));
    } else {
      const CniFailure failure = ToCniFailure(result.status());
      pb::CniError& error = *response->mutable_error();
      error.set_code(static_cast<uint32_t>(failure.code));
      error.set_msg(failure.msg);
      error.set_details(failure.details);
      error.set_cni_version(CniVersionForErrors(request->config()));
    }
    reactor->Finish(grpc::Status::OK);
  };
}

}  // namespace

grpc::ServerUnaryReactor* CniServiceImpl::Add(grpc::CallbackServerContext* context,
                                              const pb::CniRequest* request, pb::CniResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  handler_.Add(ToRequest(*request), Answer("ADD", request, response, reactor));
  return reactor;
}

grpc::ServerUnaryReactor* CniServiceImpl::Del(grpc::CallbackServerContext* context,
                                              const pb::CniRequest* request, pb::CniResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  handler_.Del(ToRequest(*request), Answer("DEL", request, response, reactor));
  return reactor;
}

grpc::ServerUnaryReactor* CniServiceImpl::Check(grpc::CallbackServerContext* context,
                                                const pb::CniRequest* request, pb::CniResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  handler_.Check(ToRequest(*request), Answer("CHECK", request, response, reactor));
  return reactor;
}

grpc::ServerUnaryReactor* CniServiceImpl::Gc(grpc::CallbackServerContext* context,
                                             const pb::CniRequest* request, pb::CniResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  handler_.Gc(ToRequest(*request), Answer("GC", request, response, reactor));
  return reactor;
}

grpc::ServerUnaryReactor* CniServiceImpl::Status(grpc::CallbackServerContext* context,
                                                 const pb::CniRequest* request, pb::CniResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  handler_.Status(ToRequest(*request), Answer("STATUS", request, response, reactor));
  return reactor;
}

}  // namespace xpu
