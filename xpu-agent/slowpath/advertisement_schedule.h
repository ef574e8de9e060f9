#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "xpu-agent/slowpath/router_advertisement.h"

namespace xpu::slowpath {

// When routers advertise (RFC 4861, 6.2.4 and 6.2.6): all networks together at random intervals, a new one
// also soon and a few times in quick succession, and a host that asks by itself and after a random delay.
// Pure: time goes in, and what is due comes out. Networks are named by their keys.
class AdvertisementSchedule {
 public:
  explicit AdvertisementSchedule(uint64_t seed) : random_(seed) {}

  // All networks that advertise from now on.
  void SetNetworks(const std::set<uint32_t>& networks, absl::Time now);
  // A host asks; nothing happens if the network does not advertise, or the host's answer is on its way.
  // `port` is where the answer goes.
  void Solicit(uint32_t network, uint32_t port, const RouterSolicitation& host, absl::Time now);

  // When Take() has something next; InfiniteFuture() while there is nothing to come.
  absl::Time Next() const;

  struct Host {
    uint32_t network = 0;
    uint32_t port = 0;
    RouterSolicitation solicitation;
  };
  struct Due {
    std::vector<uint32_t> networks;
    std::vector<Host> hosts;
  };
  Due Take(absl::Time now);

 private:
  struct Young {
    int left;
    absl::Time at;
  };
  struct Asked {
    absl::Time at;
    Host host;
  };

  absl::Duration Random(absl::Duration least, absl::Duration most);
  absl::Duration Interval();

  std::mt19937_64 random_;
  std::set<uint32_t> networks_;
  // Those in their first advertisements.
  std::map<uint32_t, Young> young_;
  std::map<std::pair<uint32_t, MacAddress>, Asked> asked_;
  absl::Time together_at_ = absl::InfiniteFuture();
};

}  // namespace xpu::slowpath
