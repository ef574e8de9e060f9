#pragma once

#include <cstdint>
#include <random>

#include "absl/time/time.h"

namespace xpu {

// Growing delays between tries, with jitter so that many clients do not come back at the same moment.
// Not thread-safe.
class Backoff {
 public:
  struct Options {
    absl::Duration initial = absl::Milliseconds(100);
    absl::Duration max = absl::Seconds(30);
    double factor = 2.0;
    // Each delay is drawn from [1 - jitter, 1] of its nominal length.
    double jitter = 0.5;
  };
  Backoff(const Options& options, uint64_t seed);

  // The delay before the next try; each call grows the one after it.
  absl::Duration Next();
  // Call after a success.
  void Reset();

 private:
  Options options_;
  std::mt19937_64 random_;
  absl::Duration nominal_;
};

}  // namespace xpu
