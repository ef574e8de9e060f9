#include "common/vendor_plugin/grpc_services.h"

#include <utility>

#include "common/rpc/rpc.h"
#include "common/vendor_plugin/plugin_calls.h"
#include "grpcpp/support/server_callback.h"
#include "opi/lifecycle/v1/lifecycle.grpc.pb.h"
#include "opi/lifecycle/v1alpha1/lifecycle.grpc.pb.h"
#include "opi/lifecycle/vendor/lifecycle.grpc.pb.h"

namespace xpu {
namespace {

using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

// The words with their services.
#define XPU_LIFECYCLE_SERVICES(name, words, package)                \
  struct name : words {                                             \
    using Messages = words;                                         \
    using LifeCycleService = package::LifeCycleService;             \
    using NetworkFunctionService = package::NetworkFunctionService; \
    using DeviceService = package::DeviceService;                   \
    using HeartbeatService = package::HeartbeatService;             \
  }
XPU_LIFECYCLE_SERVICES(VendorServices, VendorWords, ::Vendor);
XPU_LIFECYCLE_SERVICES(AlphaServices, AlphaWords, ::opi_api::lifecycle::v1alpha1);
XPU_LIFECYCLE_SERVICES(StableServices, StableWords, ::opi_api::lifecycle::v1);
#undef XPU_LIFECYCLE_SERVICES

template <typename Words>
using CallsOf = PluginCalls<typename Words::Messages>;

template <typename Calls, typename Request, typename Response>
ServerUnaryReactor* Serve(const Calls& calls,
                          void (Calls::*method)(const Request&, std::function<void(absl::StatusOr<Response>)>)
                              const,
                          CallbackServerContext* context, const Request* request, Response* answer) {
  ServerUnaryReactor* reactor = context->DefaultReactor();
  (calls.*method)(*request, [reactor, answer](absl::StatusOr<Response> response) {
    if (response.ok()) *answer = *std::move(response);
    reactor->Finish(ToGrpc(response.status()));
  });
  return reactor;
}

template <typename Words>
class LifeCycle final : public Words::LifeCycleService::CallbackService {
 public:
  explicit LifeCycle(CallsOf<Words> calls) : calls_(std::move(calls)) {}
  ServerUnaryReactor* Init(CallbackServerContext* context, const typename Words::InitRequest* request,
                           typename Words::IpPort* answer) override {
    return Serve(calls_, &CallsOf<Words>::Init, context, request, answer);
  }

 private:
  const CallsOf<Words> calls_;
};

template <typename Words>
class NetworkFunctions final : public Words::NetworkFunctionService::CallbackService {
 public:
  explicit NetworkFunctions(CallsOf<Words> calls) : calls_(std::move(calls)) {}
  ServerUnaryReactor* CreateNetworkFunction(CallbackServerContext* context,
                                            const typename Words::NFRequest* request,
                                            typename Words::Empty* answer) override {
    return Serve(calls_, &CallsOf<Words>::CreateNetworkFunction, context, request, answer);
  }
  ServerUnaryReactor* DeleteNetworkFunction(CallbackServerContext* context,
                                            const typename Words::NFRequest* request,
                                            typename Words::Empty* answer) override {
    return Serve(calls_, &CallsOf<Words>::DeleteNetworkFunction, context, request, answer);
  }

 private:
  const CallsOf<Words> calls_;
};

template <typename Words>
class Devices final : public Words::DeviceService::CallbackService {
 public:
  explicit Devices(CallsOf<Words> calls) : calls_(std::move(calls)) {}
  ServerUnaryReactor* GetDevices(CallbackServerContext* context, const typename Words::Empty* request,
                                 typename Words::DeviceListResponse* answer) override {
    return Serve(calls_, &CallsOf<Words>::GetDevices, context, request, answer);
  }
  ServerUnaryReactor* SetNumVfs(CallbackServerContext* context, const typename Words::VfCount* request,
                                typename Words::VfCount* answer) override {
    return Serve(calls_, &CallsOf<Words>::SetNumVfs, context, request, answer);
  }

 private:
  const CallsOf<Words> calls_;
};

template <typename Words>
class Heartbeat final : public Words::HeartbeatService::CallbackService {
 public:
  explicit Heartbeat(CallsOf<Words> calls) : calls_(std::move(calls)) {}
  ServerUnaryReactor* Ping(CallbackServerContext* context, const typename Words::PingRequest* request,
                           typename Words::PingResponse* answer) override {
    return Serve(calls_, &CallsOf<Words>::Ping, context, request, answer);
  }

 private:
  const CallsOf<Words> calls_;
};

template <typename Words>
void AddServices(VendorPlugin& plugin, const std::string& responder,
                 std::vector<std::unique_ptr<grpc::Service>>* services) {
  const CallsOf<Words> calls(plugin, responder);
  services->push_back(std::make_unique<LifeCycle<Words>>(calls));
  services->push_back(std::make_unique<NetworkFunctions<Words>>(calls));
  services->push_back(std::make_unique<Devices<Words>>(calls));
  services->push_back(std::make_unique<Heartbeat<Words>>(calls));
}

}  // namespace

std::vector<std::unique_ptr<grpc::Service>> MakeVendorPluginServices(VendorPlugin& plugin,
                                                                     const std::string& responder) {
  std::vector<std::unique_ptr<grpc::Service>> services;
  AddServices<VendorServices>(plugin, responder, &services);
  AddServices<AlphaServices>(plugin, responder, &services);
  AddServices<StableServices>(plugin, responder, &services);
  return services;
}

}  // namespace xpu
