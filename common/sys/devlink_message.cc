#include "common/sys/devlink_message.h"

#include <linux/devlink.h>
#include <linux/genetlink.h>

#include "common/base/status_macros.h"

namespace xpu {
namespace {

constexpr const char* kBus = "pci";

}  // namespace

NetlinkMessage DevlinkMessage(int family, uint8_t command, const std::optional<PciAddress>& device) {
  genlmsghdr header{};
  header.cmd = command;
  header.version = DEVLINK_GENL_VERSION;
  NetlinkMessage request(family, 0, header);
  if (device) {
    request.PutString(DEVLINK_ATTR_BUS_NAME, kBus);
    request.PutString(DEVLINK_ATTR_DEV_NAME, device->ToString());
  }
  return request;
}

NetlinkMessage AddSfMessage(int family, const PciAddress& parent, uint32_t number) {
  NetlinkMessage request = DevlinkMessage(family, DEVLINK_CMD_PORT_NEW, parent);
  request.PutU16(DEVLINK_ATTR_PORT_FLAVOUR, DEVLINK_PORT_FLAVOUR_PCI_SF);
  // The physical function's number on the card, which is that of the PCI function.
  request.PutU16(DEVLINK_ATTR_PORT_PCI_PF_NUMBER, parent.function);
  request.PutU32(DEVLINK_ATTR_PORT_PCI_SF_NUMBER, number);
  return request;
}

NetlinkMessage SetSfMessage(int family, const PciAddress& parent, uint32_t port_index,
                            const std::optional<MacAddress>& mac, std::optional<bool> active) {
  NetlinkMessage request = DevlinkMessage(family, DEVLINK_CMD_PORT_SET, parent);
  request.PutU32(DEVLINK_ATTR_PORT_INDEX, port_index);
  nlattr* function = request.Open(DEVLINK_ATTR_PORT_FUNCTION);
  if (mac) request.PutBytes(DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR, mac->ToBytes());
  if (active) {
    request.PutU8(DEVLINK_PORT_FN_ATTR_STATE,
                  *active ? DEVLINK_PORT_FN_STATE_ACTIVE : DEVLINK_PORT_FN_STATE_INACTIVE);
  }
  request.Close(function);
  return request;
}

NetlinkMessage SetFunctionMacMessage(int family, const DevlinkPort& port, const MacAddress& mac) {
  NetlinkMessage request = DevlinkMessage(family, DEVLINK_CMD_PORT_SET, std::nullopt);
  request.PutString(DEVLINK_ATTR_BUS_NAME, port.bus);
  request.PutString(DEVLINK_ATTR_DEV_NAME, port.device);
  request.PutU32(DEVLINK_ATTR_PORT_INDEX, port.index);
  nlattr* function = request.Open(DEVLINK_ATTR_PORT_FUNCTION);
  request.PutBytes(DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR, mac.ToBytes());
  request.Close(function);
  return request;
}

NetlinkMessage RemoveSfMessage(int family, const PciAddress& parent, uint32_t port_index) {
  NetlinkMessage request = DevlinkMessage(family, DEVLINK_CMD_PORT_DEL, parent);
  request.PutU32(DEVLINK_ATTR_PORT_INDEX, port_index);
  return request;
}

std::optional<DevlinkSf> ParseSf(const nlmsghdr* message, const PciAddress& parent) {
  if (message->nlmsg_len < NLMSG_LENGTH(sizeof(genlmsghdr))) return std::nullopt;
  const NetlinkAttributes<DEVLINK_ATTR_MAX> port(message, sizeof(genlmsghdr));
  if (port.String(DEVLINK_ATTR_BUS_NAME) != kBus || port.String(DEVLINK_ATTR_DEV_NAME) != parent.ToString() ||
      port.U16(DEVLINK_ATTR_PORT_FLAVOUR) != DEVLINK_PORT_FLAVOUR_PCI_SF ||
      !port.Has(DEVLINK_ATTR_PORT_PCI_SF_NUMBER) || port.U8(DEVLINK_ATTR_PORT_EXTERNAL) != 0) {
    return std::nullopt;
  }
  DevlinkSf sf;
  sf.number = port.U32(DEVLINK_ATTR_PORT_PCI_SF_NUMBER);
  sf.port_index = port.U32(DEVLINK_ATTR_PORT_INDEX);
  sf.representor = port.String(DEVLINK_ATTR_PORT_NETDEV_NAME);
  if (port.Has(DEVLINK_ATTR_PORT_FUNCTION)) {
    const NetlinkAttributes<DEVLINK_PORT_FUNCTION_ATTR_MAX> function(port.Get(DEVLINK_ATTR_PORT_FUNCTION));
    auto mac = MacAddress::FromBytes(function.Bytes(DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR));
    if (mac.ok()) sf.mac = *mac;
    sf.active = function.U8(DEVLINK_PORT_FN_ATTR_STATE) == DEVLINK_PORT_FN_STATE_ACTIVE;
    sf.attached = function.U8(DEVLINK_PORT_FN_ATTR_OPSTATE) == DEVLINK_PORT_FN_OPSTATE_ATTACHED;
  }
  return sf;
}

std::optional<DevlinkPort> ParsePort(const nlmsghdr* message) {
  if (message->nlmsg_len < NLMSG_LENGTH(sizeof(genlmsghdr))) return std::nullopt;
  const NetlinkAttributes<DEVLINK_ATTR_MAX> attributes(message, sizeof(genlmsghdr));
  DevlinkPort port;
  int number = 0;
  switch (attributes.U16(DEVLINK_ATTR_PORT_FLAVOUR)) {
    case DEVLINK_PORT_FLAVOUR_PCI_PF:
      port.flavour = DevlinkPort::Flavour::kPf;
      break;
    case DEVLINK_PORT_FLAVOUR_PCI_VF:
      port.flavour = DevlinkPort::Flavour::kVf;
      number = DEVLINK_ATTR_PORT_PCI_VF_NUMBER;
      break;
    case DEVLINK_PORT_FLAVOUR_PCI_SF:
      port.flavour = DevlinkPort::Flavour::kSf;
      number = DEVLINK_ATTR_PORT_PCI_SF_NUMBER;
      break;
    default:
      return std::nullopt;
  }
  if (!attributes.Has(DEVLINK_ATTR_PORT_INDEX) || !attributes.Has(DEVLINK_ATTR_PORT_PCI_PF_NUMBER) ||
      (number != 0 && !attributes.Has(number))) {
    return std::nullopt;
  }
  port.bus = attributes.String(DEVLINK_ATTR_BUS_NAME);
  port.device = attributes.String(DEVLINK_ATTR_DEV_NAME);
  port.index = attributes.U32(DEVLINK_ATTR_PORT_INDEX);
  port.controller = attributes.U32(DEVLINK_ATTR_PORT_CONTROLLER_NUMBER);
  port.pf = attributes.U16(DEVLINK_ATTR_PORT_PCI_PF_NUMBER);
  // A virtual function's has 16 bits, a subfunction's 32.
  if (port.flavour == DevlinkPort::Flavour::kVf) port.number = attributes.U16(number);
  if (port.flavour == DevlinkPort::Flavour::kSf) port.number = attributes.U32(number);
  port.interface = attributes.String(DEVLINK_ATTR_PORT_NETDEV_NAME);
  if (attributes.Has(DEVLINK_ATTR_PORT_FUNCTION)) {
    const NetlinkAttributes<DEVLINK_PORT_FUNCTION_ATTR_MAX> function(
        attributes.Get(DEVLINK_ATTR_PORT_FUNCTION));
    const auto mac = MacAddress::FromBytes(function.Bytes(DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR));
    if (mac.ok()) port.mac = *mac;
  }
  return port;
}

absl::StatusOr<int> ResolveFamily(NetlinkSocket& socket, const std::string& name) {
  genlmsghdr header{};
  header.cmd = CTRL_CMD_GETFAMILY;
  header.version = 1;
  NetlinkMessage request(GENL_ID_CTRL, 0, header);
  request.PutString(CTRL_ATTR_FAMILY_NAME, name);
  int family = 0;
  XPU_RETURN_IF_ERROR(socket.Ask(request, [&](const nlmsghdr* message) {
    family = NetlinkAttributes<CTRL_ATTR_MAX>(message, sizeof(genlmsghdr)).U16(CTRL_ATTR_FAMILY_ID);
  }));
  if (family == 0) return absl::InternalError("the kernel's answer has no number for " + name);
  return family;
}

}  // namespace xpu
