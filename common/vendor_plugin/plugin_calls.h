#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/base/mac_address.h"
#include "common/base/status_macros.h"
#include "common/vendor_plugin/vendor_plugin.h"
#include "opi/lifecycle/v1/lifecycle.pb.h"
#include "opi/lifecycle/v1alpha1/lifecycle.pb.h"
#include "opi/lifecycle/vendor/lifecycle.pb.h"

namespace xpu {

// The calls of a plugin in the messages of its clients, whatever carries them.

// One package's words for the same services, as a type, since a namespace cannot be a template's parameter.
#define XPU_LIFECYCLE_WORDS(name, text, package, empty)     \
  struct name {                                             \
    static constexpr char kPackage[] = text;                \
    using InitRequest = package::InitRequest;               \
    using IpPort = package::IpPort;                         \
    using NFRequest = package::NFRequest;                   \
    using VfCount = package::VfCount;                       \
    using Device = package::Device;                         \
    using DeviceListResponse = package::DeviceListResponse; \
    using PingRequest = package::PingRequest;               \
    using PingResponse = package::PingResponse;             \
    using Empty = empty;                                    \
  }
XPU_LIFECYCLE_WORDS(VendorWords, "Vendor", ::Vendor, ::Vendor::Empty);
XPU_LIFECYCLE_WORDS(AlphaWords, "opi_api.lifecycle.v1alpha1", ::opi_api::lifecycle::v1alpha1,
                    google::protobuf::Empty);
XPU_LIFECYCLE_WORDS(StableWords, "opi_api.lifecycle.v1", ::opi_api::lifecycle::v1, google::protobuf::Empty);
#undef XPU_LIFECYCLE_WORDS

// `plugin` is not owned. Each reply is called once, on any thread.
template <typename Words>
class PluginCalls {
 public:
  template <typename Response>
  using Reply = std::function<void(absl::StatusOr<Response> response)>;

  PluginCalls(VendorPlugin& plugin, std::string responder)
      : plugin_(plugin), responder_(std::move(responder)) {}

  void Init(const typename Words::InitRequest& request, Reply<typename Words::IpPort> reply) const {
    plugin_.Init(request.dpu_mode(), request.dpu_identifier(),
                 [reply = std::move(reply)](const absl::StatusOr<PluginEndpoint>& endpoint) {
                   if (!endpoint.ok()) return reply(endpoint.status());
                   typename Words::IpPort answer;
                   answer.set_ip(endpoint->ip);
                   answer.set_port(endpoint->port);
                   reply(std::move(answer));
                 });
  }
  void CreateNetworkFunction(const typename Words::NFRequest& request,
                             Reply<typename Words::Empty> reply) const {
    Change(request, &VendorPlugin::CreateNetworkFunction, std::move(reply));
  }
  void DeleteNetworkFunction(const typename Words::NFRequest& request,
                             Reply<typename Words::Empty> reply) const {
    Change(request, &VendorPlugin::DeleteNetworkFunction, std::move(reply));
  }
  void GetDevices(const typename Words::Empty&, Reply<typename Words::DeviceListResponse> reply) const {
    plugin_.GetDevices([reply = std::move(reply)](const absl::StatusOr<std::vector<PluginDevice>>& devices) {
      if (!devices.ok()) return reply(devices.status());
      typename Words::DeviceListResponse answer;
      for (const PluginDevice& device : *devices) {
        typename Words::Device& shown = (*answer.mutable_devices())[device.id];
        shown.set_id(device.id);
        shown.set_health(device.healthy ? "Healthy" : "Unhealthy");
        if (device.numa_node >= 0) shown.mutable_topology()->set_node(absl::StrCat(device.numa_node));
      }
      reply(std::move(answer));
    });
  }
  void SetNumVfs(const typename Words::VfCount& request, Reply<typename Words::VfCount> reply) const {
    if (request.vf_cnt() < 0) {
      return reply(absl::InvalidArgumentError(
          absl::StrCat("vf_cnt: ", request.vf_cnt(), " is no number of functions; give 0 or more")));
    }
    plugin_.SetNumVfs(request.vf_cnt(), [reply = std::move(reply)](const absl::StatusOr<int>& count) {
      if (!count.ok()) return reply(count.status());
      typename Words::VfCount answer;
      answer.set_vf_cnt(*count);
      reply(std::move(answer));
    });
  }
  void Ping(const typename Words::PingRequest& request, Reply<typename Words::PingResponse> reply) const {
    typename Words::PingResponse answer;
    answer.set_timestamp(request.timestamp());
    answer.set_responder_id(responder_);
    plugin_.IsHealthy([reply = std::move(reply), answer = std::move(answer)](bool healthy) mutable {
      answer.set_healthy(healthy);
      reply(std::move(answer));
    });
  }

 private:
  using Method = void (VendorPlugin::*)(const MacAddress&, const MacAddress&,
                                        std::function<void(absl::Status)>);
  void Change(const typename Words::NFRequest& request, Method method,
              Reply<typename Words::Empty> reply) const {
    const absl::StatusOr<MacAddress> input = MacAddress::Parse(request.input());
    const absl::StatusOr<MacAddress> output = MacAddress::Parse(request.output());
    if (!input.ok()) return reply(Annotate(input.status(), "input"));
    if (!output.ok()) return reply(Annotate(output.status(), "output"));
    (plugin_.*method)(*input, *output, [reply = std::move(reply)](const absl::Status& status) {
      if (!status.ok()) return reply(status);
      reply(typename Words::Empty());
    });
  }

  VendorPlugin& plugin_;
  const std::string responder_;
};

}  // namespace xpu
