#include <csignal>
#include <cstdlib>
#include <iostream>

#include "CLI/CLI.hpp"
#include "common/log/log.h"
#include "control-plane/sandbox/commands.h"
#include "control-plane/xpuctl/host.h"
#include "control-plane/xpuctl/offload.h"
#include "control-plane/xpuctl/opi.h"
#include "control-plane/xpuctl/refusals.h"
#include "control-plane/xpuctl/xpuctl.h"

int main(int argc, char** argv) {
  // A watch tells of a server that is away; all else is said as an error.
  if (!xpu::InitLogging("xpuctl", "warn").ok()) return 2;
  signal(SIGPIPE, SIG_IGN);
  const auto environment = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  const xpu::XpuctlDeps deps{
      .in = std::cin,
      .out = std::cout,
      .err = std::cerr,
      .clock = xpu::Clock::Real(),
      .environment = environment,
      .run_until_stopped =
          [](xpu::EventLoop& loop) {
            auto interrupt = loop.OnSignal(SIGINT, [&] { loop.Stop(); });
            auto terminate = loop.OnSignal(SIGTERM, [&] { loop.Stop(); });
            loop.Run();
          },
      .add_commands =
          [environment](CLI::App& app) {
            xpu::AddSandboxCommands(app);
            xpu::AddOffloadCommand(app);
            xpu::AddHostCommand(app, std::cout, std::cerr, environment);
            xpu::AddOpiCommand(app, std::cout, std::cerr, environment);
            xpu::AddRefusalsCommand(app, std::cout, std::cerr, environment);
          },
  };
  return xpu::RunXpuctl(std::vector<std::string>(argv + 1, argv + argc), deps);
}
