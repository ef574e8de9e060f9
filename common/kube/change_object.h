#pragma once

#include <functional>

#include "absl/status/statusor.h"
#include "common/kube/resource_store.h"

namespace xpu {

enum class ObjectPart { kAllButStatus, kStatus };

// Changes one part of an object under optimistic locking. `change` gets a copy of the object and says whether
// it changed anything; if not, nothing is written. When another writer was quicker, the object is read again
// and `change` called with what is there now. Answers the object as it is afterwards. NotFound if it is gone,
// or if another object has its name now; Aborted if others were quicker again and again.
absl::StatusOr<Resource> ChangeObject(ResourceStore& store, const ResourceKind& kind, const Resource& object,
                                      ObjectPart part, const std::function<bool(Resource*)>& change);

}  // namespace xpu
