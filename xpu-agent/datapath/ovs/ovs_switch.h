#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "xpu-agent/datapath/switch.h"

namespace xpu {

struct OvsSwitchOptions {
  // Of ovsdb-server: "unix:/var/run/openvswitch/db.sock" or another form of ovsdb(7).
  std::string ovsdb_remote = "unix:/var/run/openvswitch/db.sock";
  // Where ovs-vswitchd makes the OpenFlow sockets of its bridges, <bridge>.mgmt.
  std::string openflow_dir = "/var/run/openvswitch";
  // Made when it is not there (fail_mode=secure, OpenFlow 1.4 and 1.5). One that is there is used as it is.
  std::string bridge = "br-xpu";
  // "netdev" (user space) or "system" (kernel), for a bridge that we make.
  std::string datapath_type = "system";
  // Settings of the whole Open vSwitch that must be so (ovs-vswitchd.conf.db(5), Open_vSwitch:other_config),
  // e.g. {"hw-offload", "true"}.
  std::map<std::string, std::string> settings = {};
  // external_ids:xpu-owner of what is ours.
  std::string owner;
  // How long Apply() may take, and the peer to answer when connecting.
  absl::Duration deadline = absl::Seconds(15);
};

// A bridge of Open vSwitch, over persistent connections to ovsdb-server and ovs-vswitchd. A
// thread of its own runs libopenvswitch's poll loop; it sleeps while nothing happens. Both daemons may come,
// go and restart at any time. Ports of ours are marked external_ids:xpu-owner on Port and Interface, flows of
// ours by their cookie (kFlowCookie in canonical_flow.h).
class OvsSwitch : public Switch {
 public:
  explicit OvsSwitch(OvsSwitchOptions options);
  // Ends the thread; what is on the switch stays. No call may be under way.
  ~OvsSwitch() override;

  void Start(std::function<void()> changed) override;
  absl::StatusOr<SwitchSnapshot> Snapshot() override;
  ApplyResult Apply(const SwitchPlan& plan) override;

  struct Counters {
    // Flow mods sent so far.
    uint64_t flow_mods = 0;
    // How often the thread woke up.
    uint64_t wakeups = 0;
    // Bundles whose commit did not wait for the switch to take their flows first.
    uint64_t bundles_at_once = 0;
    // How long ovs-vswitchd had bundles, from when all of one was sent until it was confirmed.
    absl::Duration at_switch;
  };
  Counters counters() const;

 private:
  class Thread;
  std::unique_ptr<Thread> thread_;
};

}  // namespace xpu
