#include "host-agent/session/plain_nic.h"

#include "absl/strings/str_cat.h"
#include "common/opi/opi_names.h"

namespace xpu {

absl::StatusOr<evpn::BridgePort> PlainNic::CreateBridgePort(const std::string& id,
                                                            const evpn::BridgePortSpec& spec,
                                                            int64_t /*claim*/) {
  evpn::BridgePort port;
  port.set_name(BridgePortName(id));
  *port.mutable_spec() = spec;
  return port;
}

absl::StatusOr<agent::v1::PortBinding> PlainNic::BindPort(const agent::v1::BindPortRequest& request) {
  if (!request.has_vlan()) {
    return absl::FailedPreconditionError(
        absl::StrCat("card ", card_,
                     " has no xPU agent, so its functions can be in no Network; give the CNI configuration "
                     "\"vlan\" or \"ipam\" in place of \"network\", or the card an endpoint"));
  }
  agent::v1::PortBinding binding;
  binding.set_bridge_port(request.bridge_port());
  binding.set_mac_address(request.mac_address());
  *binding.mutable_addresses() = request.addresses();
  binding.set_vlan(request.vlan());
  binding.set_claim(request.claim());
  // The physical function keeps what can be kept of it.
  if (request.has_pod_bandwidth()) *binding.mutable_pod_bandwidth() = request.pod_bandwidth();
  absl::MutexLock lock(&mu_);
  bindings_[request.bridge_port()] = binding;
  return binding;
}

absl::Status PlainNic::UnbindPort(const agent::v1::UnbindPortRequest& request) {
  absl::MutexLock lock(&mu_);
  const auto it = bindings_.find(request.bridge_port());
  // Of an older claim than the one that is there: a newer one has come meanwhile.
  if (it != bindings_.end() && it->second.claim() <= request.claim()) bindings_.erase(it);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<agent::v1::PortBinding>> PlainNic::ListPortBindings() {
  absl::MutexLock lock(&mu_);
  std::vector<agent::v1::PortBinding> bindings;
  for (const auto& [port, binding] : bindings_) bindings.push_back(binding);
  return bindings;
}

void PlainNic::ObserveConnection(std::function<void(bool connected)> changed) {
  if (changed != nullptr) changed(true);
}

void PlainNic::WatchPorts(std::function<void(const absl::StatusOr<agent::v1::PortStates>& states)> changed) {
  if (changed == nullptr) return;
  changed(absl::UnimplementedError(
      absl::StrCat("card ", card_, " has no xPU agent that could tell how its functions are")));
}

}  // namespace xpu
