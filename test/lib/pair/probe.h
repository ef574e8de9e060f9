#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/ip_address.h"
#include "common/base/mac_address.h"

namespace xpu::testing {

// What a person would do inside a pod to see whether its network works, or to cheat. `netns` is the path of
// the pod's namespace, the interface is eth0.

// For whoever should not answer: true if `to` answers a ping within a second. `from`: source address, empty
// for the kernel's choice.
absl::StatusOr<bool> Ping(const std::string& netns, const IpAddress& to, const std::string& from = "");

// For whoever should answer: waits until `to` does, for half a minute, as a busy machine may need them. So
// may a pod whose address another one had a moment ago: the first word of its new owner may get lost, and the
// second comes two seconds later.
absl::StatusOr<bool> PingUntilAnswered(const std::string& netns, const IpAddress& to);

// Sends a megabyte over TCP to a server on `to` in `to_netns` and has it counted there; false if no
// connection comes about within half a minute.
absl::StatusOr<bool> TcpTransfer(const std::string& netns, const std::string& to_netns, const IpAddress& to);

absl::Status SetMac(const std::string& netns, const MacAddress& mac);
absl::Status AddAddress(const std::string& netns, const InterfaceAddress& address);
absl::Status RemoveAddress(const std::string& netns, const InterfaceAddress& address);

}  // namespace xpu::testing
