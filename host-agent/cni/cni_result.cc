#include "host-agent/cni/cni_result.h"

#include "nlohmann/json.hpp"

namespace xpu {

std::string FormatCniResult(const CniResult& result, const std::string& cni_version) {
  using nlohmann::ordered_json;
  ordered_json interface = {
      {"name", result.ifname}, {"mac", result.mac.ToString()}, {"sandbox", result.sandbox}};
  const bool with_ip_version = cni_version == "0.3.1" || cni_version == "0.4.0";

  ordered_json ips = ordered_json::array();
  ordered_json routes = ordered_json::array();
  for (const InterfaceAddress& address : result.addresses) {
    ordered_json ip = {{"interface", 0}, {"address", address.ToString()}};
    if (with_ip_version) ip["version"] = address.address.is_v4() ? "4" : "6";
    for (const IpAddress& gateway : result.gateways) {
      if (gateway.family() == address.address.family()) ip["gateway"] = gateway.ToString();
    }
    ips.push_back(std::move(ip));
  }
  for (const IpAddress& gateway : result.gateways) {
    routes.push_back({{"dst", gateway.is_v4() ? "0.0.0.0/0" : "::/0"}, {"gw", gateway.ToString()}});
  }
  const ordered_json json = {{"cniVersion", cni_version},
                             {"interfaces", ordered_json::array({std::move(interface)})},
                             {"ips", std::move(ips)},
                             {"routes", std::move(routes)},
                             {"dns", ordered_json::object()}};
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace xpu
