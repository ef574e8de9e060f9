#pragma once

#include <functional>
#include <map>
#include <memory>

#include "common/sys/netlink.h"
#include "common/sys/netlink_socket.h"

namespace xpu {

// Netlink::MonitorLinks on the kernel's RTNLGRP_LINK. To be made and destroyed as EventLoop asks: before the
// loop runs, or on it.
class LinkMonitor final : public Netlink::Monitor {
 public:
  using Changed = std::function<void(const Link& link, bool gone)>;
  static absl::StatusOr<std::unique_ptr<Netlink::Monitor>> Start(const std::shared_ptr<NetNamespace>& ns,
                                                                 EventLoop& loop, Changed changed);
  ~LinkMonitor() override;

 private:
  LinkMonitor(NetlinkSocket news, NetlinkSocket queries, Changed changed);
  void ReadNews();
  // Tells every interface, and of those known before which are gone.
  void Resync();
  void Tell(const Link& link, bool gone);

  NetlinkSocket news_;
  NetlinkSocket queries_;
  Changed changed_;
  // As they were last told.
  std::map<int, Link> known_;
  // Becomes false when the monitor goes, for the work that is still on the loop and for a callback that
  // destroys the monitor.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  EventLoop::Handle readable_;
};

}  // namespace xpu
