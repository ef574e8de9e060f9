#pragma once

#include <algorithm>
#include <cstddef>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"

namespace xpu::slowpath {

// A token bucket for each key: `burst` at once, `rate` a second after that. Not safe for several threads.
template <typename Key>
class TokenBuckets {
 public:
  TokenBuckets(double rate, double burst) : rate_(rate), burst_(burst) {}

  // Whether the key may have one now. A clock that goes back fills nothing.
  bool Take(const Key& key, absl::Time now) {
    if (buckets_.size() >= sweep_at_ && !buckets_.contains(key)) Sweep(now);
    Bucket& bucket = buckets_.try_emplace(key, Bucket{.tokens = burst_, .at = now}).first->second;
    bucket = Filled(bucket, now);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }
  size_t size() const { return buckets_.size(); }

 private:
  struct Bucket {
    double tokens;
    absl::Time at;
  };

  Bucket Filled(const Bucket& bucket, absl::Time now) const {
    if (now <= bucket.at) return bucket;
    const double tokens = bucket.tokens + rate_ * absl::ToDoubleSeconds(now - bucket.at);
    return {.tokens = tokens < burst_ ? tokens : burst_, .at = now};
  }
  // A full bucket need not be remembered.
  void Sweep(absl::Time now) {
    absl::erase_if(buckets_, [&](const auto& entry) { return Filled(entry.second, now).tokens >= burst_; });
    sweep_at_ = std::max<size_t>(kLeastSweep, 2 * buckets_.size());
  }

  static constexpr size_t kLeastSweep = 1024;
  const double rate_;
  const double burst_;
  size_t sweep_at_ = kLeastSweep;
  absl::flat_hash_map<Key, Bucket> buckets_;
};

}  // namespace xpu::slowpath
