#include "control-plane/sandbox/card/link_table.h"

#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>

#include <utility>
#include <vector>

#include "common/base/status_macros.h"
#include "common/sys/netlink_link.h"

namespace xpu {

absl::StatusOr<LinkTable> LinkTable::Open(const std::shared_ptr<NetNamespace>& ns) {
  // Listening begins before the first look, so that nothing is missed between the two.
  XPU_ASSIGN_OR_RETURN(NetlinkSocket news, NetlinkSocket::Open(ns));
  XPU_RETURN_IF_ERROR(news.Subscribe(RTNLGRP_LINK));
  XPU_ASSIGN_OR_RETURN(NetlinkSocket queries, NetlinkSocket::Open(ns));
  LinkTable table(std::move(news), std::move(queries));
  XPU_RETURN_IF_ERROR(table.ReadAll());
  return table;
}

absl::StatusOr<bool> LinkTable::Refresh() {
  bool changed = false;
  const absl::Status status = news_.ReceivePending([&](const nlmsghdr* message) {
    Link link;
    if (!ParseLink(message, link)) return;
    changed = true;
    if (message->nlmsg_type == RTM_DELLINK) {
      links_.erase(link.ifindex);
      // Which the kernel adds in dev_change_net_namespace(), and nowhere else.
      const NetlinkAttributes<IFLA_MAX> attributes(message, sizeof(ifinfomsg));
      if (attributes.Has(IFLA_NEW_NETNSID)) moved_away_.insert(link.ifindex);
    } else {
      moved_away_.erase(link.ifindex);
      links_[link.ifindex] = std::move(link);
    }
  });
  if (status.ok()) return changed;
  if (!absl::IsDataLoss(status)) return status;
  XPU_RETURN_IF_ERROR(ReadAll());
  return true;
}

absl::Status LinkTable::ReadAll() {
  XPU_ASSIGN_OR_RETURN(const std::vector<Link> links, DumpLinks(queries_));
  links_.clear();
  for (const Link& link : links) links_[link.ifindex] = link;
  return absl::OkStatus();
}

const Link* LinkTable::ByName(const std::string& name) const {
  for (const auto& [ifindex, link] : links_) {
    if (link.name == name) return &link;
  }
  return nullptr;
}

const Link* LinkTable::VethByMac(const MacAddress& mac) const {
  for (const auto& [ifindex, link] : links_) {
    if (link.kind == "veth" && link.mac == mac) return &link;
  }
  return nullptr;
}

absl::StatusOr<int> LinkTable::NsidOf(const NetNamespace& other) {
  NetlinkMessage request(RTM_GETNSID, 0, rtgenmsg{});
  request.PutU32(NETNSA_FD, static_cast<uint32_t>(other.fd()));
  int nsid = NETNSA_NSID_NOT_ASSIGNED;
  XPU_RETURN_IF_ERROR(queries_.Ask(request, [&](const nlmsghdr* message) {
    nsid = static_cast<int>(NetlinkAttributes<NETNSA_MAX>(message, sizeof(rtgenmsg)).U32(NETNSA_NSID));
  }));
  return nsid;
}

}  // namespace xpu
