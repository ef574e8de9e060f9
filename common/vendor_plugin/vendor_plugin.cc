#include "common/vendor_plugin/vendor_plugin.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/ip_address.h"
#include "common/base/status_macros.h"
#include "common/rpc/rpc.h"
#include "grpcpp/support/server_callback.h"
#include "opi/lifecycle/v1/lifecycle.grpc.pb.h"
#include "opi/lifecycle/v1alpha1/lifecycle.grpc.pb.h"
#include "opi/lifecycle/vendor/lifecycle.grpc.pb.h"

namespace xpu {
namespace {

using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

// One package's words for the same services, as a type, since a namespace cannot be a template's parameter.
#define XPU_LIFECYCLE_WORDS(name, package, empty)                   \
  struct name {                                                     \
    using LifeCycleService = package::LifeCycleService;             \
    using NetworkFunctionService = package::NetworkFunctionService; \
    using DeviceService = package::DeviceService;                   \
    using HeartbeatService = package::HeartbeatService;             \
    using InitRequest = package::InitRequest;                       \
    using IpPort = package::IpPort;                                 \
    using NFRequest = package::NFRequest;                           \
    using VfCount = package::VfCount;                               \
    using Device = package::Device;                                 \
    using DeviceListResponse = package::DeviceListResponse;         \
    using PingRequest = package::PingRequest;                       \
    using PingResponse = package::PingResponse;                     \
    using Empty = empty;                                            \
  }
XPU_LIFECYCLE_WORDS(VendorWords, ::Vendor, ::Vendor::Empty);
XPU_LIFECYCLE_WORDS(AlphaWords, ::opi_api::lifecycle::v1alpha1, google::protobuf::Empty);
XPU_LIFECYCLE_WORDS(StableWords, ::opi_api::lifecycle::v1, google::protobuf::Empty);
#undef XPU_LIFECYCLE_WORDS

template <typename Words>
class LifeCycle final : public Words::LifeCycleService::CallbackService {
 public:
  explicit LifeCycle(VendorPlugin& plugin) : plugin_(plugin) {}
  ServerUnaryReactor* Init(CallbackServerContext* context, const typename Words::InitRequest* request,
                           typename Words::IpPort* answer) override {
    ServerUnaryReactor* reactor = context->DefaultReactor();
    plugin_.Init(request->dpu_mode(), request->dpu_identifier(),
                 [reactor, answer](const absl::StatusOr<PluginEndpoint>& endpoint) {
                   if (endpoint.ok()) {
                     answer->set_ip(endpoint->ip);
                     answer->set_port(endpoint->port);
                   }
                   reactor->Finish(ToGrpc(endpoint.status()));
                 });
    return reactor;
  }

 private:
  VendorPlugin& plugin_;
};

template <typename Words>
class NetworkFunctions final : public Words::NetworkFunctionService::CallbackService {
 public:
  explicit NetworkFunctions(VendorPlugin& plugin) : plugin_(plugin) {}
  ServerUnaryReactor* CreateNetworkFunction(CallbackServerContext* context,
                                            const typename Words::NFRequest* request,
                                            typename Words::Empty*) override {
    return Change(context, *request, &VendorPlugin::CreateNetworkFunction);
  }
  ServerUnaryReactor* DeleteNetworkFunction(CallbackServerContext* context,
                                            const typename Words::NFRequest* request,
                                            typename Words::Empty*) override {
    return Change(context, *request, &VendorPlugin::DeleteNetworkFunction);
  }

