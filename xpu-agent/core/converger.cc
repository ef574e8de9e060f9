#include "xpu-agent/core/converger.h"

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/opi/opi_names.h"
#include "spdlog/spdlog.h"
#include "xpu-agent/core/flow_owners.h"
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
  SwitchSnapshot snapshot;
  // What was refused.
  SwitchPlan plan;
  ApplyResult result;
};

void Converger::Forgive(const Model& desired, bool all) {
  std::erase_if(refused_bridges_, [&](const auto& entry) {
    auto it = desired.bridges.find(entry.first);
    return all || it == desired.bridges.end() || !(it->second == entry.second.object);
  });
  std::erase_if(refused_ports_, [&](const auto& entry) {
    auto it = desired.ports.find(entry.first);
    return all || it == desired.ports.end() || !(it->second == entry.second.object);
  });
  std::erase_if(refused_representors_, [&](const auto& entry) {
    auto it = desired.representors.find(entry.first);
    return all || it == desired.representors.end() || !(it->second == entry.second.object);
  });
}

Model Converger::Admitted(const Model& desired) const {
  Model model = desired;
  for (const auto& [id, refused] : refused_bridges_) {
    auto it = model.bridges.find(id);
    if (it == model.bridges.end()) continue;
    if (refused.instead.has_value()) {
      it->second = *refused.instead;
    } else {
      model.bridges.erase(it);
    }
  }
  for (const auto& [id, refused] : refused_ports_) model.ports.erase(id);
  for (const auto& [id, refused] : refused_representors_) model.representors.erase(id);
  IsolateOrphans(&model);
  return model;
}

Converger::Round Converger::ApplyAll(const Model& model) {
  std::string last;
  for (int round = 0; round < kMaxRounds; ++round) {
    absl::StatusOr<SwitchSnapshot> snapshot = switch_.Snapshot();
    if (!snapshot.ok()) return {.kind = Round::kUnreachable, .why = snapshot.status()};
    SwitchPlan plan = MakePlan(model, *snapshot);
    if (plan.empty()) return {.kind = Round::kDone, .snapshot = *std::move(snapshot)};
    last = PlanToString(plan);
    spdlog::debug("switch, round {}:\n{}", round + 1, last);
    ApplyResult result = switch_.Apply(plan);
    for (const absl::Status& status : {result.ports, result.flows}) {
      if (IsUnreachable(status)) return {.kind = Round::kUnreachable, .why = status};
    }
    for (const absl::Status& status : {result.flows, result.ports}) {
      if (!status.ok()) {
        return {.kind = Round::kRefused,
                .why = status,
                .snapshot = *std::move(snapshot),
                .plan = std::move(plan),
                .result = result};
      }
    }
    if (plan.port_adds.empty()) {
      // Confirmed, and no port that could bring flows of its own: there is nothing more to plan.
      for (const std::string& name : plan.port_deletes) snapshot->ports.erase(name);
      return {.kind = Round::kDone, .snapshot = *std::move(snapshot)};
    }
  }
  return {
      .kind = Round::kUnreachable,
      .why = absl::AbortedError(absl::StrCat("the switch took ", kMaxRounds,
                                             " changes and is still not as it should be; does something else "
                                             "write to it? Left to do:\n",
                                             last.substr(0, 2000)))};
}

bool Converger::RefusePort(const BridgePort& port, const absl::Status& why) {
  if (!refused_ports_.insert({port.id, {port, std::nullopt, why}}).second) return false;
  spdlog::error("the switch refuses {}: {}", BridgePortName(port.id), why.ToString());
  return true;
}

bool Converger::RefuseRepresentor(const std::string& id, const Representor& representor,
                                  const absl::Status& why) {
  if (!refused_representors_.insert({id, {representor, std::nullopt, why}}).second) return false;
  spdlog::error("the switch does not take {}, the representor of {}: {}", representor.interface,
                BridgePortName(id), why.ToString());
  return true;
}

bool Converger::RefuseBridge(const LogicalBridge& bridge, const absl::Status& why) {
  if (auto it = refused_bridges_.find(bridge.id); it != refused_bridges_.end()) {
    // Not even what was there before is taken any more.
    return std::exchange(it->second.instead, std::nullopt).has_value();
  }
  spdlog::error("the switch refuses {}: {}", LogicalBridgeName(bridge.id), why.ToString());
  Refused<LogicalBridge> refused{bridge, std::nullopt, why};
  auto before = good_.bridges.find(bridge.id);
  if (before != good_.bridges.end() && !(before->second == bridge)) refused.instead = before->second;
  refused_bridges_.emplace(bridge.id, std::move(refused));
  return true;
}

absl::StatusOr<bool> Converger::Blame(const Model& desired, const Model& admitted, const Round& refused) {
  bool found = false;
  if (!refused.result.ports.ok()) {
    XPU_ASSIGN_OR_RETURN(found, BlameForPorts(desired, refused));
  }
  if (!refused.result.flows.ok()) {
    XPU_ASSIGN_OR_RETURN(bool flow_found, BlameForFlows(desired, admitted, refused));
    found = found || flow_found;
  }
  return found;
}

