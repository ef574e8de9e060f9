#include "device-plugin/device_plugin.h"

#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "device-plugin/allocate_client.h"
#include "device-plugin/function_watch.h"
#include "device-plugin/pool.h"
#include "device-plugin/pool_files.h"
#include "device-plugin/pool_selection.h"
#include "spdlog/spdlog.h"

namespace xpu {
namespace {

// The pools, and which functions are in which.
class Pools {
 public:
  Pools(const DevicePluginOptions& options, std::function<void(const absl::Status&)> fail)
      : options_(options), fail_(std::move(fail)) {}

  absl::Status Start(EventLoop& loop, AllocateClient& host_agent) {
    for (const PoolConfig& config : options_.pools) {
      XPU_ASSIGN_OR_RETURN(std::unique_ptr<Pool> pool,
                           Pool::Start(loop,
                                       {.config = config,
                                        .registration = options_.registration,
                                        .plugin_dir = options_.plugin_dir,
                                        .registry_dir = options_.registry_dir,
                                        .use_cdi = options_.use_cdi,
                                        .cdi_dir = options_.cdi_dir,
                                        .device_info_dir = options_.device_info_dir},
                                       host_agent, fail_));
      pools_.push_back(std::move(pool));
    }
    return absl::OkStatus();
  }

  void OnListed(const PluginFunctions& functions, int claims) {
    PoolAssignment assignment = AssignFunctions(options_.pools, functions);
    const bool first = !std::exchange(listed_, true);
    if (assignment.overlaps != overlaps_) {
      overlaps_ = assignment.overlaps;
      if (first) return fail_(absl::InvalidArgumentError(absl::StrJoin(overlaps_, "; ")));
      for (const std::string& overlap : overlaps_) spdlog::error("{}; until then the first has it", overlap);
    }
    claims_ = claims;
    for (size_t i = 0; i < pools_.size(); ++i) pools_[i]->Replace(std::move(assignment.members[i]));
  }

  void OnLost() {
    for (const auto& pool : pools_) pool->MarkAllUnhealthy();
  }

  void RemoveFiles() {
    for (const auto& pool : pools_) pool->RemoveFiles(/*functions_in_use=*/!listed_ || claims_ > 0);
  }

 private:
  const DevicePluginOptions& options_;
  const std::function<void(const absl::Status&)> fail_;
  std::vector<std::unique_ptr<Pool>> pools_;
  bool listed_ = false;
  int claims_ = 0;
  std::vector<std::string> overlaps_;
};

absl::Status CheckAddress(const std::string& address) {
  if (absl::StartsWith(address, "unix:/")) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the host agent is reached through a socket of this machine, unix:/path, and not at \"",
                   address, "\""));
}

}  // namespace

absl::Status RunDevicePlugin(const DevicePluginOptions& options, const DevicePluginDeps& deps) {
  if (options.pools.empty()) return absl::InvalidArgumentError("there is no pool to offer");
  XPU_RETURN_IF_ERROR(CheckAddress(options.host_agent));
  EventLoop& loop = *deps.loop;
  absl::Status result;
  const auto fail = [&](const absl::Status& status) {
    if (result.ok()) result = status;
    loop.Stop();
  };

  AllocateClient allocate(loop, options.host_agent, options.allocate_timeout);
  Pools pools(options, fail);
  XPU_RETURN_IF_ERROR(pools.Start(loop, allocate));
  if (!options.cdi_dir.empty()) {
    const bool watcher = options.registration == PluginRegistration::kWatcher;
    std::vector<std::string> resources;
    for (const PoolConfig& pool : options.pools) resources.push_back(pool.resource);
    RemoveAbandonedCdiSpecs(options.cdi_dir, watcher ? options.registry_dir : options.plugin_dir, resources);
  }
  spdlog::info("asking the host agent at {} for its functions", options.host_agent);
  const FunctionWatch watch(
      loop, options.host_agent, {.grace = options.grace},
      {.listed = [&](const PluginFunctions& functions, int claims) { pools.OnListed(functions, claims); },
       .lost = [&] { pools.OnLost(); }});
  if (deps.serving != nullptr) deps.serving();
  loop.Run();
  pools.RemoveFiles();
  return result;
}

}  // namespace xpu
