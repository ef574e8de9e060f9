#include "host-agent/cni/cni_result.h"

#include <array>
#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/cni.h"
#include "common/base/status_macros.h"
#include "nlohmann/json.hpp"

namespace xpu {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

absl::Status NotAsSpecified(absl::string_view path, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(path, " ", what));
}

absl::Status WrongType(absl::string_view path, const json& value, absl::string_view wanted) {
  return NotAsSpecified(path, absl::StrCat("is ", value.type_name(), ", it must be ", wanted));
}

// The member; null if it is absent.
const json& Member(const json& object, const char* key) {
  static const json& absent = *new json();
  const auto it = object.find(key);
  return it == object.end() ? absent : *it;
}

absl::StatusOr<std::string> ReadString(const json& value, const std::string& path) {
  if (value.is_null()) return std::string();
  if (!value.is_string()) return WrongType(path, value, "a string");
  return value.get<std::string>();
}

absl::StatusOr<std::vector<std::string>> ReadStrings(const json& value, const std::string& path) {
  std::vector<std::string> strings;
  if (value.is_null()) return strings;
  if (!value.is_array()) return WrongType(path, value, "a list of strings");
  for (size_t i = 0; i < value.size(); ++i) {
    if (!value[i].is_string()) return WrongType(absl::StrCat(path, "[", i, "]"), value[i], "a string");
    strings.push_back(value[i].get<std::string>());
  }
  return strings;
}

absl::StatusOr<std::optional<uint32_t>> ReadNumber(const json& value, const std::string& path) {
  if (value.is_null()) return std::nullopt;
  if (!value.is_number_unsigned() || value.get<uint64_t>() > std::numeric_limits<uint32_t>::max()) {
    return NotAsSpecified(path, "must be a number from 0 to 4294967295");
  }
  return value.get<uint32_t>();
}

absl::StatusOr<CniRoute> ReadRoute(const json& value, const std::string& path) {
  if (!value.is_object()) return WrongType(path, value, "an object");
  CniRoute route;
  XPU_ASSIGN_OR_RETURN(const std::string destination, ReadString(Member(value, "dst"), path + ".dst"));
  // Some give an address with the length of its network: the network is meant.
  const absl::StatusOr<InterfaceAddress> parsed = InterfaceAddress::Parse(destination);
  const absl::StatusOr<IpPrefix> prefix = IpPrefix::Parse(destination);
  if (!prefix.ok() && !parsed.ok()) {
    return NotAsSpecified(path + ".dst",
                          absl::StrCat("\"", destination, "\" is no prefix such as 10.0.0.0/8"));
  }
  route.destination = prefix.ok() ? *prefix : parsed->prefix();
  XPU_ASSIGN_OR_RETURN(const std::string gateway, ReadString(Member(value, "gw"), path + ".gw"));
  if (!gateway.empty()) {
    const absl::StatusOr<IpAddress> address = IpAddress::Parse(gateway);
    if (!address.ok() || address->family() != route.destination.family()) {
      return NotAsSpecified(path + ".gw",
                            absl::StrCat("\"", gateway, "\" is no address of the destination's family"));
    }
    route.gateway = *address;
  }
  XPU_ASSIGN_OR_RETURN(route.mtu, ReadNumber(Member(value, "mtu"), path + ".mtu"));
  XPU_ASSIGN_OR_RETURN(route.advmss, ReadNumber(Member(value, "advmss"), path + ".advmss"));
  XPU_ASSIGN_OR_RETURN(route.priority, ReadNumber(Member(value, "priority"), path + ".priority"));
  XPU_ASSIGN_OR_RETURN(route.table, ReadNumber(Member(value, "table"), path + ".table"));
  XPU_ASSIGN_OR_RETURN(route.scope, ReadNumber(Member(value, "scope"), path + ".scope"));
  return route;
}