 private:
  using Method = void (VendorPlugin::*)(const MacAddress&, const MacAddress&,
                                        std::function<void(absl::Status)>);
  ServerUnaryReactor* Change(CallbackServerContext* context, const typename Words::NFRequest& request,
                             Method method) {
    ServerUnaryReactor* reactor = context->DefaultReactor();
    const absl::StatusOr<MacAddress> input = MacAddress::Parse(request.input());
    const absl::StatusOr<MacAddress> output = MacAddress::Parse(request.output());
    if (!input.ok() || !output.ok()) {
      reactor->Finish(
          ToGrpc(input.ok() ? Annotate(output.status(), "output") : Annotate(input.status(), "input")));
      return reactor;
    }
    (plugin_.*method)(*input, *output,
                      [reactor](const absl::Status& status) { reactor->Finish(ToGrpc(status)); });
    return reactor;
  }
  VendorPlugin& plugin_;
};

template <typename Words>
class Devices final : public Words::DeviceService::CallbackService {
 public:
  explicit Devices(VendorPlugin& plugin) : plugin_(plugin) {}
  ServerUnaryReactor* GetDevices(CallbackServerContext* context, const typename Words::Empty*,
                                 typename Words::DeviceListResponse* answer) override {
    ServerUnaryReactor* reactor = context->DefaultReactor();
    plugin_.GetDevices([reactor, answer](const absl::StatusOr<std::vector<PluginDevice>>& devices) {
      if (devices.ok()) {
        for (const PluginDevice& device : *devices) {
          typename Words::Device& shown = (*answer->mutable_devices())[device.id];
          shown.set_id(device.id);
          shown.set_health(device.healthy ? "Healthy" : "Unhealthy");
          if (device.numa_node >= 0) shown.mutable_topology()->set_node(absl::StrCat(device.numa_node));
        }
      }
      reactor->Finish(ToGrpc(devices.status()));
    });
    return reactor;
  }
  ServerUnaryReactor* SetNumVfs(CallbackServerContext* context, const typename Words::VfCount* request,
                                typename Words::VfCount* answer) override {
    ServerUnaryReactor* reactor = context->DefaultReactor();
    if (request->vf_cnt() < 0) {
      reactor->Finish(ToGrpc(absl::InvalidArgumentError(
          absl::StrCat("vf_cnt: ", request->vf_cnt(), " is no number of functions; give 0 or more"))));
      return reactor;
    }
    plugin_.SetNumVfs(request->vf_cnt(), [reactor, answer](const absl::StatusOr<int>& count) {
      if (count.ok()) answer->set_vf_cnt(*count);
      reactor->Finish(ToGrpc(count.status()));
    });
    return reactor;
  }

 private:
  VendorPlugin& plugin_;
};

template <typename Words>
class Heartbeat final : public Words::HeartbeatService::CallbackService {
 public:
  Heartbeat(VendorPlugin& plugin, std::string responder)
      : plugin_(plugin), responder_(std::move(responder)) {}
  ServerUnaryReactor* Ping(CallbackServerContext* context, const typename Words::PingRequest* request,
                           typename Words::PingResponse* answer) override {
    ServerUnaryReactor* reactor = context->DefaultReactor();
    answer->set_timestamp(request->timestamp());
    answer->set_responder_id(responder_);
    plugin_.IsHealthy([reactor, answer](bool healthy) {
      answer->set_healthy(healthy);
      reactor->Finish(grpc::Status::OK);
    });
    return reactor;
  }

 private:
  VendorPlugin& plugin_;
  const std::string responder_;
};

template <typename Words>
void AddServices(VendorPlugin& plugin, const std::string& responder,
                 std::vector<std::unique_ptr<grpc::Service>>* services) {
  services->push_back(std::make_unique<LifeCycle<Words>>(plugin));
  services->push_back(std::make_unique<NetworkFunctions<Words>>(plugin));
  services->push_back(std::make_unique<Devices<Words>>(plugin));
  services->push_back(std::make_unique<Heartbeat<Words>>(plugin, responder));
}

}  // namespace

absl::StatusOr<PluginEndpoint> PluginEndpoint::Parse(absl::string_view text) {
  const size_t colon = text.rfind(':');
  absl::string_view ip = text.substr(0, colon);
  const bool bracketed = ip.size() > 2 && ip.front() == '[' && ip.back() == ']';
  if (bracketed) ip = ip.substr(1, ip.size() - 2);
  const absl::StatusOr<IpAddress> address = IpAddress::Parse(ip);
  uint32_t port = 0;
  if (colon == absl::string_view::npos || !address.ok() || address->is_v6() != bracketed ||
      !absl::SimpleAtoi(text.substr(colon + 1), &port) || port == 0 || port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", text, "\" is not the address of an endpoint; give IP:PORT or [IPv6]:PORT, with numbers"));
  }
  return PluginEndpoint{.ip = address->ToString(), .port = static_cast<uint16_t>(port)};
}

std::vector<std::unique_ptr<grpc::Service>> MakeVendorPluginServices(VendorPlugin& plugin,
                                                                     const std::string& responder) {
  std::vector<std::unique_ptr<grpc::Service>> services;
  AddServices<VendorWords>(plugin, responder, &services);
  AddServices<AlphaWords>(plugin, responder, &services);
  AddServices<StableWords>(plugin, responder, &services);
  return services;
}

}  // namespace xpu
