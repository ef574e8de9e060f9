#include "xpu-agent/core/representor_table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/opi/opi_names.h"
#include "spdlog/spdlog.h"

namespace xpu {
namespace {

// OFPP_MAX of OpenFlow 1.0, the largest that every Open vSwitch gives.
constexpr uint32_t kMaxOfport = 0xfeff;

// The largest packet that the port must take; 0 if it is in no network.
uint32_t MtuOf(const Model& model, const std::string& port_id) {
  uint32_t mtu = 0;
  const auto port = model.ports.find(port_id);
  if (port == model.ports.end()) return mtu;
  for (const std::string& id : port->second.logical_bridges) {
    if (auto it = model.bridges.find(id); it != model.bridges.end()) mtu = std::max(mtu, it->second.mtu);
  }
  return mtu;
}

// Tells interfaces of one name apart, before and after a restart of this process too. Two that come to the
// same number, which takes more interfaces than OpenFlow has numbers, are told apart by the switch.
uint32_t NumberOf(int index) { return 1 + static_cast<uint32_t>(index - 1) % kMaxOfport; }

}  // namespace

absl::Status RepresentorTable::Scan(const Model& model) {
  XPU_ASSIGN_OR_RETURN(const auto interfaces, representors_.List());
  for (auto& [id, why] : health_) why = "no interface of the DPU stands for this function now";
  prepared_.clear();
  // What is not there now is new when it comes, whatever number it has then.
  std::map<std::string, int> ready;
  for (const auto& [phys_port_name, interface] : interfaces) {
    if (const auto it = ready_.find(interface); it != ready_.end()) ready.insert(*it);
  }
  ready_ = std::move(ready);
  std::map<std::string, Representor> usable;
  for (const auto& [phys_port_name, interface] : interfaces) {
    absl::StatusOr<PortFunction> function = PortFunction::FromPhysPortName(phys_port_name);
    // The uplink's, and that of the physical function.
    if (!function.ok()) continue;
    const std::string id = function->ToPortId();
    const uint32_t mtu = MtuOf(model, id);
    const auto found = Prepare(interface, mtu);
    if (!found.ok()) {
      health_[id] = absl::StrCat(interface, " cannot be made ready: ", found.status().message());
      spdlog::error("{} cannot be made {}: {}", interface, BridgePortName(id), found.status().ToString());
      continue;
    }
    prepared_[interface] = mtu;
    health_[id] = found->up ? ""
                            : absl::StrCat("interface ", interface,
                                           " of the DPU was set down; set it up to use the function again");
    Representor& now = usable[id] = {.interface = interface, .ofport = NumberOf(found->index)};
    if (!dpdk_device_.empty()) now.dpdk_devargs = absl::StrCat(dpdk_device_, ",representor=", phys_port_name);
    const auto before = usable_.find(id);
    if (before == usable_.end() || !(before->second == now)) {
      spdlog::debug("{}: representor is {}, index {}", BridgePortName(id), interface, found->index);
    }
  }
  for (const auto& [id, representor] : usable_) {
    if (!usable.contains(id))
      spdlog::info("{}: representor {} is gone", BridgePortName(id), representor.interface);
  }
  if (usable.size() != usable_.size()) spdlog::info("the card has {} representors now", usable.size());
  usable_ = std::move(usable);
  FindUplink();
  return absl::OkStatus();
}

absl::StatusOr<Representors::Prepared> RepresentorTable::Prepare(const std::string& interface, uint32_t mtu) {
  int& ready = ready_[interface];
  const auto prepared = representors_.Prepare(interface, mtu, ready);
  if (!prepared.ok()) {
    ready = 0;
  } else if (prepared->up) {
    ready = prepared->index;
  }
  return prepared;
}

void RepresentorTable::FindUplink() {
  if (uplink_name_.empty()) return;
  // Its MTU is the underlay's, which is not ours to change.
  const auto found = representors_.Prepare(uplink_name_, 0, /*ready_index=*/0);
  std::optional<Representor> now;
  if (found.ok()) {
    now = Representor{
        .interface = uplink_name_, .ofport = NumberOf(found->index), .dpdk_devargs = dpdk_device_};
  }
  if (!found.ok() && uplink_.has_value()) {
    spdlog::error("the uplink {} is gone, networks of VLANs end at this card: {}", uplink_name_,
                  found.status().ToString());
  }
  uplink_ = std::move(now);
}

absl::Status RepresentorTable::Prepare(const Model& model) {
  for (const auto& [id, port] : model.ports) XPU_RETURN_IF_ERROR(PreparePort(model, id));
  return absl::OkStatus();
}

void RepresentorTable::GiveMac(const BridgePort& port, const Representor& representor) {
  if (!port.mac.IsUnicast()) return;
  const std::pair<uint32_t, MacAddress> wanted(representor.ofport, port.mac);
  auto& given = macs_[representor.interface];
  if (given == wanted) return;
  const absl::Status status = representors_.SetFunctionMac(representor.interface, port.mac);
  if (status.ok() || absl::IsUnimplemented(status)) {
    given = wanted;
  } else {
    spdlog::warn("{}: its function does not begin with {}: {}", BridgePortName(port.id), port.mac.ToString(),
                 status.ToString());
  }
}

absl::Status RepresentorTable::PreparePort(const Model& model, const std::string& id) {
  const auto representor = usable_.find(id);
  if (representor == usable_.end()) return absl::OkStatus();
  const std::string& interface = representor->second.interface;
  if (const auto port = model.ports.find(id); port != model.ports.end())
    GiveMac(port->second, representor->second);
  const uint32_t mtu = MtuOf(model, id);
  uint32_t& prepared = prepared_[interface];
  if (prepared >= mtu) return absl::OkStatus();
  XPU_RETURN_IF_ERROR(
      Annotate(Prepare(interface, mtu).status(),
               absl::StrCat(interface, " cannot be made ", BridgePortName(id), " with an MTU of ", mtu)));
  prepared = mtu;
  return absl::OkStatus();
}

}  // namespace xpu
