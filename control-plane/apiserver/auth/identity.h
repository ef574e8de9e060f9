#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace xpu::apiserver {

// Groups that mean something to the server, by Kubernetes' names.
inline constexpr absl::string_view kMasters =
    "system:masters";  // may do everything, and is never made to wait
inline constexpr absl::string_view kAuthenticated = "system:authenticated";
inline constexpr absl::string_view kNodes = "system:nodes";

// Who asks.
struct User {
  std::string name;
  std::string uid;
  std::vector<std::string> groups;

  bool In(absl::string_view group) const {
    return std::find(groups.begin(), groups.end(), group) != groups.end();
  }
};

// What somebody wants to do, as roles name it (Kubernetes, "Authorization Overview", request attributes).
struct Attributes {
  // "get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"; of a path its method
  // in lower case.
  std::string verb;
  std::string group;
  std::string resource;  // plural
  std::string subresource;
  std::string ns;
  std::string name;
  // Of a request for no object, e.g. "/version"; `resource` is empty then.
  std::string path;
};

}  // namespace xpu::apiserver
