#pragma once

#include <memory>

#include "common/sys/netlink.h"

namespace xpu {

// rtnetlink of the kernel, one socket for each Netlink; no thread changes its namespace for longer than it
// takes to open that.
class NetlinkFactoryReal final : public NetlinkFactory {
 public:
  absl::StatusOr<std::unique_ptr<Netlink>> Open(const std::shared_ptr<NetNamespace>& ns) override;
};

}  // namespace xpu
