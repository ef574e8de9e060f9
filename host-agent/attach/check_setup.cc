#include "host-agent/attach/check_setup.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "host-agent/cni/cni_error.h"
#include "host-agent/cni/cni_result.h"
#include "nlohmann/json.hpp"

namespace xpu {
namespace {

using nlohmann::json;

absl::Status NoResult(absl::string_view why) {
  return CniErrorStatus(CniCode::kInvalidConfig, absl::StrCat("prevResult: ", why),
                        "CHECK comes with the result of the ADD");
}

// "" for what is no string.
std::string Text(const json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

// Index of the row's interface.
std::optional<size_t> FindInterface(const json& result, const Attachment& attachment) {
  const auto interfaces = result.find("interfaces");
  if (interfaces == result.end() || !interfaces->is_array()) return std::nullopt;
  for (size_t i = 0; i < interfaces->size(); ++i) {
    const json& each = (*interfaces)[i];
    if (each.is_object() && Text(each, "name") == attachment.ifname &&
        Text(each, "sandbox") == attachment.netns) {
      return i;
    }
  }
  return std::nullopt;
}

absl::StatusOr<std::vector<InterfaceAddress>> AddressesOf(const json& result, size_t interface) {
  std::vector<InterfaceAddress> addresses;
  const auto ips = result.find("ips");
  if (ips == result.end() || !ips->is_array()) return addresses;
  for (const json& ip : *ips) {
    if (!ip.is_object()) return NoResult("ips is no list of objects");
    const auto index = ip.find("interface");
    if (index == ip.end() || !index->is_number_unsigned() || *index != interface) continue;
    const absl::StatusOr<InterfaceAddress> address = InterfaceAddress::Parse(Text(ip, "address"));
    if (!address.ok()) return NoResult(address.status().message());
    addresses.push_back(*address);
  }
  return addresses;
}

absl::StatusOr<std::vector<CniRoute>> RoutesOf(const json& result) {
  const auto routes = result.find("routes");
  if (routes == result.end()) return std::vector<CniRoute>();
  absl::StatusOr<std::vector<CniRoute>> read = ParseCniRoutes(*routes, "prevResult.routes");
  if (!read.ok()) return NoResult(read.status().message());
  return read;
}

}  // namespace

std::string DescribeNetwork(const Attachment& attachment) {
  if (attachment.vlan) return absl::StrCat("VLAN ", *attachment.vlan);
  return absl::StrCat("network ", attachment.network_namespace, "/", attachment.network);
}

absl::StatusOr<InterfaceSetup> WhatToCheck(const ClaimRow& row, const std::string& prev_result) {
  const json given = json::parse(prev_result, nullptr, /*allow_exceptions=*/false);
  if (!given.is_object()) return NoResult(prev_result.empty() ? "it is missing" : "it is no JSON object");
  const std::optional<size_t> interface = FindInterface(given, *row.attachment);
  if (!interface) {
    return NoResult(
        absl::StrCat("it has no interface ", row.attachment->ifname, " in ", row.attachment->netns));
  }
  const std::string mac = Text(given["interfaces"][*interface], "mac");
  if (!mac.empty() && absl::AsciiStrToLower(mac) != row.mac.ToString()) {
    return absl::FailedPreconditionError(
        absl::StrCat("prevResult says MAC ", mac, ", but it was attached with ", row.mac.ToString()));
  }
  InterfaceSetup setup{.mtu = row.mtu};
  XPU_ASSIGN_OR_RETURN(setup.addresses, AddressesOf(given, *interface));
  for (const InterfaceAddress& address : setup.addresses) {
    if (std::find(row.addresses.begin(), row.addresses.end(), address) == row.addresses.end()) {
      return absl::FailedPreconditionError(
          absl::StrCat("prevResult says address ", address.ToString(), ", which it was never given"));
    }
  }
  XPU_ASSIGN_OR_RETURN(const std::vector<CniRoute> routes, RoutesOf(given));
  const json own = json::parse(row.result, nullptr, /*allow_exceptions=*/false);
  if (!own.is_object()) return setup;
  XPU_ASSIGN_OR_RETURN(const std::vector<CniRoute> added, RoutesOf(own));
  for (const CniRoute& route : added) {
    // Older versions of the result tell of a route only where it leads and through what.
    const auto same = [&route](const CniRoute& other) {
      return other.destination == route.destination && other.gateway == route.gateway;
    };
    if (std::none_of(routes.begin(), routes.end(), same)) continue;
    setup.routes.push_back({.destination = route.destination,
                            .gateway = route.gateway,
                            .metric = route.priority,
                            .table = route.table,
                            .mtu = route.mtu,
                            .advmss = route.advmss});
  }
  return setup;
}

}  // namespace xpu
