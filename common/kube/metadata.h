#pragma once

// Reading and changing the parts that all Kubernetes objects share. All functions are pure, take objects of
// any shape, and treat what is missing or of the wrong type as empty.

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/kube/resource_store.h"

namespace xpu {

ResourceName NameOf(const Resource& object);
// metadata.resourceVersion.
std::string VersionOf(const Resource& object);
std::string UidOf(const Resource& object);
int64_t GenerationOf(const Resource& object);
// Has a deletionTimestamp: it goes when its finalizers are gone.
bool IsBeingDeleted(const Resource& object);

bool HasFinalizer(const Resource& object, absl::string_view finalizer);
// Each returns whether anything changed.
bool AddFinalizer(Resource* object, absl::string_view finalizer);
bool RemoveFinalizer(Resource* object, absl::string_view finalizer);

// One entry of status.conditions (Kubernetes API conventions, "Typical status properties").
struct ConditionValue {
  std::string type;    // "Ready"
  std::string status;  // "True", "False" or "Unknown"
  std::string reason;  // one word in CamelCase
  std::string message;
  int64_t observed_generation = 0;
  friend bool operator==(const ConditionValue&, const ConditionValue&) = default;
};

// The condition of that type; one with an empty status if there is none.
ConditionValue GetCondition(const Resource& object, absl::string_view type);
// Adds or replaces it in status.conditions. lastTransitionTime becomes `now` only when the status changes.
// Returns whether anything changed.
bool SetCondition(Resource* object, const ConditionValue& condition, absl::Time now);

// RFC 3339 in UTC with whole seconds, as Kubernetes writes times.
std::string KubeTime(absl::Time time);

// The object with only what names it: apiVersion, kind, metadata.name and metadata.namespace.
Resource MakeResource(const ResourceKind& kind, const ResourceName& name);

}  // namespace xpu
