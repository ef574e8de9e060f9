#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "common/base/mac_address.h"
#include "common/base/pci_address.h"
#include "common/sys/devlink.h"
#include "common/sys/netlink_socket.h"

namespace xpu {

// Devlink as generic netlink writes it (uapi/linux/devlink.h): what DevlinkReal says and hears. `family` is
// the number that the kernel gave to devlink.

// The number of a family of generic netlink, over a socket of NETLINK_GENERIC. NotFound if this kernel has it
// not.
absl::StatusOr<int> ResolveFamily(NetlinkSocket& socket, const std::string& name);

// For DEVLINK_CMD_GET, with the device, and DEVLINK_CMD_PORT_GET, without.
NetlinkMessage DevlinkMessage(int family, uint8_t command, const std::optional<PciAddress>& device);
NetlinkMessage AddSfMessage(int family, const PciAddress& parent, uint32_t number);
// What is set in `mac` and `active` changes.
NetlinkMessage SetSfMessage(int family, const PciAddress& parent, uint32_t port_index,
                            const std::optional<MacAddress>& mac, std::optional<bool> active);
// The same of any port.
NetlinkMessage SetFunctionMacMessage(int family, const DevlinkPort& port, const MacAddress& mac);
NetlinkMessage RemoveSfMessage(int family, const PciAddress& parent, uint32_t port_index);
// Of an answer to DEVLINK_CMD_PORT_GET; nothing for another parent's port, one that is no subfunction's, or
// whose subfunction is that of another host.
std::optional<DevlinkSf> ParseSf(const nlmsghdr* message, const PciAddress& parent);
// Nothing for one that is no function's.
std::optional<DevlinkPort> ParsePort(const nlmsghdr* message);

}  // namespace xpu
