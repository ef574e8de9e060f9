#include "xpu-agent/core/object_keys.h"

#include "absl/strings/str_cat.h"

namespace xpu {
namespace {

constexpr uint32_t kMaxKey = 0xffffff;

}  // namespace

absl::StatusOr<uint32_t> NextKey(const std::set<uint32_t>& used, uint32_t last) {
  uint32_t key = last;
  for (size_t tries = 0; tries <= used.size(); ++tries) {
    key = key >= kMaxKey ? 1 : key + 1;
    if (!used.contains(key)) return key;
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("all ", kMaxKey, " keys of the switch are in use; delete an object of this kind first"));
}

}  // namespace xpu
