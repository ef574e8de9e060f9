#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace xpu {

// What is remembered of a port's claims (proto/xpu/agent/v1/port_service.proto), also when the port is gone.
struct ClaimMark {
  // Highest claim seen; 0: none yet.
  int64_t highest = 0;
  // That claim is over.
  bool released = false;
  friend bool operator==(const ClaimMark&, const ClaimMark&) = default;
};

enum class ClaimUse {
  // The request wants the port to be there: create, bind.
  kHold,
  // The request gives something back: unbind, delete.
  kGiveBack,
};

enum class ClaimOrder {
  // The request is of the claim that holds the port, or neither has a claim: the port is as the requester
  // left it.
  kCurrent,
  // The request is newer than all that is there, which is void therefore.
  kNewer,
  // Gives back what was given back already: nothing to do.
  kOver,
};

// Where a request with `claim` (0: none) stands. `port_claim` is that of the port that is there; nothing if
// there is no port.
//   InvalidArgument  the claim is negative
//   Aborted          the claim is older than the highest or is over, or the request has none and the port has
//   one
absl::StatusOr<ClaimOrder> OrderClaim(absl::string_view port, const ClaimMark& mark,
                                      const int64_t* port_claim, int64_t claim, ClaimUse use);

// The mark after such a request was done. `release`: the claim is over.
ClaimMark MarkAfter(const ClaimMark& mark, int64_t claim, bool release);

}  // namespace xpu
