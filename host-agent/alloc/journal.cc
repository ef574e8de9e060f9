#include "host-agent/alloc/journal.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

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

namespace {
constexpr absl::string_view kUnknown = "unknown:";
}

std::string UnknownContainer(const std::string& netns) {
  absl::string_view path = netns;
  // /var/run is a link to /run wherever containers run.
  absl::ConsumePrefix(&path, "/var");
  return absl::StrCat(kUnknown, path);
}

bool IsOfUnknownContainer(const ClaimRow& row) {
  return row.attachment && absl::StartsWith(row.attachment->container_id, kUnknown);
}

}  // namespace xpu
