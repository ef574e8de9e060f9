#include <unistd.h>

#include <csignal>
#include <iostream>
#include <string>
#include <utility>

#include "CLI/CLI.hpp"
#include "common/base/event_loop.h"
#include "common/base/notify.h"
#include "common/base/status_macros.h"
#include "common/log/log.h"
#include "common/sys/files.h"
#include "device-plugin/device_plugin.h"
#include "device-plugin/pool_config.h"
#include "spdlog/spdlog.h"

namespace {

struct PoolFlags {
  std::string config_file = "/etc/pcidp/config.json";
  std::string resource_prefix = "intel.com";
  std::string resource = "xpu.opiproject.org/vf";
  std::string allocate_policy = "packed";
};

// One pool with every function of this host.
absl::StatusOr<std::vector<xpu::PoolConfig>> OnePool(const PoolFlags& flags) {
  XPU_ASSIGN_OR_RETURN(const xpu::AllocatePolicy policy, xpu::ParseAllocatePolicy(flags.allocate_policy));
  return std::vector<xpu::PoolConfig>{
      {.resource = flags.resource, .device_type = xpu::PoolDeviceType::kAny, .allocate_policy = policy}};
}

absl::StatusOr<std::vector<xpu::PoolConfig>> PoolsOfFile(const PoolFlags& flags) {
  xpu::PoolDefaults defaults{.resource_prefix = flags.resource_prefix};
  XPU_ASSIGN_OR_RETURN(defaults.allocate_policy, xpu::ParseAllocatePolicy(flags.allocate_policy));
  XPU_ASSIGN_OR_RETURN(const std::string text, xpu::ReadFile(flags.config_file));
  auto configs = xpu::ParsePoolConfigs(text, defaults);
  if (!configs.ok()) return xpu::Annotate(configs.status(), flags.config_file);
  for (const std::string& warning : configs->warnings) spdlog::warn("{}: {}", flags.config_file, warning);
  return std::move(configs->pools);
}

}  // namespace

int main(int argc, char** argv) {
  xpu::DevicePluginOptions options;
  PoolFlags flags;
  std::string registration = "kubelet";
  std::string log_level = "info";
  CLI::App app(
      "The kubelet's device plugin of xpu: announces the DPU's functions of this host and hands them to pods",
      "xpu-device-plugin");
  app.add_option("--host-agent", options.host_agent, "Where the host agent listens")->capture_default_str();
  auto* config_file =
      app.add_option("--config-file", flags.config_file,
                     "Resource pools, in the format of sriov-network-device-plugin; if the default "
                     "is not there, one pool has every function (--resource)")
          ->capture_default_str();
  app.add_option("--resource-prefix", flags.resource_prefix, "Of resources that have none in the file")
      ->capture_default_str();
  auto* resource = app.add_option("--resource", flags.resource,
                                  "Extended resource of every function, instead of pools from a file")
                       ->capture_default_str()
                       ->excludes(config_file);
  app.add_option(
         "--allocate-policy", flags.allocate_policy,
         "Where the functions of a container come from if its pool does not say: packed (few physical "
         "functions) or spread (many)")
      ->capture_default_str()
      ->check(CLI::IsMember({"packed", "spread"}));
  app.add_option(
         "--registration", registration,
         "How the kubelet hears of the plugin: kubelet (Register on its socket) or watcher (a socket in its "
         "registry folder)")
      ->capture_default_str()
      ->check(CLI::IsMember({"kubelet", "watcher"}));
  app.add_option("--plugin-dir", options.plugin_dir, "The kubelet's folder of device plugins")
      ->capture_default_str();
  app.add_option("--registry-dir", options.registry_dir, "The folder of the kubelet's plugin watcher")
      ->capture_default_str();
  app.add_flag("--use-cdi", options.use_cdi, "Give device nodes to containers by CDI names");
  app.add_option("--cdi-dir", options.cdi_dir, "Folder for CDI specifications")->capture_default_str();
  app.add_option("--device-info-dir", options.device_info_dir,
                 "Folder for the device information that Multus reads; empty: none is written")
      ->capture_default_str();
  app.add_option("--log-level", log_level, "debug, info, warn or error")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (absl::Status status = xpu::InitLogging("xpu-device-plugin", log_level); !status.ok()) {
    std::cerr << "xpu-device-plugin: " << status.message() << "\n";
    return 2;
  }
  options.registration =
      registration == "watcher" ? xpu::PluginRegistration::kWatcher : xpu::PluginRegistration::kKubelet;

  const bool from_file =
      config_file->count() > 0 || (resource->count() == 0 && access(flags.config_file.c_str(), F_OK) == 0);
  auto pools = from_file ? PoolsOfFile(flags) : OnePool(flags);
  if (!pools.ok()) {
    spdlog::error("{}", std::string(pools.status().message()));
    return 2;
  }
  options.pools = *std::move(pools);

  xpu::EventLoop loop;
  const auto on_int = loop.OnSignal(SIGINT, [&] { loop.Stop(); });
  const auto on_term = loop.OnSignal(SIGTERM, [&] { loop.Stop(); });
  const absl::Status status =
      xpu::RunDevicePlugin(options, {.loop = &loop, .serving = [] {
                                       if (absl::Status s = xpu::NotifyReady(); !s.ok()) {
                                         spdlog::warn("{}", std::string(s.message()));
                                       }
                                     }});
  if (status.ok()) return 0;
  spdlog::error("{}", std::string(status.message()));
  return status.code() == absl::StatusCode::kInvalidArgument ? 2 : 1;
}
