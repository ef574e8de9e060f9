#pragma once

#include <optional>
#include <string>

#include "control-plane/broker/copy.h"

namespace xpu::broker {

// A source object and its copy as they are.
struct Pair {
  std::optional<Resource> source;
  // Policy names the source. What it does not name, or names no more, has no copy.
  bool named = true;
  ResourceName target;
  std::optional<Resource> copy;
  // Whether the kind's status is to come back.
  bool has_status = true;
};

// What is to be done next.
struct Step {
  enum Kind {
    kNothing,
    // Wait: the copy is going, and the target's agents have it in hand.
    kWait,
    // Write `object` over the source: it gets, or loses, the finalizer.
    kHoldSource,
    kReleaseSource,
    kCreateCopy,
    kUpdateCopy,
    kDeleteCopy,
    // Write the status of `object` to the source.
    kWriteStatus,
    // Somebody else has an object of that name in the target.
    kTaken,
  };
  Kind kind = kNothing;
  Resource object;
};

// One step towards: a copy exactly if policy names a source that is not going; the source's status that of
// its copy; a source with the finalizer for as long as it has a copy. Each step is safe at any time and after
// any other, so that a broker may die between any two, or two may be at work. Pure.
Step NextStep(const Origin& origin, const Pair& pair);

}  // namespace xpu::broker
