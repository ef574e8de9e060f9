#include "common/sys/announce.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "common/sys/in_namespace.h"
#include "common/sys/net_namespaces_real.h"
#include "common/sys/netlink_real.h"

namespace xpu {
namespace {

using Octets = std::string;

Octets U8(int value) { return Octets(1, static_cast<char>(value)); }
Octets U16(int value) { return U8(value >> 8) + U8(value & 0xff); }
Octets U32(uint32_t value) {
  return U16(static_cast<int>(value >> 16)) + U16(static_cast<int>(value & 0xffff));
}

// RFC 1071.
int Checksum(const Octets& octets) {
  uint32_t sum = 0;
  for (size_t i = 0; i < octets.size(); ++i) {
    const uint32_t octet = static_cast<uint8_t>(octets[i]);
    sum += i % 2 == 0 ? octet << 8 : octet;
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<int>(~sum & 0xffff);
}

constexpr uint8_t kIcmpv6 = 58;

absl::StatusOr<UniqueFd> OpenPacketSocket(const std::shared_ptr<NetNamespace>& ns) {
  UniqueFd fd;
  XPU_RETURN_IF_ERROR(InNamespace(ns, [&]() -> absl::Status {
    // Protocol 0: it sends and never receives.
    fd.Reset(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    return fd ? absl::OkStatus() : absl::ErrnoToStatus(errno, "cannot open a packet socket");
  }));
  return fd;
}

absl::Status SendAnnouncements(int fd, const Announcement& announcement) {
  const int ifindex = announcement.ifindex;
  for (const IpAddress& ip : announcement.addresses) {
    const std::string frame =
        ip.is_v4() ? ArpAnnouncement(announcement.mac, ip) : UnsolicitedAdvertisement(announcement.mac, ip);
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_ifindex = ifindex;
    if (sendto(fd, frame.data(), frame.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof(to)) >= 0)
      continue;
    const std::string what = absl::StrCat("announcement of ", ip.ToString(), " on interface ", ifindex);
    if (errno == ENXIO || errno == ENODEV) return absl::NotFoundError(what + ": the interface is gone");
    if (errno == ENETDOWN) return absl::FailedPreconditionError(what + ": the interface is down");
    return absl::ErrnoToStatus(errno, what);
  }
  return absl::OkStatus();
}

}  // namespace

std::string ArpAnnouncement(const MacAddress& mac, const IpAddress& ip) {
  const Octets ethernet = Octets(6, '\xff') + mac.ToBytes() + U16(ETH_P_ARP);
  // Ethernet, IPv4, address lengths, request.
  const Octets fixed = U16(1) + U16(ETH_P_IP) + U8(6) + U8(4) + U16(1);
  return ethernet + fixed + mac.ToBytes() + ip.ToBytes() + Octets(6, '\0') + ip.ToBytes();
}

std::string UnsolicitedAdvertisement(const MacAddress& mac, const IpAddress& ip) {
  const Octets all_nodes = U16(0xff02) + Octets(13, '\0') + U8(1);
  const Octets ethernet = U16(0x3333) + U16(0) + U16(1) + mac.ToBytes() + U16(ETH_P_IPV6);
  const Octets type = U8(136) + U8(0);
  const Octets override_flag = U32(0x20000000);
  const Octets body = override_flag + ip.ToBytes() + U8(2) + U8(1) + mac.ToBytes();
  const int length = static_cast<int>(type.size() + 2 + body.size());
  const Octets pseudo_header = ip.ToBytes() + all_nodes + U32(static_cast<uint32_t>(length)) + U32(kIcmpv6);
  const int checksum = Checksum(pseudo_header + type + U16(0) + body);
  const Octets ipv6 = U32(0x60000000) + U16(length) + U8(kIcmpv6) + U8(255) + ip.ToBytes() + all_nodes;
  return ethernet + ipv6 + type + U16(checksum) + body;
}

Announcer::Announcer(const Options& options) : options_(options), thread_([this] { ThreadMain(); }) {}

Announcer::~Announcer() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  thread_.join();
}

absl::Status Announcer::Announce(const Announcement& announcement) {
  if (announcement.addresses.empty()) return absl::OkStatus();
  XPU_ASSIGN_OR_RETURN(UniqueFd fd, OpenPacketSocket(announcement.ns));
  const absl::Status sent = SendAnnouncements(fd.get(), announcement);
  absl::MutexLock lock(&mu_);
  to_close_.push_back(std::move(fd));
  if (!sent.ok()) return sent;
  Second& second = seconds_.emplace_back();
  second.due = Clock::Steady().Now() + options_.interval;
  second.ns_inode = announcement.ns->inode();
  second.announcement = announcement;
  second.announcement.ns = nullptr;
  return absl::OkStatus();
}

void Announcer::ThreadMain() {
  const auto has_work = [this]()
                            ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return stopping_ || !to_close_.empty(); };
  for (;;) {
    // Closed by its destructor, without the lock.
    std::vector<UniqueFd> closing;
    std::optional<Second> second;
    {
      absl::MutexLock lock(&mu_);
      if (!has_work()) {
        // The first may change while this waits only by being the first at all, which comes with a socket.
        const absl::Duration wait =
            seconds_.empty() ? absl::InfiniteDuration() : seconds_.front().due - Clock::Steady().Now();
        mu_.AwaitWithTimeout(absl::Condition(&has_work), std::max(wait, absl::ZeroDuration()));
      }
      if (stopping_ && to_close_.empty()) return;
      closing.swap(to_close_);
      if (closing.empty() && !seconds_.empty() && seconds_.front().due <= Clock::Steady().Now()) {
        second = std::move(seconds_.front());
        seconds_.pop_front();
      }
    }
    if (second) SayAgain(*second);
  }
}

void Announcer::SayAgain(const Second& second) {
  Announcement again = second.announcement;
  const auto say = [&]() -> absl::Status {
    XPU_ASSIGN_OR_RETURN(again.ns, NetNamespacesReal().Open(again.netns_path));
    if (again.ns->inode() != second.ns_inode) return absl::OkStatus();
    XPU_ASSIGN_OR_RETURN(const std::unique_ptr<Netlink> netlink, NetlinkFactoryReal().Open(again.ns));
    XPU_ASSIGN_OR_RETURN(const Link link, netlink->GetLinkByIndex(again.ifindex));
    XPU_ASSIGN_OR_RETURN(const std::vector<InterfaceAddress> there, netlink->ListAddresses(again.ifindex));
    if (link.mac != again.mac) return absl::OkStatus();
    std::erase_if(again.addresses, [&there](const IpAddress& address) {
      return std::none_of(there.begin(), there.end(),
                          [&address](const InterfaceAddress& one) { return one.address == address; });
    });
    XPU_ASSIGN_OR_RETURN(const UniqueFd fd, OpenPacketSocket(again.ns));
    return SendAnnouncements(fd.get(), again);
  };
  say().IgnoreError();
}

}  // namespace xpu
