#include "xpu-agent/slowpath/advertisement_schedule.h"

#include <algorithm>

namespace xpu::slowpath {
namespace {

// RFC 4861, 10.
constexpr int kInitialAdvertisements = 3;
constexpr absl::Duration kMaxInitialInterval = absl::Seconds(16);
constexpr absl::Duration kMaxDelay = absl::Milliseconds(500);

}  // namespace

absl::Duration AdvertisementSchedule::Random(absl::Duration least, absl::Duration most) {
  std::uniform_int_distribution<int64_t> distribution(absl::ToInt64Microseconds(least),
                                                      absl::ToInt64Microseconds(most));
  return absl::Microseconds(distribution(random_));
}

absl::Duration AdvertisementSchedule::Interval() {
  return Random(absl::Seconds(kMinRouterInterval), absl::Seconds(kMaxRouterInterval));
}

void AdvertisementSchedule::SetNetworks(const std::set<uint32_t>& networks, absl::Time now) {
  for (const uint32_t network : networks) {
    if (networks_.contains(network)) continue;
    young_[network] = {.left = kInitialAdvertisements, .at = now + Random(absl::ZeroDuration(), kMaxDelay)};
  }
  std::erase_if(young_, [&](const auto& entry) { return !networks.contains(entry.first); });
  std::erase_if(asked_, [&](const auto& entry) { return !networks.contains(entry.first.first); });
  if (networks.empty()) {
    together_at_ = absl::InfiniteFuture();
  } else if (networks_.empty()) {
    together_at_ = now + Interval();
  }
  networks_ = networks;
}

void AdvertisementSchedule::Solicit(uint32_t network, uint32_t port, const RouterSolicitation& host,
                                    absl::Time now) {
  if (!networks_.contains(network)) return;
  const auto [asked, is_new] = asked_.try_emplace({network, host.mac});
  if (is_new) asked->second.at = now + Random(absl::ZeroDuration(), kMaxDelay);
  asked->second.host = {.network = network, .port = port, .solicitation = host};
}

absl::Time AdvertisementSchedule::Next() const {
  absl::Time next = together_at_;
  for (const auto& [network, young] : young_) next = std::min(next, young.at);
  for (const auto& [host, asked] : asked_) next = std::min(next, asked.at);
  return next;
}

AdvertisementSchedule::Due AdvertisementSchedule::Take(absl::Time now) {
  Due due;
  for (auto it = asked_.begin(); it != asked_.end();) {
    if (it->second.at > now) {
      ++it;
      continue;
    }
    due.hosts.push_back(it->second.host);
    it = asked_.erase(it);
  }
  if (together_at_ <= now) {
    together_at_ = now + Interval();
    // Those in their first advertisements have just had one, or have it soon.
    for (const uint32_t network : networks_) {
      if (!young_.contains(network)) due.networks.push_back(network);
    }
  }
  for (auto it = young_.begin(); it != young_.end();) {
    if (it->second.at > now) {
      ++it;
      continue;
    }
    due.networks.push_back(it->first);
    it->second.at = now + kMaxInitialInterval;
    it = --it->second.left == 0 ? young_.erase(it) : std::next(it);
  }
  return due;
}

}  // namespace xpu::slowpath
