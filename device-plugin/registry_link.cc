#include "device-plugin/registry_link.h"

#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "grpcpp/grpcpp.h"
#include "kubelet/pluginregistration/v1/api.grpc.pb.h"
#include "spdlog/spdlog.h"

namespace xpu {
namespace {

class RegistrationService : public pluginregistration::Registration::CallbackService {
 public:
  RegistrationService(std::string resource, std::string endpoint)
      : resource_(std::move(resource)), endpoint_(std::move(endpoint)) {}

  grpc::ServerUnaryReactor* GetInfo(grpc::CallbackServerContext* context,
                                    const pluginregistration::InfoRequest*,
                                    pluginregistration::PluginInfo* info) override {
    info->set_type("DevicePlugin");
    info->set_name(resource_);
    info->set_endpoint(endpoint_);
    info->add_supported_versions("v1beta1");
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  grpc::ServerUnaryReactor* NotifyRegistrationStatus(
      grpc::CallbackServerContext* context, const pluginregistration::RegistrationStatus* status,
      pluginregistration::RegistrationStatusResponse*) override {
    if (status->plugin_registered()) {
      spdlog::info("the kubelet has registered {}", resource_);
    } else {
      spdlog::error("the kubelet does not register {}: {}; it will ask again", resource_, status->error());
    }
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  const std::string resource_;
  const std::string endpoint_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RegistryLink>> RegistryLink::Start(EventLoop& loop, const Options& options,
                                                                  Serve serve, Fail fail) {
  std::unique_ptr<RegistryLink> link(new RegistryLink(options, std::move(serve), std::move(fail)));
  XPU_ASSIGN_OR_RETURN(link->folder_watch_, FolderWatch::Start(loop, options.folder,
                                                               [raw = link.get()](FolderWatch::Change change,
                                                                                  const std::string& name) {
                                                                 raw->OnChange(change, name);
                                                               }));
  return link;
}

void RegistryLink::Enable() {
  if (std::exchange(enabled_, true)) return;
  if (const absl::Status status = serve_(); !status.ok()) return fail_(status);
  spdlog::info("serving {} on {}", options_.resource, socket_path());
}

void RegistryLink::OnChange(FolderWatch::Change change, const std::string& name) {
  if (change == FolderWatch::Change::kFolderGone) {
    return fail_(absl::NotFoundError(
        absl::StrCat("the kubelet's folder ", options_.folder, " has gone; start again when it is back")));
  }
  const bool ours = change == FolderWatch::Change::kUnknown ||
                    (change == FolderWatch::Change::kRemoved && name == options_.plugin_socket);
  // Also told after this has made its own socket anew.
  if (!enabled_ || !ours || access(socket_path().c_str(), F_OK) == 0) return;
  spdlog::warn("{} was removed", socket_path());
  if (const absl::Status status = serve_(); !status.ok()) fail_(status);
}

std::unique_ptr<grpc::Service> MakeRegistrationService(const std::string& resource,
                                                       const std::string& endpoint) {
  return std::make_unique<RegistrationService>(resource, endpoint);
}

}  // namespace xpu
