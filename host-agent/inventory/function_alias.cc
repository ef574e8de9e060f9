#include "host-agent/inventory/function_alias.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace xpu {
namespace {

constexpr absl::string_view kPrefix = "xpu:";

}  // namespace

std::string FunctionAlias(const FunctionId& function) { return absl::StrCat(kPrefix, function.ToString()); }

std::optional<FunctionId> FunctionOf(const Link& link) {
  absl::string_view text = link.parent_device;
  if (text.empty()) {
    text = link.alias;
    if (!absl::ConsumePrefix(&text, kPrefix)) return std::nullopt;
  }
  const absl::StatusOr<FunctionId> address = FunctionId::Parse(text);
  return address.ok() ? std::optional<FunctionId>(*address) : std::nullopt;
}

}  // namespace xpu
