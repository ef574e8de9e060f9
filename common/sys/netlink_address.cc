#include "common/sys/netlink_address.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/sys/netlink_link.h"

namespace xpu {
namespace {

uint8_t FamilyOf(const IpAddress& address) { return address.is_v4() ? AF_INET : AF_INET6; }

NetlinkMessage AddressMessage(int type, int flags, int ifindex, const InterfaceAddress& address) {
  ifaddrmsg header{};
  header.ifa_family = FamilyOf(address.address);
  header.ifa_prefixlen = static_cast<uint8_t>(address.length);
  header.ifa_index = static_cast<uint32_t>(ifindex);
  // The agent hands out addresses that nobody else has, and a pod must not wait a second for the kernel to
  // see.
  if (type == RTM_NEWADDR && address.address.is_v6()) header.ifa_flags = IFA_F_NODAD;
  NetlinkMessage request(type, flags, header);
  const std::string bytes = address.address.ToBytes();
  request.PutBytes(IFA_LOCAL, bytes);
  request.PutBytes(IFA_ADDRESS, bytes);
  if (type == RTM_NEWADDR && address.address.is_v4() && address.length < 31) {
    request.PutBytes(IFA_BROADCAST, address.prefix().Last().ToBytes());
  }
  return request;
}

}  // namespace

absl::Status AddAddress(NetlinkSocket& socket, int ifindex, const InterfaceAddress& address) {
  NetlinkMessage request = AddressMessage(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, ifindex, address);
  const absl::Status status = socket.Execute(request);
  if (!absl::IsAlreadyExists(status)) return status;
  // For IPv6 the kernel says so too if the length differs.
  XPU_ASSIGN_OR_RETURN(const std::vector<InterfaceAddress> there, DumpAddresses(socket, ifindex));
  if (std::find(there.begin(), there.end(), address) != there.end()) return absl::OkStatus();
  return absl::AlreadyExistsError("the interface has it with another prefix length; remove that first");
}

absl::Status DeleteAddress(NetlinkSocket& socket, int ifindex, const InterfaceAddress& address) {
  NetlinkMessage request = AddressMessage(RTM_DELADDR, 0, ifindex, address);
  const absl::Status status = socket.Execute(request);
  return absl::IsUnavailable(status) ? absl::OkStatus() : status;  // EADDRNOTAVAIL: not there
}

absl::StatusOr<std::vector<InterfaceAddress>> DumpAddresses(NetlinkSocket& socket, int ifindex) {
  XPU_RETURN_IF_ERROR(QueryLink(socket, "", ifindex).status());
  ifaddrmsg header{};
  header.ifa_index = static_cast<uint32_t>(ifindex);
  NetlinkMessage request(RTM_GETADDR, 0, header);
  std::vector<InterfaceAddress> addresses;
  XPU_RETURN_IF_ERROR(socket.Dump(request, [&](const nlmsghdr* message) {
    const auto* entry = static_cast<const ifaddrmsg*>(nlmsg_data(message));
    if (message->nlmsg_type != RTM_NEWADDR || static_cast<int>(entry->ifa_index) != ifindex) return;
    if (entry->ifa_scope != RT_SCOPE_UNIVERSE) return;
    const NetlinkAttributes<IFA_MAX> attributes(message, sizeof(ifaddrmsg));
    // On a point-to-point link IFA_ADDRESS is the other side; IPv6 gives IFA_LOCAL only then.
    auto ip = IpAddress::FromBytes(attributes.Bytes(attributes.Has(IFA_LOCAL) ? IFA_LOCAL : IFA_ADDRESS));
    if (ip.ok()) addresses.push_back({*ip, entry->ifa_prefixlen});
  }));
  std::sort(addresses.begin(), addresses.end());
  return addresses;
}

}  // namespace xpu
