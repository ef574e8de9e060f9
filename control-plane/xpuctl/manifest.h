#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/api/api.h"
#include "common/kube/resource_store.h"

namespace xpu {

// One object of a manifest.
struct ManifestObject {
  // "blue.yaml:12", for messages.
  std::string where;
  const api::KindInfo* kind = nullptr;
  Resource object;
};

// The objects of files in order: YAML or JSON, several documents each, lists taken apart. A folder stands for
// its
// *.yaml, *.yml and *.json, by name; "-" for `in`. Kinds are known and names are there afterwards; namespaces
// are `ns` where an object has none. InvalidArgument says where something cannot be read; NotFound names a
// missing file.
absl::StatusOr<std::vector<ManifestObject>> ReadManifests(const std::vector<std::string>& files,
                                                          std::istream& in, const std::string& ns);

}  // namespace xpu
