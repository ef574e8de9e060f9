#include "common/sys/devlink_real.h"

#include <linux/devlink.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/function_id.h"
#include "common/base/status_macros.h"
#include "common/sys/devlink_message.h"

namespace xpu {
namespace {

constexpr int kDumpTries = 20;

std::string Describe(const PciAddress& parent, uint32_t number) {
  return "subfunction " + FunctionId(parent, number).ToString();
}

}  // namespace

DevlinkReal::DevlinkReal() = default;
DevlinkReal::~DevlinkReal() = default;

absl::StatusOr<int> DevlinkReal::Connect() {
  if (family_ != 0) return family_;
  XPU_ASSIGN_OR_RETURN(NetlinkSocket socket, NetlinkSocket::Open(nullptr, NETLINK_GENERIC));
  const absl::StatusOr<int> family = ResolveFamily(socket, DEVLINK_GENL_NAME);
  if (absl::IsNotFound(family.status())) {
    return absl::UnimplementedError(
        "this kernel has no devlink (CONFIG_NET_DEVLINK), so it has no subfunctions");
  }
  if (!family.ok()) return family.status();
  socket_ = std::make_unique<NetlinkSocket>(std::move(socket));
  family_ = *family;
  return family_;
}

absl::StatusOr<std::vector<DevlinkSf>> DevlinkReal::Dump(const PciAddress& parent) {
  XPU_ASSIGN_OR_RETURN(const int family, Connect());
  // Says whether there is such a device, which the list of ports does not.
  NetlinkMessage device = DevlinkMessage(family, DEVLINK_CMD_GET, parent);
  XPU_RETURN_IF_ERROR(socket_->Execute(device));
  std::vector<DevlinkSf> found;
  XPU_RETURN_IF_ERROR(DumpPorts(
      family, [&] { found.clear(); },
      [&](const nlmsghdr* message) {
        if (auto sf = ParseSf(message, parent)) found.push_back(*std::move(sf));
      }));
  std::sort(found.begin(), found.end(),
            [](const DevlinkSf& a, const DevlinkSf& b) { return a.number < b.number; });
  return found;
}

absl::Status DevlinkReal::DumpPorts(int family, const std::function<void()>& restart,
                                    const std::function<void(const nlmsghdr*)>& found) {
  absl::Status status;
  for (int tries = 0; tries < kDumpTries; ++tries) {
    restart();
    NetlinkMessage request = DevlinkMessage(family, DEVLINK_CMD_PORT_GET, std::nullopt);
    status = socket_->Dump(request, found);
    // Changed meanwhile.
    if (!absl::IsAborted(status)) break;
  }
  return status;
}

absl::StatusOr<std::vector<DevlinkPort>> DevlinkReal::ListPorts() {
  absl::MutexLock lock(&mu_);
  XPU_ASSIGN_OR_RETURN(const int family, Connect());
  std::vector<DevlinkPort> found;
  const absl::Status status = DumpPorts(
      family, [&] { found.clear(); },
      [&](const nlmsghdr* message) {
        if (auto port = ParsePort(message)) found.push_back(*std::move(port));
      });
  if (!status.ok()) return Annotate(status, "ports of devlink");
  return found;
}

absl::Status DevlinkReal::SetFunctionMac(const DevlinkPort& port, const MacAddress& mac) {
  const std::string what = absl::StrCat("the function behind port ", port.bus, "/", port.device, "/",
                                        port.index, ": MAC ", mac.ToString());
  if (!mac.IsUnicast()) return absl::InvalidArgumentError(what + ": it may not have that");
  absl::MutexLock lock(&mu_);
  const absl::StatusOr<int> family = Connect();
  if (!family.ok()) return Annotate(family.status(), what);
  if (port.mac == mac) return absl::OkStatus();
  NetlinkMessage request = SetFunctionMacMessage(*family, port, mac);
  return Annotate(socket_->Execute(request), what);
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
