#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "control-plane/apiserver/store/kind_table.h"

namespace xpu::apiserver {

// What a URL below /api or /apis names.
struct Route {
  KindPtr kind;
  // Empty for kinds of the cluster, and for lists over all namespaces.
  std::string ns;
  // Empty for a collection.
  std::string name;
  // /status: the half of the object that controllers write.
  bool status = false;
};

// Whether the objects of a kind can be deleted by their collection.
inline bool IsDeletedTogether(const ResourceKind& kind) {
  return !kind.group.empty() || kind.plural != "namespaces";
}

// NoSuchPath for a URL that names none of the kinds.
//   /api/v1/namespaces[/NAME[/status]]
//   /apis/GROUP/VERSION/PLURAL
//   /apis/GROUP/VERSION/namespaces/NS/PLURAL[/NAME[/status]]
absl::StatusOr<Route> FindRoute(const KindTable& kinds, const std::vector<std::string>& path);

}  // namespace xpu::apiserver
