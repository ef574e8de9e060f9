#include "xpu-agent/core/remote_port_changes.h"

#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/opi/opi_names.h"

namespace xpu {
namespace {

constexpr size_t kMaxIdLength = 512;

absl::Status CheckSpec(const RemotePortSpec& spec, const Tunnel& tunnel) {
  if (spec.id.empty() || spec.id.size() > kMaxIdLength) {
    return absl::InvalidArgumentError(
        absl::StrCat("set.id: \"", spec.id.substr(0, 40), "\" has not 1 to ", kMaxIdLength, " characters"));
  }
  if (!spec.mac.IsUnicast()) {
    return absl::InvalidArgumentError(absl::StrCat("set.mac_address: ", spec.mac.ToString(), " of ", spec.id,
                                                   " is not the address of one interface"));
  }
  for (const IpAddress& address : spec.addresses) {
    if (address.IsUnicast()) continue;
    return absl::InvalidArgumentError(absl::StrCat("set.addresses: ", address.ToString(), " of ", spec.id,
                                                   " is not the address of one interface"));
  }
  if (!spec.vtep.IsUnicast() || spec.vtep.family() != tunnel.local.family() || spec.vtep == tunnel.local) {
    return absl::InvalidArgumentError(absl::StrCat("set.vtep: ", spec.vtep.ToString(), " of ", spec.id,
                                                   " cannot be where a tunnel from ", tunnel.local.ToString(),
                                                   " ends"));
  }
  return absl::OkStatus();
}

InterfaceAddress Alone(const IpAddress& address) { return {.address = address, .length = address.bits()}; }

// The ids of a bridge's ports are from the first of these to before the second.
std::pair<std::string, std::string> RangeOf(const std::string& bridge) {
  // '0' is the character after '/'.
  return {absl::StrCat(bridge, "/"), absl::StrCat(bridge, "0")};
}

}  // namespace

std::string RemotePortId(const std::string& bridge, const std::string& id) {
  return absl::StrCat(bridge, "/", id);
}

void EraseRemotePorts(AgentState& state, const std::string& bridge) {
  const auto [first, last] = RangeOf(bridge);
  state.model.remote_ports.EraseRange(first, last);
}

absl::Status UpdateRemotePorts(AgentState& state, const RemotePortsUpdate& update,
                               std::vector<std::string>* changed) {
  const auto bridge = state.model.bridges.find(update.bridge);
  if (bridge == state.model.bridges.end()) {
    return absl::NotFoundError(
        absl::StrCat("logical_bridge: there is no ", LogicalBridgeName(update.bridge)));
  }
  if (!bridge->second.vni.has_value()) {
    return absl::FailedPreconditionError(absl::StrCat("logical_bridge: ", LogicalBridgeName(update.bridge),
                                                      " has no VNI, so it is on this card only"));
  }
  if (!state.model.tunnel.has_value()) {
    if (update.set.empty()) {
      EraseRemotePorts(state, update.bridge);
      return absl::OkStatus();
    }
    return absl::FailedPreconditionError(
        "this card has no tunnels to others; start its xpu-agent with --vtep");
  }
  std::map<std::string, RemotePort> next;
  for (const RemotePortSpec& spec : update.set) {
    if (absl::Status status = CheckSpec(spec, *state.model.tunnel); !status.ok()) return status;
    const std::string id = RemotePortId(update.bridge, spec.id);
    RemotePort& port = next[id];
    port = {.id = id, .logical_bridge = update.bridge, .mac = spec.mac, .addresses = {}, .vtep = spec.vtep};
    for (const IpAddress& address : spec.addresses) port.addresses.push_back(Alone(address));
  }
  const auto note = [&](const std::string& id) {
    if (changed != nullptr) changed->push_back(id);
  };
  SharedMap<RemotePort>& ports = state.model.remote_ports;
  if (update.replace) {
    const auto [first, last] = RangeOf(update.bridge);
    const SharedMap<RemotePort> before = ports;
    for (auto it = before.lower_bound(first); it != before.end() && it->first < last; ++it) {
      if (next.contains(it->first)) continue;
      note(it->first);
      ports.erase(it->first);
    }
  }
  for (const std::string& name : update.remove) {
    const std::string id = RemotePortId(update.bridge, name);
    if (!next.contains(id) && ports.erase(id) > 0) note(id);
  }
  for (auto& [id, port] : next) {
    if (const auto present = ports.find(id); present != ports.end() && present->second == port) continue;
    ports.insert_or_assign(id, std::move(port));
    note(id);
  }
  return absl::OkStatus();
}

}  // namespace xpu
