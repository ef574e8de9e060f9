#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "xpu-agent/core/representors.h"
#include "xpu-agent/model/model.h"

namespace xpu {

// Functions whose representor is, or should be, there, by the id of their bridge port: why it cannot carry
// traffic; empty if it can. Whether the function itself is up does not matter, as one that nobody uses is
// down; a representor that somebody on the DPU has set down does.
using PortHealth = std::map<std::string, std::string>;

// The card's representors, all of which belong on the switch: which there are, made ready to be its ports,
// and with which OpenFlow numbers. On one thread, that of `representors`.
class RepresentorTable {
 public:
  // `representors` is not owned. `uplink` is the interface that stands for the physical port; empty if that
  // is not to be on the switch. `dpdk_device` is the PCI address by which DPDK drives the card; empty if the
  // kernel does.
  explicit RepresentorTable(Representors& representors, std::string uplink = "", std::string dpdk_device = "")
      : representors_(representors), uplink_name_(std::move(uplink)), dpdk_device_(std::move(dpdk_device)) {}

  // Looks at what is there now, and makes it ready for the MTU that its port in `model` needs. One that
  // cannot be made ready is left out, one that was set down after it had been ready is not. Errors are those
  // of Representors::List(); nothing has changed then.
  absl::Status Scan(const Model& model);
  // Makes the representors of the ports in `model` ready for their MTU as far as they are not; the first
  // error.
  absl::Status Prepare(const Model& model);
  // Only that of the port with this id, if it has one.
  absl::Status PreparePort(const Model& model, const std::string& id);

  // What the switch should have, as Model::representors.
  const std::map<std::string, Representor>& usable() const { return usable_; }
  // As Model::uplink; nothing while the interface is not there.
  const std::optional<Representor>& uplink() const { return uplink_; }
  // Of all that were there since the process began.
  const PortHealth& health() const { return health_; }

 private:
  void FindUplink();
  // Representors::Prepare, remembering what has been ready.
  absl::StatusOr<Representors::Prepared> Prepare(const std::string& interface, uint32_t mtu);

  Representors& representors_;
  const std::string uplink_name_;
  const std::string dpdk_device_;
  std::optional<Representor> uplink_;
  std::map<std::string, Representor> usable_;
  PortHealth health_;
  // By interface, the index under which it was ready before: what has gone down since is left so.
  std::map<std::string, int> ready_;
  // The function behind the port's representor begins with the MAC of the port, if the card can do that;
  // otherwise it is the host's to give.
  void GiveMac(const BridgePort& port, const Representor& representor);
  // What functions were given, by interface, with the number that tells its lives apart.
  std::map<std::string, std::pair<uint32_t, MacAddress>> macs_;
  // Interfaces that were made ready, and for which MTU (bytes of layer 3).
  std::map<std::string, uint32_t> prepared_;
};

}  // namespace xpu
