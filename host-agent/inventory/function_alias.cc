#include "host-agent/inventory/function_alias.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace xpu {
namespace {

constexpr absl::string_view kPrefix = "xpu:";

}  // namespace

std::string FunctionAlias(const PciAddress& function) { return absl::StrCat(kPrefix, function.ToString()); }

std::optional<PciAddress> FunctionOf(const Link& link) {
  absl::string_view text = link.parent_device;
  if (text.empty()) {
    text = link.alias;
    if (!absl::ConsumePrefix(&text, kPrefix)) return std::nullopt;
  }
  const absl::StatusOr<PciAddress> address = PciAddress::Parse(text);
  return address.ok() ? std::optional<PciAddress>(*address) : std::nullopt;
}

}  // namespace xpu
