#include "common/base/clock.h"

#include <chrono>

#include "absl/time/clock.h"

namespace xpu {
namespace {

class RealClock : public Clock {
 public:
  absl::Time Now() override { return absl::Now(); }
};

class SteadyClock : public Clock {
 public:
  absl::Time Now() override {
    return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
  }
};

}  // namespace

Clock& Clock::Real() {
  static RealClock clock;
  return clock;
}

Clock& Clock::Steady() {
  static SteadyClock clock;
  return clock;
}

}  // namespace xpu
