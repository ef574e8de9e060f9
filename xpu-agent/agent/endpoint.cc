#include "xpu-agent/agent/endpoint.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/rpc/failed_handshakes.h"
#include "common/sys/files.h"
#include "common/vendor_plugin/grpc_services.h"
#include "grpcpp/impl/service_type.h"
#include "xpu-agent/access/access_policy.h"
#include "xpu-agent/core/model_owner.h"
#include "xpu-agent/inventory/inventory.h"
#include "xpu-agent/lifecycle/card_plugin.h"
#include "xpu-agent/services/services.h"

namespace xpu {
namespace {

bool IsTcp(const std::string& address) { return !absl::StartsWith(address, "unix:"); }

// Where dpu-operator's daemon on the card is to listen.
absl::StatusOr<std::optional<PluginEndpoint>> DpuOperatorEndpointOf(const XpuAgentOptions& options) {
  if (options.dpu_operator_endpoint.empty()) return std::nullopt;
  XPU_ASSIGN_OR_RETURN(const PluginEndpoint endpoint, PluginEndpoint::Parse(options.dpu_operator_endpoint));
  return endpoint;
}

// Documentation/ABI/stable/sysfs-devices-node: of the device that an interface is of.
int NumaNode(const std::string& sysfs, const std::string& interface) {
  const auto text = ReadTrimmed(absl::StrCat(sysfs, "/class/net/", interface, "/device/numa_node"));
  int node = -1;
  return text.ok() && absl::SimpleAtoi(*text, &node) ? node : -1;
}

}  // namespace

AgentEndpoint::AgentEndpoint() = default;
AgentEndpoint::~AgentEndpoint() = default;

absl::StatusOr<std::unique_ptr<AgentEndpoint>> AgentEndpoint::Start(const XpuAgentOptions& options,
                                                                    EventLoop& loop, ModelOwner& owner,
                                                                    AccessPolicy& policy,
                                                                    std::vector<grpc::Service*> services) {
  std::unique_ptr<AgentEndpoint> endpoint(new AgentEndpoint());
  std::vector<std::string> listen = options.listen;
  const auto local = std::find_if_not(listen.begin(), listen.end(), IsTcp);
  endpoint->own_address_ = local == listen.end() ? listen.front() : *local;
  const bool tcp = std::any_of(listen.begin(), listen.end(), IsTcp);
  if (tcp && options.tls.empty()) {
    // Which says what is missing.
    return RpcServer::Start(listen, {}, TlsFiles()).status();
  }
  if (tcp) {
    XPU_ASSIGN_OR_RETURN(endpoint->credentials_, TlsCredentials::Load(options.tls));
    XPU_RETURN_IF_ERROR(endpoint->credentials_->Follow(loop));
    // All that this process connects to by itself is a unix socket.
    endpoint->handshakes_ =
        FailedHandshakes::Watch([&policy](const std::string& why) { policy.CountHandshake(why); });
  }
  if (!options.vendor_plugin_socket.empty()) {
    const std::filesystem::path folder = std::filesystem::path(options.vendor_plugin_socket).parent_path();
    XPU_RETURN_IF_ERROR(MakeDirectories(folder));
    listen.push_back("unix:" + options.vendor_plugin_socket);
  }
  absl::StatusOr<std::optional<PluginEndpoint>> meeting = DpuOperatorEndpointOf(options);
  XPU_RETURN_IF_ERROR(Annotate(meeting.status(), "the endpoint of dpu-operator's daemon"));
  endpoint->plugin_ = std::make_unique<CardPlugin>(
      owner, CardPlugin::Options{.endpoint = *meeting,
                                 .numa_node = [sysfs = options.sysfs](const std::string& interface) {
                                   return NumaNode(sysfs, interface);
                                 }});
  endpoint->own_services_ = MakeVendorPluginServices(*endpoint->plugin_, options.card);
  InventoryPaths paths;
  paths.sysfs = options.sysfs;
  endpoint->own_services_.push_back(MakeInventoryService(paths));
  endpoint->own_services_.push_back(MakeAccessService(policy));
  for (const auto& service : endpoint->own_services_) services.push_back(service.get());
  XPU_ASSIGN_OR_RETURN(
      endpoint->server_,
      RpcServer::Start(listen, services, RpcServerOptions{.tls = endpoint->credentials_, .gate = &policy}));
  // Until the switch was looked at.
  endpoint->SetServing(false);
  return endpoint;
}

void AgentEndpoint::SetServing(bool serving) {
  std::vector<std::string> services = SwitchServiceNames();
  services.emplace_back("");
  server_->SetServing(services, serving);
}

}  // namespace xpu