ordered_json ToJson(const CniRoute& route) {
  ordered_json object = {{"dst", route.destination.ToString()}};
  if (route.gateway) object["gw"] = route.gateway->ToString();
  if (route.mtu) object["mtu"] = *route.mtu;
  if (route.advmss) object["advmss"] = *route.advmss;
  if (route.priority) object["priority"] = *route.priority;
  if (route.table) object["table"] = *route.table;
  if (route.scope) object["scope"] = *route.scope;
  return object;
}

ordered_json ToJson(const CniDns& dns) {
  ordered_json object = ordered_json::object();
  if (!dns.nameservers.empty()) object["nameservers"] = dns.nameservers;
  if (!dns.domain.empty()) object["domain"] = dns.domain;
  if (!dns.search.empty()) object["search"] = dns.search;
  if (!dns.options.empty()) object["options"] = dns.options;
  return object;
}

std::string Dump(const ordered_json& object) {
  return object.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

absl::Status CheckObjects(const json& list, const std::string& path) {
  if (list.is_null()) return absl::OkStatus();
  if (!list.is_array()) return WrongType(path, list, "a list of objects");
  for (size_t i = 0; i < list.size(); ++i) {
    if (!list[i].is_object()) return WrongType(absl::StrCat(path, "[", i, "]"), list[i], "an object");
  }
  return absl::OkStatus();
}

size_t CountOf(const ordered_json& object, const char* key) {
  const auto it = object.find(key);
  return it == object.end() ? 0 : it->size();
}

// Appends the list at `key` of `from` to that of `to`.
void Append(const char* key, const ordered_json& from, ordered_json& to) {
  ordered_json& list = to[key];
  if (!list.is_array()) list = ordered_json::array();
  if (CountOf(from, key) == 0) return;
  for (const ordered_json& element : from[key]) list.push_back(element);
}

void Erase(ordered_json& list, std::initializer_list<const char*> keys) {
  for (ordered_json& element : list) {
    for (const char* key : keys) element.erase(key);
  }
}

}  // namespace

std::vector<CniRoute> DefaultRoutes(const std::vector<IpAddress>& gateways) {
  std::vector<CniRoute> routes;
  for (const IpAddress& gateway : gateways) {
    routes.push_back({.destination = IpPrefix::Of(IpAddress(gateway.family(), 0), 0), .gateway = gateway});
  }
  return routes;
}

std::string FormatCniResult(const CniResult& result) {
  ordered_json interface = {{"name", result.ifname}, {"mac", result.mac.ToString()}};
  if (result.mtu != 0) interface["mtu"] = result.mtu;
  interface["sandbox"] = result.sandbox;
  if (!result.pci_id.empty()) interface["pciID"] = result.pci_id;

  ordered_json ips = ordered_json::array();
  for (const InterfaceAddress& address : result.addresses) {
    ordered_json ip = {{"interface", 0}, {"address", address.ToString()}};
    for (const IpAddress& gateway : result.gateways) {
      if (gateway.family() == address.address.family()) ip["gateway"] = gateway.ToString();
    }
    ips.push_back(std::move(ip));
  }
  ordered_json routes = ordered_json::array();
  for (const CniRoute& route : result.routes) routes.push_back(ToJson(route));
  return Dump({{"cniVersion", kNewestCniVersion},
               {"interfaces", ordered_json::array({std::move(interface)})},
               {"ips", std::move(ips)},
               {"routes", std::move(routes)},
               {"dns", ToJson(result.dns)}});
}

absl::StatusOr<std::vector<CniRoute>> ParseCniRoutes(const json& routes, const std::string& path) {
  std::vector<CniRoute> parsed;
  if (routes.is_null()) return parsed;
  if (!routes.is_array()) return WrongType(path, routes, "a list of objects");
  for (size_t i = 0; i < routes.size(); ++i) {
    XPU_ASSIGN_OR_RETURN(CniRoute route, ReadRoute(routes[i], absl::StrCat(path, "[", i, "]")));
    parsed.push_back(std::move(route));
  }
  return parsed;
}

