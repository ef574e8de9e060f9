// xpu-card-emulator: shows network cards that are not there (see emulator.h).

#include <csignal>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "common/base/event_loop.h"
#include "common/base/notify.h"
#include "common/log/log.h"
#include "control-plane/sandbox/card/emulator.h"
#include "spdlog/spdlog.h"

int main(int argc, char** argv) {
  CLI::App app("Emulates DPU cards for a sandbox: functions, representors and the sysfs that shows them");
  xpu::CardEmulatorOptions options;
  std::vector<std::string> cards;
  std::string log_level = "info";
  app.add_option("--host-netns", options.host_netns, "Network namespace of the host")->required();
  app.add_option("--host-sysfs", options.host_sysfs, "Folder that becomes the host's /sys")->required();
  app.add_option("--card", cards, "INDEX=VFS=DPU_NETNS=DPU_SYSFS; may be given more than once")->required();
  app.add_option("--log-level", log_level, "debug, info, warn or error");
  CLI11_PARSE(app, argc, argv);

  absl::Status status = xpu::InitLogging("xpu-card-emulator", log_level);
  for (const std::string& text : cards) {
    auto card = xpu::ParseEmulatedCard(text);
    status.Update(card.status());
    if (card.ok()) options.cards.push_back(*std::move(card));
  }
  if (status.ok()) {
    xpu::EventLoop loop;
    const auto terminate = loop.OnSignal(SIGTERM, [&] { loop.Stop(); });
    const auto interrupt = loop.OnSignal(SIGINT, [&] { loop.Stop(); });
    status = xpu::RunCardEmulator(options, loop, xpu::NotifyReady);
  }
  if (status.ok()) return 0;
  spdlog::error("{}", status.ToString());
  return 1;
}
