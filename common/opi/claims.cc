#include "common/opi/claims.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace xpu {

absl::StatusOr<ClaimOrder> OrderClaim(absl::string_view port, const ClaimMark& mark,
                                      const int64_t* port_claim, int64_t claim, ClaimUse use) {
  if (claim < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("claim ", claim, ": claim numbers count up from 1; leave it out if there is none"));
  }
  if (claim == 0) {
    if (port_claim != nullptr && *port_claim > 0) {
      return absl::AbortedError(absl::StrCat(port, " is held under claim ", *port_claim,
                                             "; a request without a claim must not change it"));
    }
    return ClaimOrder::kCurrent;
  }
  if (claim < mark.highest) {
    return absl::AbortedError(absl::StrCat("claim ", claim, " of ", port, " is older than claim ",
                                           mark.highest, ", which the agent knows; read again"));
  }
  if (claim > mark.highest) return ClaimOrder::kNewer;
  if (mark.released) {
    if (use == ClaimUse::kGiveBack) return ClaimOrder::kOver;
    return absl::AbortedError(
        absl::StrCat("claim ", claim, " of ", port, " is over; make a new claim to use the function again"));
  }
  return port_claim == nullptr || *port_claim == claim ? ClaimOrder::kCurrent : ClaimOrder::kNewer;
}

ClaimMark MarkAfter(const ClaimMark& mark, int64_t claim, bool release) {
  if (claim == 0 || claim < mark.highest) return mark;
  return {claim, release || (claim == mark.highest && mark.released)};
}

}  // namespace xpu
