#include "xpu-agent/services/paging.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/opi/opi_names.h"

namespace xpu {
namespace {

constexpr int32_t kDefaultSize = 100;
constexpr int32_t kMaxSize = 1000;

}  // namespace

absl::StatusOr<PageRequest> ParsePage(absl::string_view kind, int32_t size, absl::string_view token) {
  if (size < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("page_size: ", size, " is negative; 0 leaves it to the server"));
  }
  PageRequest page;
  page.size = size == 0 ? kDefaultSize : std::min(size, kMaxSize);
  if (token.empty()) return page;
  std::string text;
  absl::string_view rest;
  if (absl::WebSafeBase64Unescape(token, &text)) {
    rest = text;
    if (absl::ConsumePrefix(&rest, absl::StrCat(kind, "/")) && CheckOpiId(rest).ok()) {
      page.after = std::string(rest);
      return page;
    }
  }
  return absl::InvalidArgumentError(
      "page_token: is none of this list; pass next_page_token of the page before, or nothing to begin again");
}

std::string PageToken(absl::string_view kind, absl::string_view last_id) {
  return absl::WebSafeBase64Escape(absl::StrCat(kind, "/", last_id));
}

}  // namespace xpu
