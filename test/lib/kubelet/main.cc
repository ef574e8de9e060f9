#include <csignal>
#include <iostream>
#include <string>

#include "CLI/CLI.hpp"
#include "common/base/event_loop.h"
#include "common/base/notify.h"
#include "common/log/log.h"
#include "spdlog/spdlog.h"
#include "test/lib/kubelet/kubelet_standin.h"

int main(int argc, char** argv) {
  xpu::testing::KubeletStandinOptions options;
  std::string log_level = "info";
  CLI::App app(
      "A stand-in for the kubelet: device plugins register with it, and it admits containers when it is told",
      "xpu-kubelet-standin");
  app.add_option("--plugin-dir", options.plugin_dir, "Folder of device plugins; sockets in it are removed")
      ->required();
  app.add_option("--pod-resources", options.pod_resources,
                 "Socket on which is told which pods hold devices; without, it is not");
  app.add_option("--listen", options.listen, "Where the control API is served, unix:PATH")->required();
  app.add_option("--log-level", log_level, "debug, info, warn or error")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (absl::Status status = xpu::InitLogging("xpu-kubelet-standin", log_level); !status.ok()) {
    std::cerr << "xpu-kubelet-standin: " << status.message() << "\n";
    return 2;
  }

  xpu::EventLoop loop;
  const auto on_int = loop.OnSignal(SIGINT, [&] { loop.Stop(); });
  const auto on_term = loop.OnSignal(SIGTERM, [&] { loop.Stop(); });
  const absl::Status status =
      xpu::testing::RunKubeletStandin(options, {.loop = &loop, .serving = [] {
                                                  if (auto s = xpu::NotifyReady(); !s.ok()) {
                                                    spdlog::warn("{}", s.ToString());
                                                  }
                                                }});
  if (status.ok()) return 0;
  spdlog::error("{}", std::string(status.message()));
  return 1;
}
