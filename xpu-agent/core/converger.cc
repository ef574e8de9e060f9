#include "xpu-agent/core/converger.h"

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/opi/opi_names.h"
#include "spdlog/spdlog.h"
#include "xpu-agent/core/kinds.h"
#include "xpu-agent/core/network_function_changes.h"
#include "xpu-agent/plan/plan.h"

namespace xpu {
namespace {

// A port takes two rounds to get its flows; more only if somebody else changes the switch meanwhile.
constexpr int kMaxRounds = 8;

// The switch did not answer, as opposed to refusing.
bool IsUnreachable(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsCancelled(status);
}

// The entries of `all` that the switch refuses on their own, with its words. `apply` is given a part of them;
// halves until only those at fault are left.
template <typename T>
absl::Status FindRefused(const std::vector<T>& all,
                         const std::function<absl::Status(const std::vector<T>&)>& apply,
                         std::vector<std::pair<T, absl::Status>>* refused) {
  if (all.empty()) return absl::OkStatus();
  absl::Status status = apply(all);
  if (status.ok() || IsUnreachable(status)) return status;
  if (all.size() == 1) {
    refused->emplace_back(all[0], status);
    return absl::OkStatus();
  }
  auto middle = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
  XPU_RETURN_IF_ERROR(FindRefused(std::vector<T>(all.begin(), middle), apply, refused));
  return FindRefused(std::vector<T>(middle, all.end()), apply, refused);
}

}  // namespace

struct Converger::Round {
  enum Kind { kDone, kRefused, kUnreachable };
  Kind kind = kDone;
  absl::Status why;
  // What was refused.
  SwitchPlan plan;
  ApplyResult result;
};

template <typename T>
void Converger::AdmitObjects(const SharedMap<T>& desired, bool all, RefusedObjects<T>* refused,
                             ObjectChanges<T>* changes) {
  for (auto it = refused->begin(); it != refused->end();) {
    const auto& [id, entry] = *it;
    const auto wanted = desired.find(id);
    if (!all && wanted != desired.end() && wanted->second == entry.object) {
      changes->erase(id);
      ++it;
      continue;
    }
    std::optional<T> object;
    if (wanted != desired.end()) object = wanted->second;
    changes->insert_or_assign(id, std::move(object));
    it = refused->erase(it);
  }
}

ModelChange Converger::Admit(const ModelChange& change, bool all) {
  ModelChange admitted = change;
  AdmitObjects(desired_.bridges, all, &refused_bridges_, &admitted.bridges);
  AdmitObjects(desired_.ports, all, &refused_ports_, &admitted.ports);
  AdmitObjects(desired_.svis, all, &refused_svis_, &admitted.svis);
  AdmitObjects(desired_.remote_ports, all, &refused_remote_ports_, &admitted.remote_ports);
  AdmitObjects(desired_.network_functions, all, &refused_network_functions_, &admitted.network_functions);
  AdmitObjects(desired_.representors, all, &refused_representors_, &admitted.representors);
  return admitted;
}

void Converger::Plan(const ModelChange& admitted) {
  planner_.Update(admitted, {});
  plan_ports_ = plan_ports_ || !admitted.representors.empty() || admitted.tunnel.has_value() ||
                admitted.uplink.has_value();
}

absl::Status Converger::Look(SwitchSnapshot* snapshot) {
  XPU_ASSIGN_OR_RETURN(*snapshot, switch_.Snapshot());
  if (ports_ != snapshot->ports) {
    ports_ = snapshot->ports;
    judge_all_ = true;
  }
  planner_.SetAbilities(snapshot->abilities);
  plan_ports_ = true;
  return absl::OkStatus();
}

// `snapshot` is null if it is known what the switch has.
SwitchPlan Converger::NextPlan(const SwitchSnapshot* snapshot) {
  SwitchPlan plan;
  if (plan_ports_) {
    PlanPorts(planner_.model(), ports_, &plan);
    const std::map<std::string, uint32_t> now = OfportsOf(ports_, plan.port_adds);
    std::map<std::string, uint32_t> changed = now;
    for (const auto& [interface, ofport] : planner_.ofports()) {
      if (auto it = changed.find(interface); it == changed.end()) {
        changed.emplace(interface, 0);
      } else if (it->second == ofport) {
        changed.erase(it);
      }
    }
    planner_.Update({}, changed);
    plan_ports_ = false;
  }
  FlowChange flows = snapshot == nullptr ? planner_.TakeChanges() : planner_.Compare(snapshot->flows);
  MeterChange meters = snapshot == nullptr ? planner_.TakeMeterChanges() : planner_.Compare(snapshot->meters);
  planner_.ForgetChanges();
  plan.flow_deletes = std::move(flows.deletes);
  plan.flow_puts = std::move(flows.puts);
  plan.meter_deletes = std::move(meters.deletes);
  plan.meter_puts = std::move(meters.puts);
  plan.as_printed = true;
  return plan;
}

Converger::Round Converger::ApplyAll() {
  SwitchPlan last;
  for (int round = 0; round < kMaxRounds; ++round) {
    SwitchSnapshot snapshot;
    if (!known_) {
      const absl::Status status = Look(&snapshot);
      if (!status.ok()) return {.kind = Round::kUnreachable, .why = status};
    }
    SwitchPlan plan = NextPlan(known_ ? nullptr : &snapshot);
    known_ = true;
    if (plan.empty()) return {.kind = Round::kDone};
    if (spdlog::should_log(spdlog::level::debug))
      spdlog::debug("switch, round {}:\n{}", round + 1, PlanToString(plan));
    ApplyResult result = switch_.Apply(plan);
    known_ = result.flows.ok() && result.ports.ok();
    for (const absl::Status& status : {result.ports, result.flows}) {
      if (IsUnreachable(status)) return {.kind = Round::kUnreachable, .why = status};
    }
    for (const absl::Status& status : {result.flows, result.ports}) {
      if (!status.ok())
        return {.kind = Round::kRefused, .why = status, .plan = std::move(plan), .result = result};
    }
    for (const std::string& name : plan.port_deletes) ports_.erase(name);
    // Confirmed, and no port that could bring flows of its own: there is nothing more to plan.
    if (plan.port_adds.empty()) return {.kind = Round::kDone};
    // The new ports' numbers, or why they have none, are the switch's to say.
    known_ = false;
    last = std::move(plan);
  }
  known_ = false;
  return {
      .kind = Round::kUnreachable,
      .why = absl::AbortedError(absl::StrCat("the switch took ", kMaxRounds,
                                             " changes and is still not as it should be; does something else "
                                             "write to it? Left to do:\n",
                                             PlanToString(last).substr(0, 2000)))};
}

// Takes the object out of what is planned, with a word to the log; false if it is out already.
template <typename T>
bool Converger::Refuse(const SharedMap<T>& desired, const std::string& id, const std::string& what,
                       const absl::Status& why, RefusedObjects<T>* refused, ObjectChanges<T>* changes) {
  const auto object = desired.find(id);
  if (object == desired.end()) return false;
  if (!refused->insert({id, {object->second, std::nullopt, why}}).second) return false;
  changes->insert_or_assign(id, std::nullopt);
  spdlog::error("the switch refuses {}: {}", what, why.ToString());
  return true;
}

bool Converger::RefuseBridge(const std::string& id, const absl::Status& why, ModelChange* out) {
  std::optional<LogicalBridge>& now = out->bridges[id];
  if (auto it = refused_bridges_.find(id); it != refused_bridges_.end()) {
    // Not even what was there before is taken any more.
    now = std::nullopt;
    return std::exchange(it->second.instead, std::nullopt).has_value();
  }
  if (!Refuse(desired_.bridges, id, LogicalBridgeName(id), why, &refused_bridges_, &out->bridges))
    return false;
  Refused<LogicalBridge>& refused = refused_bridges_.at(id);
  auto before = good_bridges_.find(id);
  if (before != good_bridges_.end() && !(before->second == refused.object)) refused.instead = before->second;
  now = refused.instead;
  return true;
}

bool Converger::RefuseNetworkFunction(const std::string& id, const absl::Status& why, ModelChange* out) {
  if (!Refuse(desired_.network_functions, id, NetworkFunctionName(id), why, &refused_network_functions_,
              &out->network_functions)) {
    return false;
  }
  Refused<NetworkFunction>& refused = refused_network_functions_.at(id);
  refused.instead = refused.object;
  refused.instead->input = {};
  refused.instead->output = {};
  out->network_functions[id] = refused.instead;
  return true;
}

absl::StatusOr<bool> Converger::Blame(const Round& refused) {
  bool found = false;
  if (!refused.result.ports.ok()) {
    XPU_ASSIGN_OR_RETURN(found, BlameForPorts(refused));
  }
  if (!refused.result.flows.ok()) {
    XPU_ASSIGN_OR_RETURN(const bool meter_found, BlameForMeters(refused));
    found = found || meter_found;
    // A flow whose meter was refused is refused too, and is the same port's.
    if (!meter_found) {
      XPU_ASSIGN_OR_RETURN(const bool flow_found, BlameForFlows(refused));
      found = found || flow_found;
    }
  }
  judge_all_ = true;
  return found;
}

absl::StatusOr<bool> Converger::BlameForPorts(const Round& refused) {
  std::vector<std::pair<PortAdd, absl::Status>> bad;
  XPU_RETURN_IF_ERROR(FindRefused<PortAdd>(
      refused.plan.port_adds,
      [&](const std::vector<PortAdd>& adds) {
        SwitchPlan part;
        part.port_adds = adds;
        return switch_.Apply(part).ports;
      },
      &bad));
  bool found = false;
  ModelChange out;
  for (const auto& [add, why] : bad) {
    for (const auto& [id, representor] : desired_.representors) {
      if (representor.interface != add.name) continue;
      found |= Refuse(desired_.representors, id,
                      absl::StrCat(add.name, ", the representor of ", BridgePortName(id)), why,
                      &refused_representors_, &out.representors);
    }
  }
  Plan(out);
  unjudged_.Append(std::move(out));
  return found;
}

absl::StatusOr<bool> Converger::BlameForMeters(const Round& refused) {
  using Entry = std::pair<uint32_t, Meter>;
  std::vector<std::pair<Entry, absl::Status>> bad;
  XPU_RETURN_IF_ERROR(FindRefused<Entry>(
      {refused.plan.meter_puts.begin(), refused.plan.meter_puts.end()},
      [&](const std::vector<Entry>& puts) {
        SwitchPlan part;
        part.meter_puts = {puts.begin(), puts.end()};
        return switch_.Apply(part).flows;
      },
      &bad));
  bool found = false;
  ModelChange out;
  for (const auto& [entry, why] : bad) {
    for (const std::string& id : planner_.OwnersOfMeter(entry.first).ports)
      found |= Refuse(desired_.ports, id, BridgePortName(id), why, &refused_ports_, &out.ports);
  }
  Plan(out);
  unjudged_.Append(std::move(out));
  return found;
}

absl::StatusOr<bool> Converger::BlameForFlows(const Round& refused) {
  using Flow = std::pair<FlowKey, std::string>;
  std::vector<std::pair<Flow, absl::Status>> bad;
  XPU_RETURN_IF_ERROR(FindRefused<Flow>(
      {refused.plan.flow_puts.begin(), refused.plan.flow_puts.end()},
      [&](const std::vector<Flow>& puts) {
        SwitchPlan part;
        part.flow_puts = {puts.begin(), puts.end()};
        return switch_.Apply(part).flows;
      },
      &bad));
  bool found = false;
  ModelChange out;
  for (const auto& [flow, why] : bad) {
    const FlowOwners owners = planner_.OwnersOf(flow.first);
    for (const std::string& id : owners.ports)
      found |= Refuse(desired_.ports, id, BridgePortName(id), why, &refused_ports_, &out.ports);
    for (const std::string& id : owners.remote_ports) {
      found |= Refuse(desired_.remote_ports, id, RemotePortName(id), why, &refused_remote_ports_,
                      &out.remote_ports);
    }
    for (const std::string& id : owners.svis)
      found |= Refuse(desired_.svis, id, SviName(id), why, &refused_svis_, &out.svis);
    for (const std::string& id : owners.network_functions) found |= RefuseNetworkFunction(id, why, &out);
    for (const std::string& id : owners.bridges) found |= RefuseBridge(id, why, &out);
  }
  Plan(out);
  unjudged_.Append(std::move(out));
  return found;
}

Outcome Converger::Converge(const ModelChange& change, bool again) {
  Apply(change, &desired_);
  const bool had_refused = outcome_.refused;
  unjudged_.Append(change);
  ModelChange admitted = Admit(change, again);
  Plan(admitted);
  unjudged_.Append(std::move(admitted));
  if (again) known_ = false;
  judge_all_ = judge_all_ || had_refused;
  // Each turn keeps one object more out.
  while (true) {
    Round round = ApplyAll();
    if (round.kind == Round::kDone) return Judge();
    if (round.kind == Round::kUnreachable) return Outcome{.reached = round.why};
    absl::StatusOr<bool> found = Blame(round);
    if (!found.ok()) return Outcome{.reached = found.status()};
    if (!*found) return Outcome{.reached = round.why};
  }
}

absl::Status Converger::Verify() {
  // Nothing was promised since the last time that the switch was not as it should be.
  if (!known_) return absl::OkStatus();
  XPU_ASSIGN_OR_RETURN(SwitchSnapshot snapshot, switch_.Snapshot());
  SwitchPlan plan;
  PlanPorts(planner_.model(), snapshot.ports, &plan);
  FlowChange flows = planner_.Compare(snapshot.flows);
  plan.flow_deletes = std::move(flows.deletes);
  plan.flow_puts = std::move(flows.puts);
  MeterChange meters = planner_.Compare(snapshot.meters);
  plan.meter_deletes = std::move(meters.deletes);
  plan.meter_puts = std::move(meters.puts);
  if (plan.empty()) return absl::OkStatus();
  known_ = false;
  return absl::AbortedError(
      absl::StrCat("the switch is not as it was left; does something else write to it? It lacks:\n",
                   PlanToString(plan).substr(0, 2000)));
}

void Converger::JudgeRepresentor(const std::string& id) {
  outcome_.representors.erase(id);
  const auto representor = desired_.representors.find(id);
  if (representor == desired_.representors.end()) return;
  ObjectState& state = outcome_.representors[id];
  const auto on_switch = ports_.find(representor->second.interface);
  if (auto refused = refused_representors_.find(id); refused != refused_representors_.end()) {
    state = {ObjectState::kFailed, refused->second.why};
  } else if (on_switch == ports_.end() || !on_switch->second.error.empty()) {
    state = {ObjectState::kFailed,
             absl::InternalError(
                 absl::StrCat("the switch cannot open ", representor->second.interface, ": ",
                              on_switch == ports_.end() ? "it is not there" : on_switch->second.error))};
  } else if (on_switch->second.ofport == 0) {
    state = {ObjectState::kPending, absl::UnavailableError("the switch has not given the port a number yet")};
  } else {
    outcome_.representors.erase(id);
  }
}

void Converger::JudgePort(const std::string& id) {
  const std::string name = BridgePortName(id);
  outcome_.states.erase(name);
  const auto port = desired_.ports.find(id);
  if (port == desired_.ports.end()) return;
  const auto fail = [&](absl::Status why) { outcome_.states[name] = {ObjectState::kFailed, std::move(why)}; };
  if (auto refused = refused_ports_.find(id); refused != refused_ports_.end()) {
    return fail(refused->second.why);
  }
  if (!desired_.representors.contains(id)) {
    return fail(absl::NotFoundError("no interface of the DPU stands for this function now"));
  }
  for (const std::string& bridge : port->second.logical_bridges) {
    if (!planner_.model().bridges.contains(bridge)) {
      return fail(
          absl::FailedPreconditionError(absl::StrCat(LogicalBridgeName(bridge), " is not on the switch")));
    }
  }
  if (port->second.Limits().has_limits() && !planner_.index().abilities().meter) {
    return fail(absl::FailedPreconditionError(
        "bandwidth: the switch cannot limit ports (its datapath has no meters); take the limits out"));
  }
  if (auto state = outcome_.representors.find(id); state != outcome_.representors.end()) {
    outcome_.states[name] = state->second;
  }
}

void Converger::JudgeNetworkFunction(const NetworkFunction& function) {
  const std::string& id = function.id;
  absl::Status why = CheckNetworkFunction(desired_, function);
  if (const auto refused = refused_network_functions_.find(id); refused != refused_network_functions_.end())
    why = refused->second.why;
  if (why.ok()) {
    for (const NetworkFunctionPort* port : {&function.input, &function.output}) {
      const auto state = outcome_.representors.find(port->port);
      if (state == outcome_.representors.end()) continue;
      outcome_.states[NetworkFunctionName(id)] = state->second;
      return;
    }
  }
  if (!why.ok()) outcome_.states[NetworkFunctionName(id)] = {ObjectState::kFailed, std::move(why)};
}

Outcome Converger::Judge() {
  for (const auto& [id, bridge] : unjudged_.bridges) {
    const auto taken = planner_.model().bridges.find(id);
    if (taken == planner_.model().bridges.end()) {
      good_bridges_.erase(id);
    } else {
      good_bridges_.insert_or_assign(id, taken->second);
    }
  }
  if (judge_all_ || !unjudged_.bridges.empty()) {
    outcome_ = Outcome();
    const auto fail = [&](const std::string& name, const absl::Status& why) {
      outcome_.states[name] = {ObjectState::kFailed, why};
    };
    for (const auto& [id, refused] : refused_bridges_) fail(LogicalBridgeName(id), refused.why);
    for (const auto& [id, refused] : refused_svis_) fail(SviName(id), refused.why);
    for (const auto& [id, refused] : refused_remote_ports_) fail(RemotePortName(id), refused.why);
    for (const auto& [id, representor] : desired_.representors) JudgeRepresentor(id);
    for (const auto& [id, port] : desired_.ports) JudgePort(id);
  } else {
    for (const auto& [id, representor] : unjudged_.representors) {
      JudgeRepresentor(id);
      JudgePort(id);
    }
    for (const auto& [id, port] : unjudged_.ports) JudgePort(id);
  }
  // Few, and each stands on ports that may have changed.
  for (const auto& [id, function] : unjudged_.network_functions)
    outcome_.states.erase(NetworkFunctionName(id));
  for (const auto& [id, function] : desired_.network_functions) {
    outcome_.states.erase(NetworkFunctionName(id));
    JudgeNetworkFunction(function);
  }
  outcome_.refused = !refused_bridges_.empty() || !refused_ports_.empty() || !refused_svis_.empty() ||
                     !refused_remote_ports_.empty() || !refused_network_functions_.empty() ||
                     !refused_representors_.empty();
  unjudged_ = ModelChange();
  judge_all_ = false;
  return outcome_;
}

}  // namespace xpu
