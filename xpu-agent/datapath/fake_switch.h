#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "xpu-agent/datapath/switch.h"

namespace xpu {

// A switch in memory. Connected from the start; every interface can be opened unless it was said to be
// missing, or is of a type other than "", "system", "internal", "vxlan" and "dpdk". Flows are taken as text,
// so write them canonically. Safe from any thread.
class FakeSwitch : public Switch {
 public:
  FakeSwitch() = default;

  void Start(std::function<void()> changed) override;
  absl::StatusOr<SwitchSnapshot> Snapshot() override;
  ApplyResult Apply(const SwitchPlan& plan) override;

  // Every Snapshot(), or every Apply(), fails like this until it is OK again. What a failing Apply() says of
  // the part that does not fail is done.
  void FailSnapshots(absl::Status status);
  void FailApplies(absl::Status flows, absl::Status ports);
  // Flows whose text ("table=0,priority=1,MATCH actions=ACTIONS") contains `part` are refused; "" ends that.
  void RefuseFlows(const std::string& part);
  // The meter is refused; 0 ends that.
  void RefuseMeter(uint32_t id);
  // What it can do from now on; tells nobody.
  void SetAbilities(const SwitchAbilities& abilities);
  // The connection is lost, and back; with the flows, or without as after a restart of the switch.
  void Disconnect();
  void Connect(bool keep_flows);
  // Apply() acts but does not return before Release(). AwaitHeld() waits until one is at that point.
  void Hold();
  void AwaitHeld();
  void Release();

  // The interface cannot be opened; and it can again.
  void InterfaceMissing(const std::string& name);
  void InterfaceAppears(const std::string& name);
  // Of someone else: never in a snapshot.
  void AddForeignPort(const std::string& name, uint32_t ofport);
  void AddForeignFlow(const FlowKey& key, const std::string& actions);
  // Someone else removes a flow of ours.
  void RemoveFlow(const FlowKey& key);
  // The same with a port.
  void RemovePort(const std::string& name);
  // Someone else makes or changes a meter, or removes it, with the flows that use it.
  void PutMeter(uint32_t id, const Meter& meter);
  void RemoveMeter(uint32_t id);

  // What is on the switch, others' included.
  FlowTable all_flows() const;
  std::set<std::string> all_ports() const;
  // Flow changes and port changes that were done; calls of Apply() with something to do.
  int flow_mods() const;
  int port_ops() const;
  int applies() const;

 private:
  struct Port {
    uint32_t requested = 0;
    uint32_t ofport = 0;
    bool foreign = false;
    std::string type = {};
    std::map<std::string, std::string> options = {};
  };

  absl::Status PutMeters(const MeterTable& meters) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EraseMeter(uint32_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status ApplyFlows(const SwitchPlan& plan) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status ApplyPorts(const SwitchPlan& plan, bool deletes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint32_t FreeNumber(uint32_t wanted) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Changed();

  mutable absl::Mutex mutex_;
  std::function<void()> changed_ ABSL_GUARDED_BY(mutex_);
  bool connected_ ABSL_GUARDED_BY(mutex_) = true;
  absl::Status snapshot_status_ ABSL_GUARDED_BY(mutex_);
  absl::Status flows_status_ ABSL_GUARDED_BY(mutex_);
  absl::Status ports_status_ ABSL_GUARDED_BY(mutex_);
  std::string refused_ ABSL_GUARDED_BY(mutex_);
  uint32_t refused_meter_ ABSL_GUARDED_BY(mutex_) = 0;
  MeterTable meters_ ABSL_GUARDED_BY(mutex_);
  SwitchAbilities abilities_ ABSL_GUARDED_BY(mutex_);
  bool hold_ ABSL_GUARDED_BY(mutex_) = false;
  int held_ ABSL_GUARDED_BY(mutex_) = 0;
  std::set<std::string> missing_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Port> ports_ ABSL_GUARDED_BY(mutex_);
  FlowTable flows_ ABSL_GUARDED_BY(mutex_);
  FlowTable foreign_flows_ ABSL_GUARDED_BY(mutex_);
  int flow_mods_ ABSL_GUARDED_BY(mutex_) = 0;
  int port_ops_ ABSL_GUARDED_BY(mutex_) = 0;
  int applies_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace xpu
