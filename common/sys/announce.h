#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "common/base/ip_address.h"
#include "common/base/mac_address.h"
#include "common/base/unique_fd.h"
#include "common/sys/net_namespaces.h"

namespace xpu {

// Tells neighbours who has an address now. Safe from any thread.
//
// It owns a thread for what the kernel makes slow: to close a packet socket takes an RCU grace period, ten
// milliseconds and more, which is as long as the rest of what a pod's interface takes, and nobody needs to
// wait for that. Sockets that are still to be closed when this goes are closed first.
class Announcer {
 public:
  Announcer();
  ~Announcer();
  Announcer(const Announcer&) = delete;
  Announcer& operator=(const Announcer&) = delete;

  // Tells the neighbours that `mac` now has `addresses`, so that what they remember of a former owner is
  // corrected at once: an ARP announcement for each IPv4 address, an unsolicited neighbour advertisement for
  // each IPv6 one. Sends one frame for each address from the interface `ifindex` of namespace `ns`, which
  // must be up.
  //
  // To be called once traffic may pass. A neighbour that misses it learns by asking, so a failure is for the
  // log, not for undoing what was done. NotFound if the interface is gone; FailedPrecondition if it is down.
  absl::Status Announce(const std::shared_ptr<NetNamespace>& ns, int ifindex, const MacAddress& mac,
                        const std::vector<IpAddress>& addresses);

 private:
  void Close(UniqueFd socket);
  void RunCloser();

  absl::Mutex mu_;
  std::vector<UniqueFd> to_close_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread closer_;
};

// The frames, from the Ethernet header on and without padding.
// RFC 5227, section 3: a broadcast ARP request in which sender and target are `ip`.
std::string ArpAnnouncement(const MacAddress& mac, const IpAddress& ip);
// RFC 4861, section 7.2.6: to all nodes, override set, with the target's link-layer address.
std::string UnsolicitedAdvertisement(const MacAddress& mac, const IpAddress& ip);

}  // namespace xpu
