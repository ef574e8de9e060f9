#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace xpu {

// One flow, in the syntax of ovs-ofctl(8) as Open vSwitch itself prints it, so that what was asked for and
// what the switch reports can be compared letter by letter.
struct FlowKey {
  uint8_t table = 0;
  uint16_t priority = 0;
  // E.g. "arp,reg0=0x1,arp_tpa=10.0.0.1,arp_op=1"; empty matches everything.
  std::string match;
  friend auto operator<=>(const FlowKey&, const FlowKey&) = default;
};
// Key → actions, e.g. "load:0x1->NXM_NX_REG0[],goto_table:10" or "drop".
using FlowTable = std::map<FlowKey, std::string>;

// What a flow with "meter:ID" lets through; more is dropped. A token bucket.
struct Meter {
  enum class Unit : uint8_t { kKilobits, kPackets };
  Unit unit = Unit::kKilobits;
  // A second, and at once.
  uint32_t rate = 0;
  uint32_t burst = 0;
  friend bool operator==(const Meter&, const Meter&) = default;
};
using MeterTable = std::map<uint32_t, Meter>;
// A meter has nothing that says whose it is, so ours are those with these ids.
inline constexpr uint32_t kFirstMeter = 0x7870'0000;
inline constexpr uint32_t kLastMeter = 0x787f'ffff;

// A port of ours on the switch.
struct SwitchPort {
  // Name of the interface: the representor.
  std::string name;
  // OpenFlow port number; 0 while the switch has not given one.
  uint32_t ofport = 0;
  // Why the switch could not open it; empty if it could.
  std::string error;
  // OpenFlow port number that was asked for; 0: any.
  uint32_t requested = 0;
  // As in PortAdd.
  std::string type = {};
  std::map<std::string, std::string> options = {};
  friend auto operator<=>(const SwitchPort&, const SwitchPort&) = default;
};

// What not every switch can do.
struct SwitchAbilities {
  // Set the flags and the type of the option of a neighbour advertisement (nd_reserved, nd_options_type),
  // which makes one of a solicitation. Flows with these fields are refused where it cannot.
  bool advertise_neighbours = true;
  // Meters.
  bool meter = true;
  friend bool operator==(const SwitchAbilities&, const SwitchAbilities&) = default;
};

// What is on the switch and ours. Ports and flows of others are not in it.
struct SwitchSnapshot {
  std::map<std::string, SwitchPort> ports;
  FlowTable flows;
  MeterTable meters = {};
  SwitchAbilities abilities = {};
  friend bool operator==(const SwitchSnapshot&, const SwitchSnapshot&) = default;
};

struct PortAdd {
  std::string name;
  // OpenFlow port number to ask for; 0: any.
  uint32_t ofport = 0;
  // What kind of interface it is, in the words of ovs-vswitchd.conf.db(5): "" for one of the kernel, "vxlan",
  // "dpdk".
  std::string type = {};
  // Settings of that kind, e.g. {"remote_ip", "flow"} or {"dpdk-devargs", "0000:03:00.0,representor=vf0"}.
  std::map<std::string, std::string> options = {};
  friend auto operator<=>(const PortAdd&, const PortAdd&) = default;
};

// A change of the switch. Flow changes are one atomic bundle (no packet sees a part of it), port changes one
// OVSDB transaction. Meters come before the flows that use them, and go after them.
struct SwitchPlan {
  std::vector<std::string> port_deletes;
  std::vector<PortAdd> port_adds;
  std::vector<FlowKey> flow_deletes;
  // Adds a flow, or replaces the actions of the one with that key.
  FlowTable flow_puts;
  std::vector<uint32_t> meter_deletes = {};
  // Adds a meter, or makes the one with that id another.
  MeterTable meter_puts = {};
  // The flows are written exactly as the switch prints them, so that it need not be found out how it does.
  bool as_printed = false;

  bool empty() const {
    return port_deletes.empty() && port_adds.empty() && flow_deletes.empty() && flow_puts.empty() &&
           meter_deletes.empty() && meter_puts.empty();
  }
};

// What became of a plan.
struct ApplyResult {
  // OK if the bundle was committed; otherwise nothing of the flows was changed and this says why (the flow
  // or the meter that the switch refused is named). Meters that were not refused may have been changed.
  absl::Status flows;
  // OK if the transaction was committed and the switch has acted on it.
  absl::Status ports;
};

// A switch that belongs to this agent. Real: Open vSwitch over OVSDB and OpenFlow. One thread calls
// Snapshot() and Apply(); they block, bounded by the implementation's deadline.
class Switch {
 public:
  virtual ~Switch() = default;

  // `changed` is called, on any thread, whenever Snapshot() may differ from the last one for another reason
  // than Apply(): connected, connection lost, a port got its number or an error, someone changed our flows.
  // Called once, before anything else; `changed` may be called until the switch is gone.
  virtual void Start(std::function<void()> changed) = 0;

  // Unavailable while there is no connection; FailedPrecondition if the switch is there but cannot be used
  // before a person has put something right.
  virtual absl::StatusOr<SwitchSnapshot> Snapshot() = 0;

  // Changes the flows, then the ports, and returns when the switch has confirmed both. A port that was added
  // has its number, or its error, in the next Snapshot(); one that is there already, also if it is in both
  // lists, gets the number, type and options that are given now.
  // A new number or type has the switch open the interface anew.
  //   flows: InvalidArgument names the flow or the meter that was refused, also one whose id is not ours.
  //   ports: FailedPrecondition names the ports that were left out (a bad name, or one that a port of someone
  //   else has); the others were changed. If the flows failed, ports are added but not removed, as the number
  //   of a removed port could become another's while its flows are still there: Aborted.
  // Both: Unavailable while Snapshot() fails; DeadlineExceeded if it is not known what became of it, in
  // which case the next Snapshot() tells.
  // A flow of ours replaces one of someone else with the same key.
  virtual ApplyResult Apply(const SwitchPlan& plan) = 0;
};

}  // namespace xpu
