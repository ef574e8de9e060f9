// xpu-bare-attach: asks the kernel for what an ADD asks it for, and does nothing else: the interface into the
// pod's namespace under its name, its address, MTU, up, default route, announcement. One process, no
// library, no journal, no DPU. An ADD cannot be quicker than this.
//
//   CNI_NETNS   the pod's namespace
//   CNI_IFNAME  the name there
//   CNI_ARGS    "INTERFACE ADDRESS/LENGTH GATEWAY MTU", IPv4; the interface as it is called here,
//               "-" for no gateway and no route
//
// Prints when it was done, in nanoseconds since 1970: closing the packet socket, which the kernel does at
// the end of the process, takes an RCU grace period that nobody needs to wait for.

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace {

[[noreturn]] void Fail(const char* what, int error) {
  std::fprintf(stderr, "xpu-bare-attach: %s: %s\n", what, std::strerror(error));
  std::exit(1);
}

int Check(int outcome, const char* what) {
  if (outcome < 0) Fail(what, errno);
  return outcome;
}

// A request to rtnetlink under construction.
struct Request {
  nlmsghdr header{};
  char rest[512]{};

  explicit Request(uint16_t type, uint16_t flags = 0) {
    header.nlmsg_len = NLMSG_HDRLEN;
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
  }
  void Append(const void* bytes, size_t length) {
    std::memcpy(reinterpret_cast<char*>(this) + header.nlmsg_len, bytes, length);
    header.nlmsg_len += NLMSG_ALIGN(static_cast<uint32_t>(length));
  }
  void Attribute(uint16_t type, const void* value, size_t length) {
    const rtattr head{.rta_len = static_cast<uint16_t>(RTA_LENGTH(length)), .rta_type = type};
    Append(&head, sizeof(head));
    Append(value, length);
  }
};

void Execute(int socket, const Request& request, const char* what) {
  Check(static_cast<int>(send(socket, &request, request.header.nlmsg_len, 0)), what);
  alignas(nlmsghdr) char answer[4096];
  Check(static_cast<int>(recv(socket, answer, sizeof(answer), 0)), what);
  const auto* header = reinterpret_cast<const nlmsghdr*>(answer);
  if (header->nlmsg_type != NLMSG_ERROR) Fail(what, EPROTO);
  const int error = reinterpret_cast<const nlmsgerr*>(NLMSG_DATA(header))->error;
  if (error != 0) Fail(what, -error);
}

int OpenNetlink() {
  return Check(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), "netlink socket");
}

int IndexOf(const char* name) {
  const auto index = static_cast<int>(if_nametoindex(name));
  if (index == 0) Fail(name, errno);
  return index;
}

void Move(int netlink, const char* interface, int pod, const char* name) {
  Request request(RTM_SETLINK);
  ifinfomsg link{};
  link.ifi_index = IndexOf(interface);
  request.Append(&link, sizeof(link));
  request.Attribute(IFLA_NET_NS_FD, &pod, sizeof(pod));
  request.Attribute(IFLA_IFNAME, name, std::strlen(name) + 1);
  Execute(netlink, request, "move");
}

void AddAddress(int netlink, int index, in_addr address, int length) {
  Request request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
  const ifaddrmsg header{.ifa_family = AF_INET,
                         .ifa_prefixlen = static_cast<uint8_t>(length),
                         .ifa_flags = 0,
                         .ifa_scope = RT_SCOPE_UNIVERSE,
                         .ifa_index = static_cast<uint32_t>(index)};
  request.Append(&header, sizeof(header));
  request.Attribute(IFA_LOCAL, &address, sizeof(address));
  request.Attribute(IFA_ADDRESS, &address, sizeof(address));
  Execute(netlink, request, "address");
}

void SetMtuAndUp(int netlink, int index, uint32_t mtu) {
  Request request(RTM_SETLINK);
  ifinfomsg link{};
  link.ifi_index = index;
  link.ifi_flags = link.ifi_change = IFF_UP;
  request.Append(&link, sizeof(link));
  request.Attribute(IFLA_MTU, &mtu, sizeof(mtu));
  Execute(netlink, request, "MTU and up");
}

