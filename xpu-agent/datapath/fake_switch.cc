#include "xpu-agent/datapath/fake_switch.h"

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

namespace xpu {
namespace {

bool IsKnownType(const std::string& type) {
  static const auto* const kTypes = new std::set<std::string>{"", "system", "internal", "vxlan", "dpdk"};
  return kTypes->contains(type);
}

absl::Status NotConnected() { return absl::UnavailableError("the switch in memory is disconnected"); }

// The meter that a flow's actions begin with; 0: none.
uint32_t MeterOf(absl::string_view actions) {
  uint32_t id = 0;
  if (!absl::ConsumePrefix(&actions, "meter:")) return 0;
  return absl::SimpleAtoi(actions.substr(0, actions.find(',')), &id) ? id : 0;
}

std::string Text(const FlowKey& key, const std::string& actions) {
  return absl::StrCat("table=", key.table, ",priority=", key.priority, key.match.empty() ? "" : ",",
                      key.match, " actions=", actions);
}

}  // namespace

void FakeSwitch::Start(std::function<void()> changed) {
  {
    absl::MutexLock lock(&mutex_);
    changed_ = std::move(changed);
  }
  Changed();
}

absl::StatusOr<SwitchSnapshot> FakeSwitch::Snapshot() {
  absl::MutexLock lock(&mutex_);
  if (!snapshot_status_.ok()) return snapshot_status_;
  if (!connected_) return NotConnected();
  SwitchSnapshot snapshot;
  snapshot.abilities = abilities_;
  for (const auto& [name, port] : ports_) {
    if (port.foreign) continue;
    SwitchPort& entry = snapshot.ports[name];
    entry.name = name;
    entry.ofport = port.ofport;
    entry.requested = port.requested;
    entry.type = port.type;
    entry.options = port.options;
    if (missing_.contains(name) || !IsKnownType(port.type))
      entry.error = absl::StrCat("could not open network device ", name);
  }
  snapshot.flows = flows_;
  for (const auto& [id, meter] : meters_) {
    if (id >= kFirstMeter && id <= kLastMeter) snapshot.meters.emplace(id, meter);
  }
  return snapshot;
}

ApplyResult FakeSwitch::Apply(const SwitchPlan& plan) {
  absl::MutexLock lock(&mutex_);
  if (!connected_) return {.flows = NotConnected(), .ports = NotConnected()};
  if (!plan.empty()) ++applies_;
  ApplyResult result{.flows = flows_status_, .ports = ports_status_};
  if (result.flows.ok()) result.flows = ApplyFlows(plan);
  if (result.ports.ok()) result.ports = ApplyPorts(plan, result.flows.ok());
  ++held_;
  const auto may_go = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !hold_; };
  mutex_.Await(absl::Condition(&may_go));
  --held_;
  return result;
}

absl::Status FakeSwitch::PutMeters(const MeterTable& meters) {
  for (const auto& [id, meter] : meters) {
    if (id < kFirstMeter || id > kLastMeter || id == refused_meter_ || !abilities_.meter) {
      return absl::InvalidArgumentError(absl::StrCat("the switch refused meter ", id));
    }
    meters_[id] = meter;
  }
  return absl::OkStatus();
}

// As Open vSwitch does, with the flows that use it.
void FakeSwitch::EraseMeter(uint32_t id) {
  meters_.erase(id);
  std::erase_if(flows_, [id](const auto& flow) { return MeterOf(flow.second) == id; });
}

absl::Status FakeSwitch::ApplyFlows(const SwitchPlan& plan) {
  if (absl::Status meters = PutMeters(plan.meter_puts); !meters.ok()) return meters;
  for (const auto& [key, actions] : plan.flow_puts) {
    const std::string text = Text(key, actions);
    if (const uint32_t meter = MeterOf(actions); meter != 0 && !meters_.contains(meter)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the switch refused flow '", text, "': there is no such meter"));
    }
    if (!refused_.empty() && absl::StrContains(text, refused_)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the switch refused flow '", text, "': as the test asked"));
    }
  }
  for (const FlowKey& key : plan.flow_deletes) flows_.erase(key);
  for (const auto& [key, actions] : plan.flow_puts) {
    flows_[key] = actions;
    foreign_flows_.erase(key);
  }
  for (const uint32_t id : plan.meter_deletes) {
    if (id >= kFirstMeter && id <= kLastMeter) EraseMeter(id);
  }
  flow_mods_ += static_cast<int>(plan.flow_deletes.size() + plan.flow_puts.size());
  return absl::OkStatus();
}

absl::Status FakeSwitch::ApplyPorts(const SwitchPlan& plan, bool deletes) {
  std::vector<std::string> refusals;
  for (const std::string& name : plan.port_deletes) {
    const auto port = ports_.find(name);
    if (!deletes || port == ports_.end() || port->second.foreign) continue;
    ports_.erase(port);
    ++port_ops_;
  }
  for (const PortAdd& add : plan.port_adds) {
    const auto existing = ports_.find(add.name);
    if (existing != ports_.end() && existing->second.foreign) {
      refusals.push_back(
          absl::StrCat("port '", add.name, "': the name is in use by a port that is not ours"));
      continue;
    }
    if (existing != ports_.end()) ports_.erase(existing);
    const bool can_open = !missing_.contains(add.name) && IsKnownType(add.type);
    ports_[add.name] = {.requested = add.ofport,
                        .ofport = can_open ? FreeNumber(add.ofport) : 0,
                        .type = add.type,
                        .options = add.options};
    ++port_ops_;
  }
  if (!refusals.empty()) return absl::FailedPreconditionError(absl::StrJoin(refusals, "; "));
  if (!deletes && !plan.port_deletes.empty()) {
    return absl::AbortedError("ports were not removed, because the flows that go with them were not");
  }
  return absl::OkStatus();
}

