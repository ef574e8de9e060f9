#include "host-agent/alloc/journal.h"

namespace xpu {

const char* ClaimStateName(ClaimState state) {
  switch (state) {
    case ClaimState::kClaimed:
      return "claimed";
    case ClaimState::kAttached:
      return "attached";
    case ClaimState::kUndoing:
      return "undoing";
  }
  return "unknown";
}

}  // namespace xpu
