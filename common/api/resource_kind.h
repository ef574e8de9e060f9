#pragma once

#include <compare>
#include <string>

namespace xpu {

// A kind as the API's URLs name it.
struct ResourceKind {
  std::string group;    // "xpu.opiproject.org"; empty for the core group
  std::string version;  // "v1alpha1"
  std::string kind;     // "Netdev"
  std::string plural;   // "netdevs"

  std::string ApiVersion() const { return group.empty() ? version : group + "/" + version; }
  friend auto operator<=>(const ResourceKind&, const ResourceKind&) = default;
};

}  // namespace xpu
