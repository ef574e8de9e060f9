#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/kube/resource_store.h"

namespace xpu::broker {

// What a copy is made of, and how a copy and its source tell each other. All functions are pure and take
// objects of any shape.
//
// A copy has all of the source but metadata and status: those are the target cluster's. It has the source's
// labels, and the annotations that are asked for; what others put on the copy beside these stays. Marks say
// whose copy it is:
//   label       xpu.opiproject.org/origin             Origin::name
//   annotation  xpu.opiproject.org/origin-namespace   of the source
//   annotation  xpu.opiproject.org/origin-uid         of the source
//   annotation  xpu.opiproject.org/origin-generation  that the copy was made from
//   annotation  xpu.opiproject.org/origin-content     digest of what was copied, to see what the source
//   dropped annotation  xpu.opiproject.org/origin-keys        labels and annotations that were copied, as
//   JSON

inline constexpr char kOriginLabel[] = "xpu.opiproject.org/origin";

struct Origin {
  // Of the source cluster.
  std::string name;
  // Beginnings of the annotations that are copied.
  std::vector<std::string> annotations;
};

// Who a copy says that it is of; empty texts for what is no copy.
struct Marks {
  std::string origin;
  std::string ns;
  std::string uid;
  // 0 if it does not say.
  int64_t generation = 0;
};
Marks MarksOf(const Resource& object);

// "xpu.opiproject.org/broker-<origin>": keeps a source object until its copy is gone.
std::string FinalizerOf(const Origin& origin);

// The copy of `source` as it should be: a new one, or `present` with what it lacks. Without change if it has
// it all; what the target's server filled in beside that is no difference.
Resource MakeCopy(const Origin& origin, const Resource& source, const ResourceName& target,
                  const Resource* present);

// The status that `source` should have by that of its copy; nothing while the copy has none or has not been
// told of the source's newest generation. Generations in it (observedGeneration, confirmedGeneration) are
// those of the source: one that the copy has reached in full is the source's that it was made from.
std::optional<Resource> StatusFor(const Resource& source, const Resource& copy);

}  // namespace xpu::broker
