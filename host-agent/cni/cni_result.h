#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/ip_address.h"
#include "common/base/mac_address.h"
#include "nlohmann/json_fwd.hpp"

namespace xpu {

// A route of a result; what is not set is not told.
struct CniRoute {
  IpPrefix destination;
  std::optional<IpAddress> gateway;
  std::optional<uint32_t> mtu;
  std::optional<uint32_t> advmss;
  std::optional<uint32_t> priority;
  std::optional<uint32_t> table;
  std::optional<uint32_t> scope;
  friend bool operator==(const CniRoute&, const CniRoute&) = default;
};

// How the container is to resolve names.
struct CniDns {
  std::vector<std::string> nameservers;
  std::string domain;
  std::vector<std::string> search;
  std::vector<std::string> options;
  friend bool operator==(const CniDns&, const CniDns&) = default;
};

// What an ADD has done.
struct CniResult {
  std::string ifname;
  MacAddress mac;
  // Path of the namespace.
  std::string sandbox;
  // 0: not told.
  uint32_t mtu = 0;
  // Of the function; empty: not told.
  std::string pci_id;
  std::vector<InterfaceAddress> addresses;
  // At most one of each family.
  std::vector<IpAddress> gateways;
  std::vector<CniRoute> routes;
  CniDns dns;
};

// The routes to everywhere else through these.
std::vector<CniRoute> DefaultRoutes(const std::vector<IpAddress>& gateways);

// The result as JSON in the form of the newest version (CNI specification 1.1.0, section 5, "Success"). Bytes
// of the sandbox's path that are not UTF-8 are replaced.
std::string FormatCniResult(const CniResult& result);

// "routes" and "dns", as configurations and results of any version have them (the answers of IPAM plugins
// too); fields that are not known are passed over. InvalidArgument names the field, beginning with `path`.
absl::StatusOr<std::vector<CniRoute>> ParseCniRoutes(const nlohmann::json& routes, const std::string& path);
absl::StatusOr<CniDns> ParseCniDns(const nlohmann::json& dns, const std::string& path);

// InvalidArgument, naming the field that begins with `path`, if that is no result of some plugins: lists of
// objects where they must be, and addresses that are of an interface of it.
absl::Status CheckCniResult(const nlohmann::json& result, const std::string& path);

// A result of FormatCniResult in the form of `cni_version`, one of kCniVersions: versions before 1.0.0 say of
// each address whether it is "4" or "6", those before 1.1.0 know no MTU and no PCI address of an interface
// and of a route only destination and gateway.
//
// `prev_result` is the result of the plugins before this one in a chain, in any of these forms; empty if this
// one is the first. It stays, and this one's interface, addresses and routes come after it; its DNS counts
// if it says anything. Internal if `result` is not as it should be, InvalidArgument if `prev_result` is not.
absl::StatusOr<std::string> ConvertCniResult(absl::string_view result, absl::string_view prev_result,
                                             const std::string& cni_version);

}  // namespace xpu
