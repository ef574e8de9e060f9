#include "test/component/pipeline/pod.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/status_macros.h"
#include "common/sys/checksum_offload.h"
#include "common/sys/net_namespaces_real.h"
#include "gtest/gtest.h"

namespace xpu::testing {
namespace {

constexpr char kInterface[] = "eth0";
constexpr absl::Duration kDeadline = absl::Seconds(30);

absl::Status WriteSysctl(const TestNetns& netns, const std::string& path, const std::string& value) {
  absl::Status status;
  netns.Call([&] {
    std::ofstream file("/proc/sys/" + path);
    file << value << std::flush;
    if (!file) status = absl::InternalError("cannot write /proc/sys/" + path);
  });
  return status;
}

}  // namespace

std::optional<std::string> ReadFrame(int fd, bool sent_too) {
  char buffer[4096];
  char control[CMSG_SPACE(sizeof(tpacket_auxdata))];
  sockaddr_ll from{};
  iovec data{.iov_base = buffer, .iov_len = sizeof buffer};
  msghdr message{.msg_name = &from,
                 .msg_namelen = sizeof from,
                 .msg_iov = &data,
                 .msg_iovlen = 1,
                 .msg_control = control,
                 .msg_controllen = sizeof control};
  const ssize_t n = recvmsg(fd, &message, 0);
  if (n < 12 || (from.sll_pkttype == PACKET_OUTGOING && !sent_too)) return std::nullopt;
  std::string frame(buffer, n);
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA) continue;
    tpacket_auxdata aux;
    std::memcpy(&aux, CMSG_DATA(c), sizeof aux);
    if ((aux.tp_status & TP_STATUS_VLAN_VALID) == 0) continue;
    const uint16_t tag[2] = {htons(ETHERTYPE_VLAN), htons(aux.tp_vlan_tci)};
    frame.insert(12, std::string(reinterpret_cast<const char*>(tag), sizeof tag));
  }
  return frame;
}

absl::StatusOr<std::unique_ptr<Pod>> Pod::Create(const std::string& representor, const std::string& mac,
                                                 const TestNetns& dpu) {
  auto pod = absl::WrapUnique(new Pod());
  pod->representor_ = representor;
  XPU_ASSIGN_OR_RETURN(pod->netns_, TestNetns::Create());
  XPU_RETURN_IF_ERROR(WriteSysctl(*pod->netns_, "net/ipv6/conf/default/disable_ipv6", "1"));
  XPU_RETURN_IF_ERROR(WriteSysctl(dpu, "net/ipv6/conf/default/disable_ipv6", "1"));
  XPU_RETURN_IF_ERROR(dpu.AddVeth(representor, *pod->netns_, kInterface));
  XPU_RETURN_IF_ERROR(pod->SetMac(mac));
  XPU_ASSIGN_OR_RETURN(const auto ns, NetNamespacesReal().Open(pod->netns_->path()));
  XPU_RETURN_IF_ERROR(DisableTransmitChecksumOffload(ns, kInterface));
  XPU_RETURN_IF_ERROR(pod->OpenSocket());
  return pod;
}

absl::Status Pod::OpenSocket() {
  absl::Status status;
  netns_->Call([&] {
    socket_.Reset(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
    sockaddr_ll address{.sll_family = AF_PACKET,
                        .sll_protocol = htons(ETH_P_ALL),
                        .sll_ifindex = static_cast<int>(if_nametoindex(kInterface))};
    packet_mreq promiscuous{.mr_ifindex = address.sll_ifindex, .mr_type = PACKET_MR_PROMISC};
    const int on = 1;
    if (bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        setsockopt(socket_.get(), SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof promiscuous) != 0 ||
        setsockopt(socket_.get(), SOL_PACKET, PACKET_AUXDATA, &on, sizeof on) != 0) {
      status = absl::ErrnoToStatus(errno, "packet socket on eth0");
    }
  });
  return status;
}

absl::Status Pod::UseKernel(const std::vector<std::string>& addresses) {
  XPU_RETURN_IF_ERROR(WriteSysctl(*netns_, absl::StrCat("net/ipv6/conf/", kInterface, "/accept_dad"), "0"));
  XPU_RETURN_IF_ERROR(WriteSysctl(*netns_, absl::StrCat("net/ipv6/conf/", kInterface, "/disable_ipv6"), "0"));
  for (const std::string& address : addresses) {
    XPU_RETURN_IF_ERROR(netns_->Run({"ip", "address", "add", address, "dev", kInterface}).status());
  }
  return absl::OkStatus();
}

absl::Status Pod::SetMac(const std::string& mac) {
  mac_ = mac;
  return netns_->Run({"ip", "link", "set", kInterface, "address", mac}).status();
}

void Pod::Send(const std::string& frame) {
  const ssize_t n = send(socket_.get(), frame.data(), frame.size(), 0);
  ASSERT_EQ(n, static_cast<ssize_t>(frame.size())) << std::strerror(errno);
}

absl::StatusOr<std::vector<std::string>> Pod::ReceiveUntil(const std::string& last) {
  std::vector<std::string> frames;
  const auto found = ReceiveFirst([&](const std::string& frame) {
    if (frame == last) return true;
    frames.push_back(frame);
    return false;
  });
  if (!found.ok()) return found.status();
  return frames;
}

absl::StatusOr<std::string> Pod::ReceiveFirst(const std::function<bool(const std::string&)>& wanted) {
  const absl::Time deadline = absl::Now() + kDeadline;
  int others = 0;
  while (true) {
    pollfd ready{.fd = socket_.get(), .events = POLLIN};
    const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
    if (left <= 0 || poll(&ready, 1, static_cast<int>(left)) == 0) {
      return absl::DeadlineExceededError(
          absl::StrCat("the frame did not arrive at ", representor_, " (", others, " others did)"));
    }
    const std::optional<std::string> frame = ReadFrame(socket_.get(), false);
    if (!frame) continue;
    if (wanted(*frame)) return *frame;
    ++others;
  }
}

}  // namespace xpu::testing
