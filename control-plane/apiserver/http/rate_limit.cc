#include "control-plane/apiserver/http/rate_limit.h"

#include <algorithm>

namespace xpu::apiserver {
namespace {

// More than a cluster has clients; beyond it the full buckets are thrown away.
constexpr size_t kManyUsers = 4096;

}  // namespace

absl::Duration RateLimit::Take(const User* user) {
  const absl::Time now = clock_.Now();
  if (user == nullptr) {
    return TakeFrom(strangers_, limits_.strangers_per_second, 2 * limits_.strangers_per_second, now);
  }
  if (user->In(kMasters)) return absl::ZeroDuration();
  if (users_.size() >= kManyUsers && !users_.contains(user->name)) DropFull(now);
  const double factor = user->In(kNodes) ? limits_.priority : 1;
  return TakeFrom(users_[user->name], factor * limits_.requests_per_second, factor * limits_.burst, now);
}

absl::Duration RateLimit::TakeFrom(Bucket& bucket, double rate, double burst, absl::Time now) {
  const double passed = bucket.at == absl::Time() ? burst / rate : absl::ToDoubleSeconds(now - bucket.at);
  // A clock that was set back gives nothing and takes nothing.
  bucket.tokens = std::min(burst, bucket.tokens + std::max(0.0, passed) * rate);
  bucket.at = now;
  if (bucket.tokens < 1) return absl::Seconds((1 - bucket.tokens) / rate);
  bucket.tokens -= 1;
  return absl::ZeroDuration();
}

void RateLimit::DropFull(absl::Time now) {
  for (auto it = users_.begin(); it != users_.end();) {
    // The slowest of them is full after this long.
    const absl::Duration refill = absl::Seconds(limits_.burst / limits_.requests_per_second);
    it = now - it->second.at > refill ? users_.erase(it) : std::next(it);
  }
}

}  // namespace xpu::apiserver
