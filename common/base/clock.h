#pragma once

#include "absl/time/time.h"

namespace xpu {

// Time as a seam. Safe from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() = 0;
  // The system's clocks; both live for ever. Wall-clock time.
  static Clock& Real();
  // Goes on evenly whatever happens to the date: only differences count.
  static Clock& Steady();
};

}  // namespace xpu
