#include <csignal>
#include <iostream>
#include <string>

#include "CLI/CLI.hpp"
#include "common/base/event_loop.h"
#include "common/base/notify.h"
#include "common/log/log.h"
#include "device-plugin/device_plugin.h"
#include "spdlog/spdlog.h"

int main(int argc, char** argv) {
  xpu::DevicePluginOptions options;
  std::string log_level = "info";
  CLI::App app(
      "The kubelet's device plugin of xpu: announces the DPU's functions of this host and hands them to pods",
      "xpu-device-plugin");
  app.add_option("--host-agent", options.host_agent, "Where the host agent listens")->capture_default_str();
  app.add_option("--plugin-dir", options.plugin_dir, "The kubelet's folder of device plugins")
      ->capture_default_str();
  app.add_option("--resource", options.resource, "Extended resource that pods ask for")
      ->capture_default_str();
  app.add_option("--log-level", log_level, "debug, info, warn or error")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (absl::Status status = xpu::InitLogging("xpu-device-plugin", log_level); !status.ok()) {
    std::cerr << "xpu-device-plugin: " << status.message() << "\n";
    return 2;
  }

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
