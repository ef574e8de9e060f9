#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>

#include "host-agent/testing/world.h"

namespace xpu {

// The function that fault runs are about.
inline constexpr int kFaultVf = 1;

struct FaultOperation {
  const char* name;
  // The runtime is told that the pod has its interface if it succeeds.
  bool attaches;
  // What has been done before, without a fault.
  std::function<void(Incarnation&, const std::string& pod)> before;
  // What is done with one.
  std::function<absl::Status(Incarnation&, const std::string& pod)> run;
  friend void PrintTo(const FaultOperation& operation, std::ostream* out) { *out << operation.name; }
};

struct Fault {
  const char* name;
  FaultPoint::Mode mode;
  absl::Status status;
  bool kills() const { return mode == FaultPoint::Mode::kKillBefore || mode == FaultPoint::Mode::kKillAfter; }
  friend void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.name; }
};

// How the function is while it is nobody's.
struct AtRest {
  // None for one that has no interface.
  std::optional<Link> link;
  VfSettings kept;
};
AtRest LookAtRest(World& world);
// Expects that of a pod and the function nothing is left, and the function is as it was.
void ExpectNothingLeft(World& world, const AtRest& at_first, const std::string& pod);
// Expects that the pod has its interface, all of it, as the journal and the card say.
void ExpectAttached(World& world, const std::string& pod);

// How the runtime takes the pod's interface back: by a DEL, or not before a GC whose list of valid
// attachments is empty.
enum class TakenBackBy { kDel, kGc };

// Runs the operation with the n-th call over a seam failing, restarts if that killed the process, and takes
// the pod's interface back; expects after each what has to be so. Returns whether there was an n-th call.
bool RunWithFault(World& world, const std::string& pod, const FaultOperation& operation, const Fault& fault,
                  int n, TakenBackBy taken_back_by);

}  // namespace xpu
