#pragma once

#include "absl/time/time.h"

namespace xpu {

// Time as a seam. Safe from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  // Wall-clock time.
  virtual absl::Time Now() = 0;
  // The system's clock; lives for ever.
  static Clock& Real();
};

}  // namespace xpu