void AddDefaultRoute(int netlink, int index, in_addr gateway) {
  Request request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
  rtmsg header{};
  header.rtm_family = AF_INET;
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = RTPROT_STATIC;
  header.rtm_scope = RT_SCOPE_UNIVERSE;
  header.rtm_type = RTN_UNICAST;
  request.Append(&header, sizeof(header));
  request.Attribute(RTA_GATEWAY, &gateway, sizeof(gateway));
  request.Attribute(RTA_OIF, &index, sizeof(index));
  Execute(netlink, request, "default route");
}

// RFC 5227, section 3.
void Announce(const char* name, int index, in_addr address) {
  const int packets = Check(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), "packet socket");
  ifreq hardware{};
  std::strncpy(hardware.ifr_name, name, IFNAMSIZ - 1);
  Check(ioctl(packets, SIOCGIFHWADDR, &hardware), "MAC");
  struct [[gnu::packed]] {
    ethhdr ethernet;
    arphdr arp;
    uint8_t sender_mac[ETH_ALEN];
    in_addr sender;
    uint8_t target_mac[ETH_ALEN];
    in_addr target;
  } frame{};
  std::memset(frame.ethernet.h_dest, 0xff, ETH_ALEN);
  std::memcpy(frame.ethernet.h_source, hardware.ifr_hwaddr.sa_data, ETH_ALEN);
  frame.ethernet.h_proto = htons(ETH_P_ARP);
  frame.arp = {.ar_hrd = htons(ARPHRD_ETHER),
               .ar_pro = htons(ETH_P_IP),
               .ar_hln = ETH_ALEN,
               .ar_pln = sizeof(in_addr),
               .ar_op = htons(ARPOP_REQUEST)};
  std::memcpy(frame.sender_mac, hardware.ifr_hwaddr.sa_data, ETH_ALEN);
  std::memcpy(&frame.sender, &address, sizeof(address));
  std::memcpy(&frame.target, &address, sizeof(address));
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = index;
  const ssize_t sent =
      sendto(packets, &frame, sizeof(frame), 0, reinterpret_cast<sockaddr*>(&to), sizeof(to));
  Check(static_cast<int>(sent), "announcement");
}

const char* Get(const char* variable) {
  const char* const value = std::getenv(variable);
  if (value == nullptr) Fail(variable, EINVAL);
  return value;
}

}  // namespace

int main() {
  const char* const name = Get("CNI_IFNAME");
  char interface[IFNAMSIZ], address_text[INET_ADDRSTRLEN], gateway_text[INET_ADDRSTRLEN];
  int length = 0;
  uint32_t mtu = 0;
  in_addr address{}, gateway{};
  const auto has_gateway = [](const char* text) { return std::strcmp(text, "-") != 0; };
  if (std::sscanf(Get("CNI_ARGS"), "%15s %15[0-9.]/%d %15s %u", interface, address_text, &length,
                  gateway_text, &mtu) != 5 ||
      inet_pton(AF_INET, address_text, &address) != 1 ||
      (has_gateway(gateway_text) && inet_pton(AF_INET, gateway_text, &gateway) != 1)) {
    Fail("CNI_ARGS", EINVAL);
  }
  const int pod = Check(open(Get("CNI_NETNS"), O_RDONLY | O_CLOEXEC), "CNI_NETNS");
  Move(OpenNetlink(), interface, pod, name);

  Check(setns(pod, CLONE_NEWNET), "CNI_NETNS");
  const int netlink = OpenNetlink();
  const int index = IndexOf(name);
  AddAddress(netlink, index, address, length);
  SetMtuAndUp(netlink, index, mtu);
  if (has_gateway(gateway_text)) AddDefaultRoute(netlink, index, gateway);
  Announce(name, index, address);

  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  std::printf("%lld\n", static_cast<long long>(now.tv_sec) * 1'000'000'000 + now.tv_nsec);
}
