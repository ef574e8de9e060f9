#include "device-plugin/device_plugin.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/rpc/rpc.h"
#include "device-plugin/device_board.h"
#include "device-plugin/function_watch.h"
#include "device-plugin/kubelet_link.h"
#include "device-plugin/plugin_service.h"
#include "device-plugin/resource_name.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/impl/codegen/service_type.h"
#include "spdlog/spdlog.h"

namespace xpu {

absl::Status RunDevicePlugin(const DevicePluginOptions& options, const DevicePluginDeps& deps) {
  XPU_RETURN_IF_ERROR(CheckResourceName(options.resource));
  XPU_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> host_agent, MakeChannel(options.host_agent));
  EventLoop& loop = *deps.loop;
  const auto board = std::make_shared<DeviceBoard>();
  absl::Status result;
  const auto fail = [&](const absl::Status& status) {
    if (result.ok()) result = status;
    loop.Stop();
  };

  // Before the service, whose calls post to it.
  const LoopInbox inbox(loop);
  std::unique_ptr<KubeletLink> link;
  const std::unique_ptr<grpc::Service> service = MakePluginService(
      board, host_agent,
      {.resource = options.resource,
       .host_agent = options.host_agent,
       .allocate_timeout = options.allocate_timeout,
       .unwatched = [post = inbox.post(), &link] { post([&link] { link->OnUnwatched(); }); }});

  std::unique_ptr<RpcServer> server;
  const std::string socket_name = PluginSocketName(options.resource);
  const auto serve = [&]() -> absl::Status {
    // The old one first: when it goes it removes what is at its path.
    server = nullptr;
    XPU_ASSIGN_OR_RETURN(
        server,
        RpcServer::Start({absl::StrCat("unix:", options.plugin_dir, "/", socket_name)}, {service.get()}));
    return absl::OkStatus();
  };
  XPU_ASSIGN_OR_RETURN(
      link,
      KubeletLink::Start(
          loop, {.folder = options.plugin_dir, .plugin_socket = socket_name, .resource = options.resource},
          serve, fail));

  spdlog::info("asking the host agent at {} for its functions", options.host_agent);
  const FunctionWatch watch(loop, host_agent, options.host_agent, {.grace = options.grace}, *board,
                            [&] { link->Enable(); });
  if (deps.serving != nullptr) deps.serving();
  loop.Run();
  return result;
}

}  // namespace xpu
