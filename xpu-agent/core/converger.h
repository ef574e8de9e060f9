#pragma once

#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "xpu-agent/datapath/switch.h"
#include "xpu-agent/model/model.h"

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
class Converger {
 public:
  explicit Converger(Switch& the_switch) : switch_(the_switch) {}

  // With `try_refused` also what was refused before is tried again, otherwise only once it has changed.
  Outcome Converge(const Model& desired, bool try_refused);

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
  struct Round;

  void Forgive(const Model& desired, bool all);
  // `desired` without what was refused.
  Model Admitted(const Model& desired) const;
  // Applies `model` until nothing is left to do, or something is refused.
  Round ApplyAll(const Model& model);
  // Finds out whose part of the plan it was that was refused, and keeps it out from now on; what is not at
  // fault is applied meanwhile. False if nobody was found. `admitted` is what was tried, `desired` what is
  // wanted.
  absl::StatusOr<bool> Blame(const Model& desired, const Model& admitted, const Round& refused);
  absl::StatusOr<bool> BlameForPorts(const Model& desired, const Round& refused);
  absl::StatusOr<bool> BlameForFlows(const Model& desired, const Model& admitted, const Round& refused);
  bool RefusePort(const BridgePort& port, const absl::Status& why);
  bool RefuseRepresentor(const std::string& id, const Representor& representor, const absl::Status& why);
  bool RefuseBridge(const LogicalBridge& bridge, const absl::Status& why);
  Outcome Judge(const Model& desired, const SwitchSnapshot& snapshot) const;
  ObjectState JudgeRepresentor(const std::string& id, const Representor& representor,
                               const SwitchSnapshot& snapshot) const;

  Switch& switch_;
  // What the switch has taken in full.
  Model good_;
  std::map<std::string, Refused<LogicalBridge>> refused_bridges_;
  std::map<std::string, Refused<BridgePort>> refused_ports_;
  std::map<std::string, Refused<Representor>> refused_representors_;
};

}  // namespace xpu
