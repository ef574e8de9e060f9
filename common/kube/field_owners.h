#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/kube/resource_store.h"

namespace xpu {

// Who owns which fields of one object, as server-side apply has it, for FakeStore. Lists are one field each
// but for finalizers and those whose kind declares keys. A value.
class FieldOwners {
 public:
  // Of an object that was never applied: all that is there is an earlier writer's.
  static FieldOwners BeforeFirstApply(const ResourceKind& kind, const Resource& object);

  // `live` with what `applied` says; the owners are those after it. FailedPrecondition: others own fields
  // that would change, and nothing is different.
  absl::StatusOr<Resource> Apply(const ResourceKind& kind, const Resource& live, const Resource& applied,
                                 const ApplyOptions& options);
  // Somebody has changed fields by other means, and owns them.
  void Updated(const ResourceKind& kind, const Resource& before, const Resource& after);

 private:
  // A name of an object's field (a text), the keys of a list's item (an object), or an item of a set (a list
  // of it).
  using Path = std::vector<Resource>;
  // By path; the values of fields that have none below them.
  using Fields = std::map<Path, Resource>;
  static Fields FieldsOf(const ResourceKind& kind, const Resource& object);
  static std::string Say(const Path& path);

  // By manager; those of the status are another's than those of the rest.
  std::map<std::string, Fields> owned_;
};

}  // namespace xpu
