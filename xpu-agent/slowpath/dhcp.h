#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/base/ip_address.h"
#include "common/base/mac_address.h"

namespace xpu::slowpath {

// What a DHCP client is told. Nothing is allocated: the address is the one that the port is bound to.
struct DhcpBinding {
  MacAddress client;
  InterfaceAddress address;
  // Who answers.
  IpAddress server;
  MacAddress server_mac;
  // Default gateway; unspecified (0.0.0.0): none.
  IpAddress router;
  // Those of IPv6 are left out.
  std::vector<IpAddress> dns_servers;
  std::string domain;
  std::vector<std::string> search;
  uint32_t mtu = 1500;
  // Seconds.
  uint32_t lease_time = 86400;
};

enum class DhcpOutcome {
  kOffered,
  kAcknowledged,
  // The client wants an address that is not its own.
  kRefused,
  // Nothing is to be said: a release, a request to another server, not a client of this port.
  kIgnored,
  // The client says that somebody else uses its address.
  kDeclined,
  kMalformed,
};
struct DhcpReply {
  DhcpOutcome outcome = DhcpOutcome::kMalformed;
  // Empty if nothing is to be sent.
  std::string frame;
};

// Answers what a client has sent, as RFC 2131 says, with the options of RFC 2132, 3397, 3442 and 6842. The
// checksum of UDP is not looked at: it is not filled in on the way from a kernel that leaves it to hardware,
// and a request that was damaged gets no more than the port's own address.
DhcpReply AnswerDhcp(const DhcpBinding& binding, absl::string_view frame);

}  // namespace xpu::slowpath
