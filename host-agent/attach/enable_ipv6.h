#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "common/sys/net_namespaces.h"

namespace xpu {

// Lets an interface of a namespace have IPv6 addresses (net.ipv6.conf.IFNAME.disable_ipv6), which some
// container runtimes forbid all interfaces of a pod at first. Other interfaces are left as they are.
absl::Status EnableIpv6(const std::shared_ptr<NetNamespace>& ns, const std::string& ifname);

}  // namespace xpu