absl::StatusOr<bool> Converger::BlameForPorts(const Model& desired, const Round& refused) {
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
  for (const auto& [add, why] : bad) {
    for (const auto& [id, representor] : desired.representors) {
      if (representor.interface == add.name && RefuseRepresentor(id, representor, why)) found = true;
    }
  }
  return found;
}

absl::StatusOr<bool> Converger::BlameForFlows(const Model& desired, const Model& admitted,
                                              const Round& refused) {
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
  std::map<std::string, uint32_t> ofports;
  for (const auto& [name, port] : refused.snapshot.ports) {
    if (port.ofport != 0 && port.error.empty()) ofports.emplace(name, port.ofport);
  }
  bool found = false;
  for (const auto& [flow, why] : bad) {
    const FlowOwners owners = FindOwners(admitted, ofports, flow.first);
    for (const std::string& id : owners.ports) found |= RefusePort(desired.ports.at(id), why);
    for (const std::string& id : owners.bridges) found |= RefuseBridge(desired.bridges.at(id), why);
  }
  return found;
}

Outcome Converger::Converge(const Model& desired, bool try_refused) {
  Forgive(desired, try_refused);
  // Each turn keeps one object more out.
  while (true) {
    Model admitted = Admitted(desired);
    Round round = ApplyAll(admitted);
    if (round.kind == Round::kDone) {
      good_ = std::move(admitted);
      return Judge(desired, round.snapshot);
    }
    if (round.kind == Round::kUnreachable) return Outcome{.reached = round.why};
    absl::StatusOr<bool> found = Blame(desired, admitted, round);
    if (!found.ok()) return Outcome{.reached = found.status()};
    if (!*found) return Outcome{.reached = round.why};
  }
}

absl::Status Converger::Verify() {
  XPU_ASSIGN_OR_RETURN(SwitchSnapshot snapshot, switch_.Snapshot());
  SwitchPlan plan = MakePlan(good_, snapshot);
  if (plan.empty()) return absl::OkStatus();
  return absl::AbortedError(
      absl::StrCat("the switch is not as it was left; does something else write to it? It lacks:\n",
                   PlanToString(plan).substr(0, 2000)));
}

ObjectState Converger::JudgeRepresentor(const std::string& id, const Representor& representor,
                                        const SwitchSnapshot& snapshot) const {
  if (auto refused = refused_representors_.find(id); refused != refused_representors_.end()) {
    return {ObjectState::kFailed, refused->second.why};
  }
  auto on_switch = snapshot.ports.find(representor.interface);
  if (on_switch == snapshot.ports.end() || !on_switch->second.error.empty()) {
    return {ObjectState::kFailed,
            absl::InternalError(absl::StrCat(
                "the switch cannot open ", representor.interface, ": ",
                on_switch == snapshot.ports.end() ? "it is not there" : on_switch->second.error))};
  }
  if (on_switch->second.ofport == 0) {
    return {ObjectState::kPending, absl::UnavailableError("the switch has not given the port a number yet")};
  }
  return {};
}

Outcome Converger::Judge(const Model& desired, const SwitchSnapshot& snapshot) const {
  Outcome outcome;
  auto fail = [&](const std::string& name, const absl::Status& why) {
    outcome.states[name] = {ObjectState::kFailed, why};
  };
  for (const auto& [id, refused] : refused_bridges_) fail(LogicalBridgeName(id), refused.why);
  for (const auto& [id, representor] : desired.representors) {
    ObjectState state = JudgeRepresentor(id, representor, snapshot);
    if (state.kind != ObjectState::kConfirmed) outcome.representors.emplace(id, std::move(state));
  }
  for (const auto& [id, port] : desired.ports) {
    const std::string name = BridgePortName(id);
    if (auto refused = refused_ports_.find(id); refused != refused_ports_.end()) {
      fail(name, refused->second.why);
      continue;
    }
    const auto representor = desired.representors.find(id);
    if (representor == desired.representors.end()) {
      fail(name, absl::NotFoundError("no interface of the DPU stands for this function now"));
      continue;
    }
    auto missing = std::find_if(port.logical_bridges.begin(), port.logical_bridges.end(),
                                [&](const std::string& bridge) { return !good_.bridges.contains(bridge); });
    if (missing != port.logical_bridges.end()) {
      fail(name,
           absl::FailedPreconditionError(absl::StrCat(LogicalBridgeName(*missing), " is not on the switch")));
      continue;
    }
    if (auto state = outcome.representors.find(id); state != outcome.representors.end()) {
      outcome.states[name] = state->second;
    }
  }
  outcome.refused = !refused_bridges_.empty() || !refused_ports_.empty() || !refused_representors_.empty();
  return outcome;
}

}  // namespace xpu
