// What stands behind and beside the device plugin while Allocate is measured, each a process of its own:
//   xpu-allocate-servers host-agent SOCKET FUNCTIONS
//       a host agent that has so many functions and claims at once
//   xpu-allocate-servers echo SOCKET
//       a bare gRPC server that answers Allocate with what it was asked
//   xpu-allocate-servers relay SOCKET HOST_AGENT
//       one that asks the host agent
// They run until they are killed.

#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "absl/strings/str_format.h"
#include "common/base/event_loop.h"
#include "common/base/loop_inbox.h"
#include "common/loop_rpc/loop_rpc_server.h"
#include "common/loop_rpc/typed_method.h"
#include "kubelet/deviceplugin/v1beta1/api.grpc.pb.h"
#include "test/component/device_plugin/fake_host_agent.h"
#include "xpu/hostagent/v1/host_agent.grpc.pb.h"

namespace {

using xpu::hostagent::v1::HostAgentService;

class Echo final : public v1beta1::DevicePlugin::CallbackService {
  grpc::ServerUnaryReactor* Allocate(grpc::CallbackServerContext* context,
                                     const v1beta1::AllocateRequest* request,
                                     v1beta1::AllocateResponse* response) override {
    for (const auto& container : request->container_requests()) {
      auto& envs = *response->add_container_responses()->mutable_envs();
      for (const std::string& id : container.devices_ids()) envs["ID"] += id;
    }
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

// The least that a device plugin can do that holds no state of its own.
class Relay final : public v1beta1::DevicePlugin::CallbackService {
 public:
  explicit Relay(const std::string& host_agent)
      : host_agent_(HostAgentService::NewStub(
            grpc::CreateChannel("unix:" + host_agent, grpc::InsecureChannelCredentials()))) {}

 private:
  struct Call {
    grpc::ClientContext context;
    xpu::hostagent::v1::AllocateRequest request;
    xpu::hostagent::v1::AllocateResponse response;
  };

  grpc::ServerUnaryReactor* Allocate(grpc::CallbackServerContext* context,
                                     const v1beta1::AllocateRequest* request,
                                     v1beta1::AllocateResponse* response) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    const auto call = std::make_shared<Call>();
    *call->request.mutable_functions() = request->container_requests(0).devices_ids();
    host_agent_->async()->Allocate(&call->context, &call->request, &call->response,
                                   [=](const grpc::Status& status) {
                                     for (const std::string& id : call->request.functions()) {
                                       (*response->add_container_responses()->mutable_envs())["ID"] = id;
                                     }
                                     reactor->Finish(status);
                                   });
    return reactor;
  }

  const std::unique_ptr<HostAgentService::Stub> host_agent_;
};

int Run(grpc::Service& service, const std::string& socket) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + socket, grpc::InsecureServerCredentials());
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  return pause();
}

// Speaks as xpu-host-agent does, and claims at once.
int RunHostAgent(const std::string& socket, int count) {
  xpu::hostagent::v1::WatchFunctionsResponse list;
  for (int i = 0; i < count; ++i) {
    const int pf = i / 128;
    *list.add_functions() =
        xpu::FakeHostAgent::Function(absl::StrFormat("0000:%02x:%02x.%d", 16 + pf, i % 128 / 8, i % 8),
                                     absl::StrFormat("0000:%02x:00.0", 16 + pf), pf % 2);
  }
  xpu::EventLoop loop;
  const xpu::LoopInbox inbox(loop);
  const auto server = xpu::LoopRpcServer::Start(
      loop, socket,
      {{"/xpu.hostagent.v1.HostAgentService/WatchFunctions",
        [&](const xpu::LoopCall& call, const std::string&) { call.Write(list.SerializeAsString()); }},
       {"/xpu.hostagent.v1.HostAgentService/Allocate",
        xpu::UnaryMethod<xpu::hostagent::v1::AllocateRequest, xpu::hostagent::v1::AllocateResponse>(
            inbox.post(),
            [](const auto&, const auto& reply) { reply(xpu::hostagent::v1::AllocateResponse()); })}});
  if (!server.ok()) return 1;
  loop.Run();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "echo" && argc == 3) {
    Echo echo;
    return Run(echo, argv[2]);
  }
  if (what == "relay" && argc == 4) {
    Relay relay(argv[3]);
    return Run(relay, argv[2]);
  }
  if (what == "host-agent" && argc == 4) return RunHostAgent(argv[2], atoi(argv[3]));
  std::fprintf(
      stderr,
      "usage: xpu-allocate-servers echo SOCKET | relay SOCKET HOST_AGENT | host-agent SOCKET FUNCTIONS\n");
  return 2;
}