absl::StatusOr<CniDns> ParseCniDns(const json& dns, const std::string& path) {
  CniDns parsed;
  if (dns.is_null()) return parsed;
  if (!dns.is_object()) return WrongType(path, dns, "an object");
  XPU_ASSIGN_OR_RETURN(parsed.nameservers, ReadStrings(Member(dns, "nameservers"), path + ".nameservers"));
  XPU_ASSIGN_OR_RETURN(parsed.domain, ReadString(Member(dns, "domain"), path + ".domain"));
  XPU_ASSIGN_OR_RETURN(parsed.search, ReadStrings(Member(dns, "search"), path + ".search"));
  XPU_ASSIGN_OR_RETURN(parsed.options, ReadStrings(Member(dns, "options"), path + ".options"));
  return parsed;
}

absl::Status CheckCniResult(const json& result, const std::string& path) {
  if (!result.is_object()) return WrongType(path, result, "an object");
  const json& interfaces = Member(result, "interfaces");
  XPU_RETURN_IF_ERROR(CheckObjects(interfaces, path + ".interfaces"));
  const json& ips = Member(result, "ips");
  XPU_RETURN_IF_ERROR(CheckObjects(ips, path + ".ips"));
  for (size_t i = 0; i < ips.size(); ++i) {
    const std::string ip = absl::StrCat(path, ".ips[", i, "]");
    const json& address = Member(ips[i], "address");
    if (!address.is_string() || !InterfaceAddress::Parse(address.get<std::string>()).ok()) {
      return NotAsSpecified(ip + ".address", "must be an address with its length, such as 10.0.0.5/24");
    }
    const json& index = Member(ips[i], "interface");
    if (index.is_null()) continue;
    if (!index.is_number_unsigned() || index.get<uint64_t>() >= interfaces.size()) {
      return NotAsSpecified(ip + ".interface", absl::StrCat("must be the index of one of the ",
                                                            interfaces.size(), " interfaces"));
    }
  }
  XPU_RETURN_IF_ERROR(ParseCniRoutes(Member(result, "routes"), path + ".routes").status());
  return ParseCniDns(Member(result, "dns"), path + ".dns").status();
}

absl::StatusOr<std::string> ConvertCniResult(absl::string_view result, absl::string_view prev_result,
                                             const std::string& cni_version) {
  // Both are read without exceptions; what is not JSON is "discarded", and no object.
  const auto read = [](absl::string_view text) {
    return json::parse(text.begin(), text.end(), nullptr, false);
  };
  if (const absl::Status status = CheckCniResult(read(result), "result"); !status.ok()) {
    return absl::InternalError(status.message());
  }
  const auto ordered = [](absl::string_view text) { return ordered_json::parse(text.begin(), text.end()); };
  ordered_json ours = ordered(result);
  ordered_json whole = {{"cniVersion", cni_version}};
  if (!prev_result.empty()) {
    XPU_RETURN_IF_ERROR(CheckCniResult(read(prev_result), "prevResult"));
    const ordered_json prev = ordered(prev_result);
    for (const char* list : {"interfaces", "ips", "routes"}) Append(list, prev, whole);
    if (CountOf(prev, "dns") != 0) ours["dns"] = prev["dns"];
  }
  // Where a result says nothing of interfaces, its addresses are of none; they stay so.
  const size_t before = CountOf(whole, "interfaces");
  for (ordered_json& ip : ours["ips"]) ip["interface"] = before + ip.value("interface", size_t{0});
  for (const char* list : {"interfaces", "ips", "routes"}) Append(list, ours, whole);
  whole["dns"] = CountOf(ours, "dns") == 0 ? ordered_json::object() : ours["dns"];

  const bool with_ip_version = !IsCniVersionSince(cni_version, "1.0.0");
  for (ordered_json& ip : whole["ips"]) {
    ip.erase("version");
    if (!with_ip_version) continue;
    ip["version"] = absl::StrContains(ip["address"].get<std::string>(), ':') ? "6" : "4";
  }
  if (!IsCniVersionSince(cni_version, "1.1.0")) {
    Erase(whole["interfaces"], {"mtu", "socketPath", "pciID"});
    Erase(whole["routes"], {"mtu", "advmss", "priority", "table", "scope"});
  }
  return Dump(whole);
}

}  // namespace xpu
