#pragma once

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/ip_address.h"
#include "host-agent/cni/cni_result.h"

namespace xpu {

// An address that an IPAM plugin gave.
struct IpamAddress {
  InterfaceAddress address;
  std::optional<IpAddress> gateway;
  friend bool operator==(const IpamAddress&, const IpamAddress&) = default;
};

// What an IPAM plugin answers to ADD.
struct IpamResult {
  std::vector<IpamAddress> addresses;
  std::vector<CniRoute> routes;
  CniDns dns;
  friend bool operator==(const IpamResult&, const IpamResult&) = default;
};

// Reads the abbreviated result of an IPAM plugin, as versions 0.3.1 to 1.1.0 of the specification have it
// (1.1.0, section 5, "Delegated plugins (IPAM)"). InvalidArgument, naming the field, for anything else; also
// without any address.
absl::StatusOr<IpamResult> ParseIpamResult(absl::string_view json);

}  // namespace xpu
