#include "common/sys/devlink_real.h"

#include <linux/devlink.h>
#include <linux/genetlink.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/function_id.h"
#include "common/base/status_macros.h"

namespace xpu {
namespace {

constexpr const char* kBus = "pci";
constexpr int kDumpTries = 20;

NetlinkMessage DevlinkMessage(int family, uint8_t command) {
  genlmsghdr header{};
  header.cmd = command;
  header.version = DEVLINK_GENL_VERSION;
  return NetlinkMessage(family, 0, header);
}

NetlinkMessage DevlinkMessage(int family, uint8_t command, const PciAddress& device) {
  NetlinkMessage request = DevlinkMessage(family, command);
  request.PutString(DEVLINK_ATTR_BUS_NAME, kBus);
  request.PutString(DEVLINK_ATTR_DEV_NAME, device.ToString());
  return request;
}

std::string Describe(const PciAddress& parent, uint32_t number) {
  return "subfunction " + FunctionId(parent, number).ToString();
}

}  // namespace

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

absl::StatusOr<int> DevlinkReal::Connect() {
  if (family_ != 0) return family_;
  XPU_ASSIGN_OR_RETURN(NetlinkSocket socket, NetlinkSocket::Open(nullptr, NETLINK_GENERIC));
  genlmsghdr header{};
  header.cmd = CTRL_CMD_GETFAMILY;
  header.version = 1;
  NetlinkMessage request(GENL_ID_CTRL, 0, header);
  request.PutString(CTRL_ATTR_FAMILY_NAME, DEVLINK_GENL_NAME);
  int family = 0;
  const absl::Status status = socket.Ask(request, [&](const nlmsghdr* message) {
    family = NetlinkAttributes<CTRL_ATTR_MAX>(message, sizeof(genlmsghdr)).U16(CTRL_ATTR_FAMILY_ID);
  });
  if (absl::IsNotFound(status)) {
    return absl::UnimplementedError(
        "this kernel has no devlink (CONFIG_NET_DEVLINK), so it has no subfunctions");
  }
  XPU_RETURN_IF_ERROR(status);
  if (family == 0) return absl::InternalError("the kernel's answer has no number for devlink");
  socket_ = std::move(socket);
  family_ = family;
  return family_;
}

absl::StatusOr<std::vector<DevlinkSf>> DevlinkReal::Dump(const PciAddress& parent) {
  XPU_ASSIGN_OR_RETURN(const int family, Connect());
  // Says whether there is such a device, which the list of ports does not.
  NetlinkMessage device = DevlinkMessage(family, DEVLINK_CMD_GET, parent);
  XPU_RETURN_IF_ERROR(socket_->Execute(device));
  absl::Status status;
  for (int tries = 0; tries < kDumpTries; ++tries) {
    std::vector<DevlinkSf> found;
    // Of every device: only newer kernels select.
    NetlinkMessage request = DevlinkMessage(family, DEVLINK_CMD_PORT_GET);
    status = socket_->Dump(request, [&](const nlmsghdr* message) {
      if (auto sf = ParseSf(message, parent)) found.push_back(*std::move(sf));
    });
    if (status.ok()) {
      std::sort(found.begin(), found.end(),
                [](const DevlinkSf& a, const DevlinkSf& b) { return a.number < b.number; });
      return found;
    }
    if (!absl::IsAborted(status)) break;
  }
  return status;
}

absl::StatusOr<DevlinkSf> DevlinkReal::Find(const PciAddress& parent, uint32_t number) {
  XPU_ASSIGN_OR_RETURN(const std::vector<DevlinkSf> there, Dump(parent));
  for (const DevlinkSf& sf : there) {
    if (sf.number == number) return sf;
  }
  return absl::NotFoundError("it is not there; add it first");
}

absl::StatusOr<std::vector<DevlinkSf>> DevlinkReal::ListSfs(const PciAddress& parent) {
  absl::MutexLock lock(&mu_);
  auto found = Dump(parent);
  if (!found.ok()) return Annotate(found.status(), absl::StrCat("subfunctions of ", parent.ToString()));
  return found;
}

absl::Status DevlinkReal::AddSf(const PciAddress& parent, uint32_t number) {
  absl::MutexLock lock(&mu_);
  const auto found = Find(parent, number);
  if (found.ok()) return absl::OkStatus();
  absl::Status status = found.status();
  // No device at all is the kernel's word for it, and stays.
  if (absl::IsNotFound(status) && Dump(parent).ok()) {
    NetlinkMessage request = AddSfMessage(family_, parent, number);
    status = socket_->Execute(request);
  }
  return absl::IsAlreadyExists(status) ? absl::OkStatus() : Annotate(status, Describe(parent, number));
}

absl::Status DevlinkReal::ConfigureSf(const PciAddress& parent, uint32_t number, const MacAddress& mac) {
  if (!mac.IsUnicast()) {
    return absl::InvalidArgumentError(
        absl::StrCat(Describe(parent, number), ": it may not have MAC ", mac.ToString()));
  }
  absl::MutexLock lock(&mu_);
  const auto sf = Find(parent, number);
  absl::Status status = sf.status();
  if (status.ok() && sf->mac == mac) return status;
  if (status.ok() && sf->active) {
    status = absl::FailedPreconditionError("it is active with another address; remove it first");
  } else if (status.ok()) {
    NetlinkMessage request = SetSfMessage(family_, parent, sf->port_index, mac, std::nullopt);
    status = socket_->Execute(request);
  }
  return Annotate(status, absl::StrCat(Describe(parent, number), ": MAC ", mac.ToString()));
}

absl::Status DevlinkReal::ActivateSf(const PciAddress& parent, uint32_t number) {
  absl::MutexLock lock(&mu_);
  const auto sf = Find(parent, number);
  absl::Status status = sf.status();
  if (status.ok() && !sf->active) {
    NetlinkMessage request = SetSfMessage(family_, parent, sf->port_index, std::nullopt, true);
    status = socket_->Execute(request);
  }
  return Annotate(status, "activation of " + Describe(parent, number));
}

absl::Status DevlinkReal::RemoveSf(const PciAddress& parent, uint32_t number) {
  absl::MutexLock lock(&mu_);
  const auto there = Dump(parent);
  if (!there.ok()) return Annotate(there.status(), "removal of " + Describe(parent, number));
  for (const DevlinkSf& sf : *there) {
    if (sf.number != number) continue;
    NetlinkMessage request = RemoveSfMessage(family_, parent, sf.port_index);
    const absl::Status status = socket_->Execute(request);
    // ENODEV: somebody else was faster.
    if (!absl::IsNotFound(status)) return Annotate(status, "removal of " + Describe(parent, number));
  }
  return absl::OkStatus();
}

}  // namespace xpu
