#include "device-plugin/pool.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "device-plugin/kubelet_link.h"
#include "device-plugin/plugin_service.h"
#include "device-plugin/registry_link.h"
#include "device-plugin/resource_name.h"
#include "spdlog/spdlog.h"

namespace xpu {

Pool::Pool(EventLoop& loop, const Options& options, AllocateClient& host_agent)
    : resource_(options.config.resource),
      files_(std::make_shared<PoolFiles>(PoolFiles::Options{.resource = options.config.resource,
                                                            .cdi_dir = options.cdi_dir,
                                                            .use_cdi = options.use_cdi,
                                                            .device_info_dir = options.device_info_dir})),
      board_(std::make_shared<DeviceBoard>(!options.config.exclude_topology)),
      inbox_(loop),
      loop_(loop),
      methods_(PluginMethods(
          board_,
          {.pool = options.config,
           .use_cdi = options.use_cdi,
           .files = files_,
           .host_agent = &host_agent,
           .unwatched = [this, post = inbox_.post()] { post([this] { link_->OnUnwatched(); }); }},
          inbox_.post())) {}

Pool::~Pool() = default;

absl::StatusOr<std::unique_ptr<Pool>> Pool::Start(EventLoop& loop, const Options& options,
                                                  AllocateClient& host_agent,
                                                  std::function<void(const absl::Status&)> fail) {
  const std::string& resource = options.config.resource;
  XPU_RETURN_IF_ERROR(CheckResourceName(resource));
  std::unique_ptr<Pool> pool(new Pool(loop, options, host_agent));
  const std::string socket = PluginSocketName(resource);
  if (options.registration == PluginRegistration::kWatcher) {
    const std::string path = absl::StrCat(options.registry_dir, "/", socket);
    pool->methods_.merge(RegistrationMethods(resource, path));
    XPU_ASSIGN_OR_RETURN(
        pool->link_,
        RegistryLink::Start(
            loop, {.folder = options.registry_dir, .plugin_socket = socket, .resource = resource},
            [raw = pool.get(), path] { return raw->Serve(path); }, std::move(fail)));
  } else {
    const std::string path = absl::StrCat(options.plugin_dir, "/", socket);
    XPU_ASSIGN_OR_RETURN(
        pool->link_, KubeletLink::Start(
                         loop, {.folder = options.plugin_dir, .plugin_socket = socket, .resource = resource},
                         [raw = pool.get(), path] { return raw->Serve(path); }, std::move(fail)));
  }
  return pool;
}

absl::Status Pool::Serve(const std::string& socket) {
  // The old one first: when it goes it removes what is at its path.
  server_ = nullptr;
  XPU_ASSIGN_OR_RETURN(server_, LoopRpcServer::Start(loop_, socket, methods_));
  return absl::OkStatus();
}

void Pool::Replace(PoolMembers members) {
  LogChanges(members);
  files_->Update(members);
  board_->Replace(std::move(members));
  link_->Enable();
}

void Pool::LogChanges(const PoolMembers& members) const {
  // More of them in one list are told by their number only.
  constexpr int kOneByOne = 8;
  const std::shared_ptr<const PoolMembers> before = board_->Members();
  int unhealthy = 0;
  int changed = 0;
  for (const PoolMember& member : members) {
    const PluginFunction& now = member.function;
    if (!now.healthy) ++unhealthy;
    const PoolMember* then = before == nullptr ? nullptr : FindMember(*before, now.id);
    if (now.healthy == (then == nullptr || then->function.healthy) || ++changed > kOneByOne) continue;
    if (now.healthy) {
      spdlog::info("{}: {} is healthy again", resource_, now.id);
    } else {
      spdlog::warn("{}: {} is not healthy: {}", resource_, now.id, now.reason);
    }
  }
  if (before == nullptr || changed > kOneByOne || before->size() != members.size()) {
    spdlog::info("{}: {} functions, {} of them not healthy", resource_, members.size(), unhealthy);
  }
}

void Pool::MarkAllUnhealthy() { board_->MarkAllUnhealthy(); }

void Pool::RemoveFiles(bool functions_in_use) { files_->Remove(functions_in_use); }

}  // namespace xpu
