#include "common/sys/announce.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/sys/in_namespace.h"

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

absl::Status SendAnnouncements(int fd, int ifindex, const MacAddress& mac,
                               const std::vector<IpAddress>& addresses) {
  for (const IpAddress& ip : addresses) {
    const std::string frame = ip.is_v4() ? ArpAnnouncement(mac, ip) : UnsolicitedAdvertisement(mac, ip);
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

Announcer::Announcer() : closer_([this] { RunCloser(); }) {}

Announcer::~Announcer() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  closer_.join();
}

absl::Status Announcer::Announce(const std::shared_ptr<NetNamespace>& ns, int ifindex, const MacAddress& mac,
                                 const std::vector<IpAddress>& addresses) {
  if (addresses.empty()) return absl::OkStatus();
  UniqueFd fd;
  XPU_RETURN_IF_ERROR(InNamespace(ns, [&]() -> absl::Status {
    // Protocol 0: it sends and never receives.
    fd.Reset(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    return fd ? absl::OkStatus() : absl::ErrnoToStatus(errno, "cannot open a packet socket");
  }));
  const absl::Status sent = SendAnnouncements(fd.get(), ifindex, mac, addresses);
  Close(std::move(fd));
  return sent;
}

void Announcer::Close(UniqueFd socket) {
  absl::MutexLock lock(&mu_);
  to_close_.push_back(std::move(socket));
}

void Announcer::RunCloser() {
  const auto has_work = [this]()
                            ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return stopping_ || !to_close_.empty(); };
  for (;;) {
    // Closed by its destructor, without the lock.
    std::vector<UniqueFd> closing;
    absl::MutexLock lock(&mu_, absl::Condition(&has_work));
    if (to_close_.empty()) return;
    closing.swap(to_close_);
  }
}

}  // namespace xpu
