#include "device-plugin/registry_link.h"

#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "kubelet/pluginregistration/v1/api.pb.h"
#include "spdlog/spdlog.h"

namespace xpu {
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

LoopRpcServer::Methods RegistrationMethods(const std::string& resource, const std::string& endpoint) {
  return {
      {"/pluginregistration.Registration/GetInfo",
       [=](const LoopCall& call, const std::string&) {
         pluginregistration::PluginInfo info;
         info.set_type("DevicePlugin");
         info.set_name(resource);
         info.set_endpoint(endpoint);
         info.add_supported_versions("v1beta1");
         call.Answer(info.SerializeAsString());
       }},
      {"/pluginregistration.Registration/NotifyRegistrationStatus",
       [=](const LoopCall& call, const std::string& request) {
         pluginregistration::RegistrationStatus status;
         if (!status.ParseFromString(request)) {
           return call.Finish(absl::InvalidArgumentError("this is no RegistrationStatus"));
         }
         if (status.plugin_registered()) {
           spdlog::info("the kubelet has registered {}", resource);
         } else {
           spdlog::error("the kubelet does not register {}: {}; it will ask again", resource, status.error());
         }
         call.Answer(pluginregistration::RegistrationStatusResponse().SerializeAsString());
       }},
  };
}

}  // namespace xpu
