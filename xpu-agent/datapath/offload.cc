#include "xpu-agent/datapath/offload.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace xpu {
namespace {

// What stands between `begin` and the next of `ends`; empty if `begin` is not there.
absl::string_view Between(absl::string_view line, absl::string_view begin, absl::string_view ends) {
  const size_t start = line.find(begin);
  if (start == absl::string_view::npos) return "";
  const absl::string_view rest = line.substr(start + begin.size());
  return rest.substr(0, rest.find_first_of(ends));
}

struct Cause {
  absl::string_view sign;
  const char* words;
};

// In the order in which they are looked for.
std::string ReasonOf(absl::string_view line) {
  static constexpr Cause kInActions[] = {
      {"userspace(", "goes to the agent or to ovs-vswitchd"},
      {"set(arp", "turns an ARP request into its answer"},
      {"set(nd", "turns a neighbour solicitation into its answer"},
      {"meter(", "is limited by a meter"},
      {"trunc(", "cuts packets short"},
      {"sample(", "samples packets"},
      {"recirc(", "goes through the pipeline a second time"},
  };
  static constexpr Cause kInMatch[] = {
      {"nd(target", "looks into neighbour discovery"},
      {"icmpv6(", "looks into ICMPv6"},
      {"arp(", "looks into ARP"},
      {"frag=later", "is a later fragment"},
  };
  if (absl::StrContains(line, "dp:tc")) return "is in the kernel's tc, but not in hardware";
  const size_t split = line.find("actions:");
  const absl::string_view actions = split == absl::string_view::npos ? "" : line.substr(split);
  const absl::string_view match = line.substr(0, split);
  for (const Cause& cause : kInActions) {
    if (absl::StrContains(actions, cause.sign)) return cause.words;
  }
  for (const Cause& cause : kInMatch) {
    if (absl::StrContains(match, cause.sign)) return cause.words;
  }
  return "is not taken by the card's driver";
}

}  // namespace

std::map<std::string, PortOffload> ParseOffload(absl::string_view dump) {
  std::map<std::string, PortOffload> ports;
  for (const absl::string_view line : absl::StrSplit(dump, '\n')) {
    const absl::string_view port = Between(line, "in_port(", ")");
    if (port.empty() || !absl::StrContains(line, "actions:")) continue;
    const absl::string_view recirculated = Between(line, "recirc_id(", ")/");
    if (!recirculated.empty() && recirculated != "0" && recirculated != "0x0") continue;
    uint64_t packets = 0;
    if (!absl::SimpleAtoi(Between(line, "packets:", ", "), &packets)) packets = 0;
    PortOffload& counts = ports[std::string(port)];
    if (absl::StrContains(line, "offloaded:yes")) {
      ++counts.offloaded;
      counts.offloaded_packets += packets;
    } else {
      ++counts.fallen_back;
      counts.fallen_back_packets += packets;
      ++counts.reasons[ReasonOf(line)];
    }
  }
  return ports;
}

}  // namespace xpu
