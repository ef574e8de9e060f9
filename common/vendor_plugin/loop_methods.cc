#include "common/vendor_plugin/loop_methods.h"

#include <memory>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "common/loop_rpc/typed_method.h"
#include "common/rpc/status_details.h"
#include "common/vendor_plugin/plugin_calls.h"

namespace xpu {
namespace {

absl::Status ForTheWire(absl::Status status) {
  if (const std::string details = StatusDetails(status); !details.empty()) {
    status.SetPayload(kGrpcDetails, absl::Cord(details));
  }
  return status;
}

template <typename Words>
class Methods {
 public:
  Methods(VendorPlugin& plugin, const std::string& responder, LoopInbox::Post post)
      : calls_(std::make_shared<const PluginCalls<Words>>(plugin, responder)), post_(std::move(post)) {}

  void AddTo(LoopRpcServer::Methods& methods) const {
    using Calls = PluginCalls<Words>;
    Add(methods, "LifeCycleService/Init", &Calls::Init);
    Add(methods, "NetworkFunctionService/CreateNetworkFunction", &Calls::CreateNetworkFunction);
    Add(methods, "NetworkFunctionService/DeleteNetworkFunction", &Calls::DeleteNetworkFunction);
    Add(methods, "DeviceService/GetDevices", &Calls::GetDevices);
    Add(methods, "DeviceService/SetNumVfs", &Calls::SetNumVfs);
    Add(methods, "HeartbeatService/Ping", &Calls::Ping);
  }

 private:
  template <typename Request, typename Response>
  void Add(LoopRpcServer::Methods& methods, const char* name,
           void (PluginCalls<Words>::*method)(const Request&, std::function<void(absl::StatusOr<Response>)>)
               const) const {
    methods[absl::StrCat("/", Words::kPackage, ".", name)] = UnaryMethod<Request, Response>(
        post_, [calls = calls_, method](const Request& request, RpcReply<Response> reply) {
          (*calls.*method)(request, [reply = std::move(reply)](absl::StatusOr<Response> response) {
            reply(response.ok() ? std::move(response) : ForTheWire(response.status()));
          });
        });
  }

  const std::shared_ptr<const PluginCalls<Words>> calls_;
  const LoopInbox::Post post_;
};

}  // namespace

LoopRpcServer::Methods VendorPluginMethods(VendorPlugin& plugin, const std::string& responder,
                                           const LoopInbox::Post& post) {
  LoopRpcServer::Methods methods;
  Methods<VendorWords>(plugin, responder, post).AddTo(methods);
  Methods<AlphaWords>(plugin, responder, post).AddTo(methods);
  Methods<StableWords>(plugin, responder, post).AddTo(methods);
  return methods;
}

}  // namespace xpu
