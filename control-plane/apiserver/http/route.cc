#include "control-plane/apiserver/http/route.h"

#include <utility>

#include "absl/types/span.h"
#include "control-plane/apiserver/store/api_error.h"

namespace xpu::apiserver {

absl::StatusOr<Route> FindRoute(const KindTable& kinds, const std::vector<std::string>& path) {
  absl::Span<const std::string> rest = path;
  std::string group;
  std::string version;
  if (rest.size() >= 3 && rest[0] == "api") {
    version = rest[1];
    rest = rest.subspan(2);
  } else if (rest.size() >= 4 && rest[0] == "apis") {
    group = rest[1];
    version = rest[2];
    rest = rest.subspan(3);
  } else {
    return NoSuchPath();
  }
  Route route;
  // "namespaces/NS/PLURAL" and "namespaces/NAME/status" look alike; a kind decides.
  if (rest.size() >= 3 && rest[0] == "namespaces") {
    KindPtr kind = kinds.FindPlural(group, version, rest[2]);
    if (kind != nullptr && kind->namespaced) {
      route.kind = std::move(kind);
      route.ns = rest[1];
      rest = rest.subspan(3);
    }
  }
  if (route.kind == nullptr) {
    route.kind = kinds.FindPlural(group, version, rest[0]);
    if (route.kind == nullptr) return NoSuchPath();
    rest = rest.subspan(1);
    // An object of a namespace has no URL without it.
    if (route.kind->namespaced && !rest.empty()) return NoSuchPath();
  }
  if (!rest.empty()) {
    route.name = rest[0];
    rest = rest.subspan(1);
  }
  if (!rest.empty() && rest[0] == "status" && route.kind->has_status) {
    route.status = true;
    rest = rest.subspan(1);
  }
  if (!rest.empty()) return NoSuchPath();
  return route;
}

}  // namespace xpu::apiserver
