#pragma once

#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "xpu-agent/datapath/switch.h"
#include "xpu-agent/model/model.h"
#include "xpu-agent/model/model_change.h"
#include "xpu-agent/plan/planner.h"

namespace xpu {

// What the switch has made of one object of the model, and why not more.
struct ObjectState {
  enum Kind {
    // Everything it asks for is in place.
    kConfirmed,
    // On the way: the switch has not given its port a number yet.
    kPending,
    // Nothing of it, or only what was there before, is in place; `why` says so.
    kFailed,
  };
  Kind kind = kConfirmed;
  absl::Status why;
  friend bool operator==(const ObjectState&, const ObjectState&) = default;
};

// What became of a model. Objects are called by their OPI names.
struct Outcome {
  // Not OK: the switch cannot be reached or does not come to rest; what is on it now is not known and
  // `states` is empty.
  absl::Status reached;
  // Objects of the model that are not confirmed. All others are, and what is not in the model is gone.
  std::map<std::string, ObjectState> states;
  // The same of the model's representors, by the id of their port.
  std::map<std::string, ObjectState> representors;
  // The switch refused something, so that trying again later makes sense.
  bool refused = false;
};

// Makes a switch like a model. What the switch refuses is kept out, object by object, so that one bad object
// does not stop the rest: a port that was refused is isolated (fail closed), a representor stays off the
// switch, a bridge stays as it was confirmed last. One thread; blocks as long as Switch does.
//
// As long as nobody else changes the switch it has what was confirmed, so that a change costs what it
// changes; the switch is read only when that is in doubt.
class Converger {
 public:
  explicit Converger(Switch& the_switch) : switch_(the_switch) {}

  // `change` leads from the model of the last call, at first an empty one, to the one that is wanted now.
  // With `again` the switch may have been changed by others: it is read, and what was refused before is tried
  // again, which otherwise waits until it has changed.
  Outcome Converge(const ModelChange& change, bool again);
  // The same for those who have the model and not what changed.
  Outcome Converge(const Model& desired, bool again) {
    return Converge(Difference(desired_, desired), again);
  }

  // Whether the switch still is as it was left by the last Converge() that reached it. That one believes what
  // the switch confirms; this one looks. Aborted if something else has changed it, or the switch said yes and
  // did not.
  absl::Status Verify();

 private:
  // An object the switch refused, as it was then, and what takes its place: what was confirmed before or
  // nothing.
  template <typename T>
  struct Refused {
    T object;
    std::optional<T> instead;
    absl::Status why;
  };
  template <typename T>
  using RefusedObjects = std::map<std::string, Refused<T>>;
  struct Round;

  template <typename T>
  static void AdmitObjects(const SharedMap<T>& desired, bool all, RefusedObjects<T>* refused,
                           ObjectChanges<T>* changes);
  template <typename T>
  bool Refuse(const SharedMap<T>& desired, const std::string& id, const std::string& what,
              const absl::Status& why, RefusedObjects<T>* refused, ObjectChanges<T>* changes);
  // What `change` is without what is refused; what has changed, or else all of it, is forgiven.
  ModelChange Admit(const ModelChange& change, bool all);
  void Plan(const ModelChange& admitted);
  // Reads the switch.
  absl::Status Look(SwitchSnapshot* snapshot);
  // Applies what is planned until nothing is left to do, or something is refused.
  Round ApplyAll();
  SwitchPlan NextPlan(const SwitchSnapshot* snapshot);
  // Finds out whose part of the plan it was that was refused, and keeps it out from now on; what is not at
  // fault is applied meanwhile. False if nobody was found.
  absl::StatusOr<bool> Blame(const Round& refused);
  absl::StatusOr<bool> BlameForPorts(const Round& refused);
  absl::StatusOr<bool> BlameForMeters(const Round& refused);
  absl::StatusOr<bool> BlameForFlows(const Round& refused);
  bool RefuseBridge(const std::string& id, const absl::Status& why, ModelChange* out);
  // Not without it: nothing is to pass by a function that could not be put into the way.
  bool RefuseNetworkFunction(const std::string& id, const absl::Status& why, ModelChange* out);
  // Says what has become of everything.
  Outcome Judge();
  // The same, of one object, to `outcome_`.
  void JudgePort(const std::string& id);
  void JudgeRepresentor(const std::string& id);
  void JudgeNetworkFunction(const NetworkFunction& function);

  Switch& switch_;
  Model desired_;
  // What was not judged yet.
  ModelChange unjudged_;
  // Of what is not refused.
  Planner planner_;
  // What the switch has taken in full.
  std::map<std::string, LogicalBridge> good_bridges_;
  RefusedObjects<LogicalBridge> refused_bridges_;
  RefusedObjects<BridgePort> refused_ports_;
  RefusedObjects<Svi> refused_svis_;
  RefusedObjects<RemotePort> refused_remote_ports_;
  RefusedObjects<NetworkFunction> refused_network_functions_;
  RefusedObjects<Representor> refused_representors_;

  // The switch has the flows that were planned last, and these ports.
  bool known_ = false;
  std::map<std::string, SwitchPort> ports_;
  // What ports there should be is to be looked at.
  bool plan_ports_ = true;
  // All is to be judged again.
  bool judge_all_ = true;
  Outcome outcome_;
};

}  // namespace xpu
