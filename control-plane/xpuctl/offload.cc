#include "control-plane/xpuctl/offload.h"

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <memory>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "xpu-agent/datapath/ovs/vswitchd_control.h"

namespace xpu {

void PrintOffload(const std::map<std::string, PortOffload>& ports, std::ostream& out) {
  size_t width = 4;
  for (const auto& [name, port] : ports) width = std::max(width, name.size());
  const auto row = [&](const std::string& name, const std::string& offloaded, const std::string& fallen_back,
                       const std::string& share, const std::string& reasons) {
    out << absl::StrFormat("%-*s  %10s  %11s  %12s  %s\n", static_cast<int>(width), name, offloaded,
                           fallen_back, share, reasons);
  };
  row("PORT", "OFFLOADED", "FALLEN BACK", "PACKETS HW", "WHY NOT");
  for (const auto& [name, port] : ports) {
    std::vector<std::string> reasons;
    for (const auto& [reason, count] : port.reasons) reasons.push_back(absl::StrCat(count, " ", reason));
    const uint64_t packets = port.offloaded_packets + port.fallen_back_packets;
    row(name, absl::StrCat(port.offloaded), absl::StrCat(port.fallen_back),
        packets == 0 ? "-" : absl::StrFormat("%.1f%%", 100.0 * port.offloaded_packets / packets),
        absl::StrJoin(reasons, "; "));
  }
}

void AddOffloadCommand(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "offload", "On a DPU: what of its traffic the hardware forwards, port by port, and why not the rest");
  const auto folder = std::make_shared<std::string>("/var/run/openvswitch");
  command->add_option("--ovs-dir", *folder, "Folder with ovs-vswitchd.pid and its control socket")
      ->capture_default_str();
  command->callback([folder] {
    const auto dump = AskVswitchd(*folder, "dpctl/dump-flows", {"--names", "-m"});
    if (!dump.ok()) {
      fprintf(stderr, "xpuctl: offload: %s\n", std::string(dump.status().message()).c_str());
      throw CLI::RuntimeError(1);
    }
    PrintOffload(ParseOffload(*dump), std::cout);
  });
}

}  // namespace xpu
