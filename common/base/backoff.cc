#include "common/base/backoff.h"

#include <algorithm>

namespace xpu {

Backoff::Backoff(const Options& options, uint64_t seed)
    : options_(options), random_(seed), nominal_(options.initial) {}

absl::Duration Backoff::Next() {
  std::uniform_real_distribution<double> part(1.0 - options_.jitter, 1.0);
  const absl::Duration delay = nominal_ * part(random_);
  nominal_ = std::min(nominal_ * options_.factor, options_.max);
  return delay;
}

void Backoff::Reset() { nominal_ = options_.initial; }

}  // namespace xpu
