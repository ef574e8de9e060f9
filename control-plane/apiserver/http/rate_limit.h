#pragma once

#include <map>
#include <string>

#include "absl/time/time.h"
#include "common/base/clock.h"
#include "control-plane/apiserver/auth/identity.h"

namespace xpu::apiserver {

// How much of the server one user may have.
struct RequestLimits {
  // Of each user, in the long run and at once. The nodes' agents (group system:nodes) have `priority` times
  // as much, and system:masters is never made to wait.
  double requests_per_second = 200;
  double burst = 400;
  double priority = 5;
  // Of all that nobody knows, together.
  double strangers_per_second = 20;
  // A larger body is refused (413), in octets.
  size_t body_bytes = size_t{3} << 20;
  // Running watches, of all and of each user but system:masters.
  size_t watches = 10'000;
  size_t watches_per_user = 1'000;
  // What waits to be sent to all watches together, in octets, about.
  size_t watch_bytes = size_t{128} << 20;
  // A watch that takes nothing of what it is sent for so long is cut off.
  absl::Duration watch_patience = absl::Minutes(1);
};

// A bucket of tokens for each user. One thread.
class RateLimit {
 public:
  RateLimit(const RequestLimits& limits, Clock& clock) : limits_(limits), clock_(clock) {}

  // Zero, or how long the user must wait before the next request. A null user is a stranger.
  absl::Duration Take(const User* user);

 private:
  struct Bucket {
    double tokens = 0;
    absl::Time at;
  };
  absl::Duration TakeFrom(Bucket& bucket, double rate, double burst, absl::Time now);
  void DropFull(absl::Time now);

  const RequestLimits limits_;
  Clock& clock_;
  Bucket strangers_;
  // One that is full again is as good as none.
  std::map<std::string, Bucket> users_;
};

}  // namespace xpu::apiserver
