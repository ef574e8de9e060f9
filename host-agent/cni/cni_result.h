#pragma once

#include <string>
#include <vector>

#include "common/base/ip_address.h"
#include "common/base/mac_address.h"

namespace xpu {

// What an ADD answers.
struct CniResult {
  std::string ifname;
  MacAddress mac;
  // Path of the namespace.
  std::string sandbox;
  std::vector<InterfaceAddress> addresses;
  // At most one of each family; the default route goes through it.
  std::vector<IpAddress> gateways;
};

// The result as JSON in the form of `cni_version`, one of SupportedCniVersions() (CNI specification, section
// 5, "Success"; before 1.0.0 each address says its IP version; 1.1.0 adds mtu and pciID). Bytes of the
// sandbox's path that are not UTF-8 are replaced.
std::string FormatCniResult(const CniResult& result, const std::string& cni_version);

}  // namespace xpu
