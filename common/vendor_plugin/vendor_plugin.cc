#include "common/vendor_plugin/vendor_plugin.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/ip_address.h"

namespace xpu {

absl::StatusOr<PluginEndpoint> PluginEndpoint::Parse(absl::string_view text) {
  const size_t colon = text.rfind(':');
  absl::string_view ip = text.substr(0, colon);
  const bool bracketed = ip.size() > 2 && ip.front() == '[' && ip.back() == ']';
  if (bracketed) ip = ip.substr(1, ip.size() - 2);
  const absl::StatusOr<IpAddress> address = IpAddress::Parse(ip);
  uint32_t port = 0;
  if (colon == absl::string_view::npos || !address.ok() || address->is_v6() != bracketed ||
      !absl::SimpleAtoi(text.substr(colon + 1), &port) || port == 0 || port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", text, "\" is not the address of an endpoint; give IP:PORT or [IPv6]:PORT, with numbers"));
  }
  return PluginEndpoint{.ip = address->ToString(), .port = static_cast<uint16_t>(port)};
}

}  // namespace xpu
