#include "host-agent/ipam/ipam_result.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "nlohmann/json.hpp"

namespace xpu {
namespace {

using nlohmann::json;

absl::StatusOr<IpamAddress> ReadAddress(const json& ip, const std::string& path) {
  const auto text_of = [&ip](const char* key) -> std::optional<std::string> {
    const auto it = ip.find(key);
    if (it == ip.end() || !it->is_string()) return std::nullopt;
    return it->get<std::string>();
  };
  if (!ip.is_object()) return absl::InvalidArgumentError(absl::StrCat(path, " is no object"));
  IpamAddress read;
  const std::string address = text_of("address").value_or("");
  const absl::StatusOr<InterfaceAddress> parsed = InterfaceAddress::Parse(address);
  if (!parsed.ok() || !parsed->address.IsUnicast()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ".address \"", address, "\" is no address with a length such as 10.0.0.5/24"));
  }
  read.address = *parsed;
  const std::string gateway = text_of("gateway").value_or("");
  if (gateway.empty()) return read;
  const absl::StatusOr<IpAddress> via = IpAddress::Parse(gateway);
  if (!via.ok() || via->family() != read.address.address.family()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ".gateway \"", gateway, "\" is no address of the family of ", address));
  }
  read.gateway = *via;
  return read;
}

}  // namespace

absl::StatusOr<IpamResult> ParseIpamResult(absl::string_view text) {
  const json object = json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return absl::InvalidArgumentError("it is no JSON object");
  IpamResult result;
  const auto ips = object.find("ips");
  if (ips == object.end() || !ips->is_array() || ips->empty()) {
    return absl::InvalidArgumentError("ips must be a list with at least one address");
  }
  for (size_t i = 0; i < ips->size(); ++i) {
    XPU_ASSIGN_OR_RETURN(result.addresses.emplace_back(),
                         ReadAddress((*ips)[i], absl::StrCat("ips[", i, "]")));
  }
  if (const auto routes = object.find("routes"); routes != object.end()) {
    XPU_ASSIGN_OR_RETURN(result.routes, ParseCniRoutes(*routes, "routes"));
  }
  if (const auto dns = object.find("dns"); dns != object.end()) {
    XPU_ASSIGN_OR_RETURN(result.dns, ParseCniDns(*dns, "dns"));
  }
  return result;
}

}  // namespace xpu