uint32_t FakeSwitch::FreeNumber(uint32_t wanted) const {
  std::set<uint32_t> used;
  for (const auto& [name, port] : ports_) used.insert(port.ofport);
  if (wanted != 0 && !used.contains(wanted)) return wanted;
  uint32_t number = 1;
  while (used.contains(number)) ++number;
  return number;
}

void FakeSwitch::Changed() {
  std::function<void()> changed;
  {
    absl::MutexLock lock(&mutex_);
    changed = changed_;
  }
  if (changed) changed();
}

void FakeSwitch::FailSnapshots(absl::Status status) {
  absl::MutexLock lock(&mutex_);
  snapshot_status_ = std::move(status);
}

void FakeSwitch::FailApplies(absl::Status flows, absl::Status ports) {
  absl::MutexLock lock(&mutex_);
  flows_status_ = std::move(flows);
  ports_status_ = std::move(ports);
}

void FakeSwitch::SetAbilities(const SwitchAbilities& abilities) {
  absl::MutexLock lock(&mutex_);
  abilities_ = abilities;
}

void FakeSwitch::RefuseFlows(const std::string& part) {
  absl::MutexLock lock(&mutex_);
  refused_ = part;
}

void FakeSwitch::RefuseMeter(uint32_t id) {
  absl::MutexLock lock(&mutex_);
  refused_meter_ = id;
}

void FakeSwitch::Disconnect() {
  {
    absl::MutexLock lock(&mutex_);
    connected_ = false;
  }
  Changed();
}

void FakeSwitch::Connect(bool keep_flows) {
  {
    absl::MutexLock lock(&mutex_);
    connected_ = true;
    if (!keep_flows) {
      flows_.clear();
      foreign_flows_.clear();
      meters_.clear();
    }
  }
  Changed();
}

void FakeSwitch::Hold() {
  absl::MutexLock lock(&mutex_);
  hold_ = true;
}

void FakeSwitch::AwaitHeld() {
  absl::MutexLock lock(&mutex_);
  const auto held = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return hold_ && held_ > 0; };
  mutex_.Await(absl::Condition(&held));
}

void FakeSwitch::Release() {
  absl::MutexLock lock(&mutex_);
  hold_ = false;
}

void FakeSwitch::InterfaceMissing(const std::string& name) {
  {
    absl::MutexLock lock(&mutex_);
    missing_.insert(name);
    if (const auto port = ports_.find(name); port != ports_.end()) port->second.ofport = 0;
  }
  Changed();
}

void FakeSwitch::InterfaceAppears(const std::string& name) {
  {
    absl::MutexLock lock(&mutex_);
    missing_.erase(name);
    const auto port = ports_.find(name);
    if (port != ports_.end() && port->second.ofport == 0)
      port->second.ofport = FreeNumber(port->second.requested);
  }
  Changed();
}

void FakeSwitch::AddForeignPort(const std::string& name, uint32_t ofport) {
  absl::MutexLock lock(&mutex_);
  ports_[name] = {.requested = ofport, .ofport = FreeNumber(ofport), .foreign = true};
}

void FakeSwitch::AddForeignFlow(const FlowKey& key, const std::string& actions) {
  {
    absl::MutexLock lock(&mutex_);
    foreign_flows_[key] = actions;
    if (flows_.erase(key) == 0) return;
  }
  Changed();
}

void FakeSwitch::RemoveFlow(const FlowKey& key) {
  {
    absl::MutexLock lock(&mutex_);
    flows_.erase(key);
  }
  Changed();
}

void FakeSwitch::RemovePort(const std::string& name) {
  {
    absl::MutexLock lock(&mutex_);
    ports_.erase(name);
  }
  Changed();
}

void FakeSwitch::PutMeter(uint32_t id, const Meter& meter) {
  {
    absl::MutexLock lock(&mutex_);
    meters_[id] = meter;
  }
  Changed();
}

void FakeSwitch::RemoveMeter(uint32_t id) {
  {
    absl::MutexLock lock(&mutex_);
    EraseMeter(id);
  }
  Changed();
}

FlowTable FakeSwitch::all_flows() const {
  absl::MutexLock lock(&mutex_);
  FlowTable all = flows_;
  all.insert(foreign_flows_.begin(), foreign_flows_.end());
  return all;
}

std::set<std::string> FakeSwitch::all_ports() const {
  absl::MutexLock lock(&mutex_);
  std::set<std::string> names;
  for (const auto& [name, port] : ports_) names.insert(name);
  return names;
}

int FakeSwitch::flow_mods() const {
  absl::MutexLock lock(&mutex_);
  return flow_mods_;
}

int FakeSwitch::port_ops() const {
  absl::MutexLock lock(&mutex_);
  return port_ops_;
}

int FakeSwitch::applies() const {
  absl::MutexLock lock(&mutex_);
  return applies_;
}

}  // namespace xpu
