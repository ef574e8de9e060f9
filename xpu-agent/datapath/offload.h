#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/strings/string_view.h"

namespace xpu {

// How much of what comes in at a port goes on without the CPU.
struct PortOffload {
  // Decisions for packets from this port that Open vSwitch has cached now: those that the card's hardware
  // forwards by, and the others.
  uint64_t offloaded = 0;
  uint64_t fallen_back = 0;
  // Packets that each of them has forwarded so far.
  uint64_t offloaded_packets = 0;
  uint64_t fallen_back_packets = 0;
  // Of the others: why, in words, and how many for that reason. Open vSwitch does not say; this is what is in
  // them that hardware does not do.
  std::map<std::string, uint64_t> reasons;
  friend bool operator==(const PortOffload&, const PortOffload&) = default;
};

// Takes what "ovs-appctl dpctl/dump-flows --names -m" prints apart; by interface. Lines that are no flows,
// and flows of packets that have been through the pipeline once (recirculated), count nothing.
std::map<std::string, PortOffload> ParseOffload(absl::string_view dump);

}  // namespace xpu
