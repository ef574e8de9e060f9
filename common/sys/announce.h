#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/base/ip_address.h"
#include "common/base/mac_address.h"
#include "common/base/unique_fd.h"
#include "common/sys/net_namespaces.h"

namespace xpu {

// That an interface has addresses now.
struct Announcement {
  std::shared_ptr<NetNamespace> ns;
  // Where the namespace is found later on: to hold it open would keep what is in it from coming home when its
  // pod is gone.
  std::string netns_path;
  int ifindex = 0;
  MacAddress mac;
  std::vector<IpAddress> addresses;
};

// Tells neighbours who has an address now, twice, as the first word may be lost: where it is sent, what the
// switch has learned of the port before may still hold for a moment. Safe from any thread.
//
// It owns a thread for the second word, and for what the kernel makes slow: to close a packet socket takes an
// RCU grace period, ten milliseconds and more, which is as long as the rest of what a pod's interface takes,
// and nobody needs to wait for that. Sockets that are still to be closed when this goes are closed first;
// second words that are not due yet are not said.
class Announcer {
 public:
  struct Options {
    // Between the two (RFC 5227, section 1.1: ANNOUNCE_INTERVAL; ANNOUNCE_NUM is 2).
    absl::Duration interval = absl::Seconds(2);
  };
  explicit Announcer(const Options& options);
  Announcer() : Announcer(Options()) {}
  ~Announcer();
  Announcer(const Announcer&) = delete;
  Announcer& operator=(const Announcer&) = delete;

  // Tells the neighbours that the interface now has these addresses, so that what they remember of a former
  // owner is corrected at once: an ARP announcement for each IPv4 address, an unsolicited neighbour
  // advertisement for each IPv6 one. Sends one frame for each address from the interface, which must be up;
  // and once more after the interval, of those that it still has then, under the same MAC.
  //
  // To be called once traffic may pass. A neighbour that misses it learns by asking, so a failure is for the
  // log, not for undoing what was done. NotFound if the interface is gone; FailedPrecondition if it is down.
  absl::Status Announce(const Announcement& announcement);

 private:
  // What is to be said again.
  struct Second {
    absl::Time due;
    uint64_t ns_inode = 0;
    // Without its namespace.
    Announcement announcement;
  };
  void ThreadMain();
  // Nobody is told of a failure: by then the pod may be gone, and its interface with it.
  static void SayAgain(const Second& second);

  const Options options_;
  absl::Mutex mu_;
  std::vector<UniqueFd> to_close_ ABSL_GUARDED_BY(mu_);
  // The one that is due first comes first.
  std::deque<Second> seconds_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

// The frames, from the Ethernet header on and without padding.
// RFC 5227, section 3: a broadcast ARP request in which sender and target are `ip`.
std::string ArpAnnouncement(const MacAddress& mac, const IpAddress& ip);
// RFC 4861, section 7.2.6: to all nodes, override set, with the target's link-layer address.
std::string UnsolicitedAdvertisement(const MacAddress& mac, const IpAddress& ip);

}  // namespace xpu
