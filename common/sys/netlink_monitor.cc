#include "common/sys/netlink_monitor.h"

#include <linux/rtnetlink.h>

#include <utility>
#include <vector>

#include "common/base/status_macros.h"
#include "common/sys/netlink_link.h"
#include "spdlog/spdlog.h"

namespace xpu {

absl::StatusOr<std::unique_ptr<Netlink::Monitor>> LinkMonitor::Start(const std::shared_ptr<NetNamespace>& ns,
                                                                     EventLoop& loop, Changed changed) {
  // Listening begins before the first look, so that nothing is missed between the two.
  XPU_ASSIGN_OR_RETURN(NetlinkSocket news, NetlinkSocket::Open(ns));
  XPU_RETURN_IF_ERROR(news.Subscribe(RTNLGRP_LINK));
  XPU_ASSIGN_OR_RETURN(NetlinkSocket queries, NetlinkSocket::Open(ns));
  const int fd = news.fd();
  std::unique_ptr<LinkMonitor> monitor(
      new LinkMonitor(std::move(news), std::move(queries), std::move(changed)));
  LinkMonitor* self = monitor.get();
  loop.Post([self, alive = monitor->alive_] {
    if (*alive) self->Resync();
  });
  monitor->readable_ = loop.OnReadable(fd, [self] { self->ReadNews(); });
  return monitor;
}

LinkMonitor::LinkMonitor(NetlinkSocket news, NetlinkSocket queries, Changed changed)
    : news_(std::move(news)), queries_(std::move(queries)), changed_(std::move(changed)) {}

LinkMonitor::~LinkMonitor() { *alive_ = false; }

void LinkMonitor::ReadNews() {
  std::vector<std::pair<Link, bool>> news;
  const absl::Status status = news_.ReceivePending([&](const nlmsghdr* message) {
    if (Link link; ParseLink(message, link))
      news.emplace_back(std::move(link), message->nlmsg_type == RTM_DELLINK);
  });
  const std::shared_ptr<bool> alive = alive_;
  for (const auto& [link, gone] : news) {
    if (!*alive) return;
    Tell(link, gone);
  }
  if (*alive && !status.ok()) {
    spdlog::info("interfaces: {}; looking at all of them again", status.ToString());
    Resync();
  }
}

void LinkMonitor::Resync() {
  auto links = DumpLinks(queries_);
  if (!links.ok()) {
    spdlog::error("interfaces: {}", links.status().ToString());
    return;
  }
  std::map<int, Link> gone = known_;
  for (const Link& link : *links) gone.erase(link.ifindex);
  const std::shared_ptr<bool> alive = alive_;
  for (const auto& [ifindex, link] : gone) {
    if (*alive) Tell(link, true);
  }
  for (const Link& link : *links) {
    if (*alive) Tell(link, false);
  }
}

void LinkMonitor::Tell(const Link& link, bool gone) {
  if (gone && known_.erase(link.ifindex) == 0) return;
  if (!gone) known_[link.ifindex] = link;
  changed_(link, gone);
}

}  // namespace xpu
