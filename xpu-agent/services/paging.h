#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "xpu-agent/model/shared_map.h"

namespace xpu {

// Pages of a list in the order of the ids. A token says after which id the next page begins, so that it stays
// good whatever is created or deleted meanwhile: what is there all the time is listed exactly once.
struct PageRequest {
  int32_t size = 0;
  // The page begins after this id; empty: at the start.
  std::string after;
};

// `size` 0 is 100, and more than 1000 is read as 1000. `kind` tells the tokens of one list from those of
// another. InvalidArgument for a negative size or a token that this list did not give.
absl::StatusOr<PageRequest> ParsePage(absl::string_view kind, int32_t size, absl::string_view token);
std::string PageToken(absl::string_view kind, absl::string_view last_id);

// Calls `add` with each object of the page and returns the token of the next one, empty after the last.
template <typename T, typename Add>
std::string ListPage(absl::string_view kind, const SharedMap<T>& objects, const PageRequest& page, Add add) {
  auto it = page.after.empty() ? objects.begin() : objects.upper_bound(page.after);
  std::string last;
  for (int32_t n = 0; n < page.size && it != objects.end(); ++n, ++it) {
    add(it->second);
    last = it->first;
  }
  return it == objects.end() ? std::string() : PageToken(kind, last);
}

}  // namespace xpu
