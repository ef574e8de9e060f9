#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/sys/net_namespaces.h"
#include "common/sys/netlink.h"
#include "common/sys/netlink_socket.h"

namespace xpu {

// The interfaces of a namespace as they are now. The kernel queues its news before it answers whoever made a
// change, so a table that is refreshed when it is asked is never behind, as sysfs itself never is; and as
// long as there is no news that costs one system call. Not thread-safe.
class LinkTable {
 public:
  static absl::StatusOr<LinkTable> Open(const std::shared_ptr<NetNamespace>& ns);

  // Takes in what has happened. True if anything has.
  absl::StatusOr<bool> Refresh();
  // By ifindex, as of the last refresh.
  const std::map<int, Link>& links() const { return links_; }
  // Null if there is none.
  const Link* ByName(const std::string& name) const;
  // The end of a veth that has this MAC; null if there is none.
  const Link* VethByMac(const MacAddress& mac) const;
  // Whether the interface that had this ifindex has gone to another namespace, and is not just gone. Not
  // known of those that went while more news came than the socket holds.
  bool HasMovedAway(int ifindex) const { return moved_away_.contains(ifindex); }
  // Reads the interfaces anew: the kernel has no news when the other end of a veth moves.
  absl::Status ReadAll();
  // Readable when there is news.
  int fd() const { return news_.fd(); }
  // The number by which this namespace knows `other` (Link::lower_nsid); -1 as long as it has none.
  absl::StatusOr<int> NsidOf(const NetNamespace& other);

 private:
  LinkTable(NetlinkSocket news, NetlinkSocket queries)
      : news_(std::move(news)), queries_(std::move(queries)) {}

  NetlinkSocket news_;
  NetlinkSocket queries_;
  std::map<int, Link> links_;
  std::set<int> moved_away_;
};

}  // namespace xpu
