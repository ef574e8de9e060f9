#include <csignal>
#include <cstdlib>
#include <iostream>

#include "common/log/log.h"
#include "control-plane/sandbox/commands.h"
#include "control-plane/xpuctl/xpuctl.h"

int main(int argc, char** argv) {
  // A watch tells of a server that is away; all else is said as an error.
  if (!xpu::InitLogging("xpuctl", "warn").ok()) return 2;
  signal(SIGPIPE, SIG_IGN);
  const xpu::XpuctlDeps deps{
      .in = std::cin,
      .out = std::cout,
      .err = std::cerr,
      .clock = xpu::Clock::Real(),
      .environment =
          [](const char* name) {
            const char* value = std::getenv(name);
            return std::string(value == nullptr ? "" : value);
          },
      .run_until_stopped =
          [](xpu::EventLoop& loop) {
            auto interrupt = loop.OnSignal(SIGINT, [&] { loop.Stop(); });
            auto terminate = loop.OnSignal(SIGTERM, [&] { loop.Stop(); });
            loop.Run();
          },
      .add_commands = xpu::AddSandboxCommands,
  };
  return xpu::RunXpuctl(std::vector<std::string>(argv + 1, argv + argc), deps);
}
