#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "common/sys/net_namespaces.h"

namespace xpu {

// Has the kernel compute the checksums of what is sent on `ifname`, instead of leaving them to the device
// (ETHTOOL_STXCSUM of linux/ethtool.h). A veth leaves them out altogether, and a switch in user space passes
// such packets on as they are. Stays with the interface when it moves. NotFound if there is no such
// interface.
absl::Status DisableTransmitChecksumOffload(const std::shared_ptr<NetNamespace>& ns,
                                            const std::string& ifname);

}  // namespace xpu
