#pragma once

#include <string>
#include <utility>
#include <vector>

#include "control-plane/sandbox/layout.h"

namespace xpu {

// How a program of the sandbox is started, and how it is seen to serve.
struct ProcessSpec {
  // "xpu-host-agent", "xpu-agent-0", "ovs-vswitchd-0", …
  std::string name;
  std::vector<std::string> argv;
  std::vector<std::pair<std::string, std::string>> environment;
  // Namespace that it runs in, as SandboxLayout::netns takes it.
  std::string netns;
  // Paths and texts of the files that it reads; written every time it is started.
  std::vector<std::pair<std::string, std::string>> files;
  // Run to their ends before the program, every time it is started.
  std::vector<std::vector<std::string>> prepare;
  // Run to their ends once it serves, every time it is started.
  std::vector<std::vector<std::string>> finish;
  // Open vSwitch's daemons put themselves into the background once they serve and leave their pid here; the
  // others stay in the foreground and send READY=1 (sd_notify(3)).
  std::string pidfile;
  // Sockets that it serves, for people.
  std::vector<std::string> sockets;
};

// The commands that join the cards' physical ports, each with the namespace that it runs in. Once, before all
// programs.
std::vector<std::pair<std::string, std::vector<std::string>>> FabricCommands(const SandboxOptions& options);

// All programs in the order in which they are started. Pure.
std::vector<ProcessSpec> SandboxProcesses(const SandboxOptions& options);

}  // namespace xpu
