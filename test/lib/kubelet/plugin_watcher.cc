#include "test/lib/kubelet/plugin_watcher.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "common/rpc/rpc.h"
#include "grpcpp/grpcpp.h"
#include "kubelet/pluginregistration/v1/api.grpc.pb.h"
#include "spdlog/spdlog.h"

namespace xpu::testing {

namespace fs = std::filesystem;
using pluginregistration::Registration;

absl::StatusOr<std::unique_ptr<PluginWatcher>> PluginWatcher::Start(const std::string& folder,
                                                                    absl::Duration dial_timeout,
                                                                    Register register_plugin) {
  std::unique_ptr<PluginWatcher> watcher(new PluginWatcher(folder, dial_timeout, std::move(register_plugin)));
  XPU_ASSIGN_OR_RETURN(watcher->watch_, FolderWatch::Start(watcher->loop_, folder,
                                                           [raw = watcher.get()](FolderWatch::Change change,
                                                                                 const std::string& name) {
                                                             if (change == FolderWatch::Change::kCreated)
                                                               raw->OnSocket(name);
                                                           }));
  watcher->loop_.Post([raw = watcher.get()] {
    for (const fs::directory_entry& entry : fs::directory_iterator(raw->folder_)) {
      raw->OnSocket(entry.path().filename());
    }
  });
  watcher->thread_ = std::thread([raw = watcher.get()] { raw->loop_.Run(); });
  return watcher;
}

PluginWatcher::~PluginWatcher() {
  loop_.Stop();
  if (thread_.joinable()) thread_.join();
}

void PluginWatcher::OnSocket(const std::string& name) {
  const std::string path = absl::StrCat(folder_, "/", name);
  std::error_code error;
  if (!fs::is_socket(path, error)) return;
  grpc::ChannelArguments arguments;
  // A socket is seen before anybody listens on it.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 10);
  const auto stub = Registration::NewStub(
      grpc::CreateCustomChannel("unix:" + path, grpc::InsecureChannelCredentials(), arguments));
  const auto prepare = [&](grpc::ClientContext& context) {
    context.set_deadline(absl::ToChronoTime(absl::Now() + dial_timeout_));
    context.set_wait_for_ready(true);
  };
  pluginregistration::PluginInfo info;
  {
    grpc::ClientContext context;
    prepare(context);
    const grpc::Status asked = stub->GetInfo(&context, {}, &info);
    if (!asked.ok()) return spdlog::warn("{}: {}", path, asked.error_message());
  }
  const auto& versions = info.supported_versions();
  absl::Status status;
  if (info.type() != "DevicePlugin") {
    status = absl::InvalidArgumentError(absl::StrCat("no handler for plugins of type ", info.type()));
  } else if (std::find(versions.begin(), versions.end(), "v1beta1") == versions.end()) {
    status = absl::InvalidArgumentError("none of its versions is supported");
  } else {
    status = register_(info.name(), info.endpoint().empty() ? path : info.endpoint());
  }
  pluginregistration::RegistrationStatus told;
  told.set_plugin_registered(status.ok());
  told.set_error(std::string(status.message()));
  pluginregistration::RegistrationStatusResponse ignored;
  grpc::ClientContext context;
  prepare(context);
  stub->NotifyRegistrationStatus(&context, told, &ignored);
}

}  // namespace xpu::testing
