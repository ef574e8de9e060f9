#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/mac_address.h"
#include "common/base/pci_address.h"

namespace xpu {

// The port of a subfunction (Documentation/networking/devlink/devlink-port.rst). It is there from AddSf on;
// the subfunction itself (PciBus::Subfunctions) only while it is active.
struct DevlinkSf {
  // The user's number ("sfnum").
  uint32_t number = 0;
  // Of the port, under its parent; given by the kernel.
  uint32_t port_index = 0;
  // The address that the subfunction begins with; zero if nobody has set one.
  MacAddress mac;
  // Whether it was told to be active, and whether a driver holds it.
  bool active = false;
  bool attached = false;
  // Its representor in this network namespace; empty if there is none.
  std::string representor;
};

// A port of a card's switch behind which there is a function of a host.
struct DevlinkPort {
  // The device that has the port: "pci", "0000:03:00.0".
  std::string bus;
  std::string device;
  // Under the device.
  uint32_t index = 0;
  enum class Flavour { kPf, kVf, kSf };
  Flavour flavour = Flavour::kPf;
  // Whose function it is: 0 is this machine's own, 1 the first host's.
  uint32_t controller = 0;
  uint32_t pf = 0;
  // Number of the virtual function from 0, or the user's number of the subfunction.
  uint32_t number = 0;
  // Its representor in this network namespace; empty if there is none.
  std::string interface;
  // The address that the function begins with; nothing if the card does not tell.
  std::optional<MacAddress> mac;
  friend bool operator==(const DevlinkPort&, const DevlinkPort&) = default;
};

// Subfunctions of this machine's cards, and the ports of its functions. Safe from any thread; calls of one
// object are serialised. Errors name the parent and the subfunction, and carry the kernel's words:
//   NotFound       there is no such device, or it is none of devlink's
//   Unimplemented  the card makes no subfunctions, or this kernel has no devlink
class Devlink {
 public:
  virtual ~Devlink() = default;

  // By number.
  virtual absl::StatusOr<std::vector<DevlinkSf>> ListSfs(const PciAddress& parent) = 0;
  // Makes subfunction `number`, inactive. What is there is OK.
  // ResourceExhausted if the card can have no more.
  virtual absl::Status AddSf(const PciAddress& parent, uint32_t number) = 0;
  // Sets the address that it begins with. FailedPrecondition for another one while it is active.
  virtual absl::Status ConfigureSf(const PciAddress& parent, uint32_t number, const MacAddress& mac) = 0;
  // Has it appear on the auxiliary bus, which takes some time after this is done: PciBus::MonitorFunctions
  // tells. What is active already is OK.
  virtual absl::Status ActivateSf(const PciAddress& parent, uint32_t number) = 0;
  // Takes it away, active or not. What is not there is OK.
  virtual absl::Status RemoveSf(const PciAddress& parent, uint32_t number) = 0;

  // Of all cards. Unimplemented: this kernel has no devlink.
  virtual absl::StatusOr<std::vector<DevlinkPort>> ListPorts() = 0;
  // Sets the address that the function behind the port begins with, the next time that a driver takes it.
  // What it has already is OK. NotFound if there is no such port, Unimplemented if the card does not do that.
  virtual absl::Status SetFunctionMac(const DevlinkPort& port, const MacAddress& mac) = 0;
};

}  // namespace xpu
