#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "xpu-agent/datapath/packet_io.h"
#include "xpu-agent/plan/packet_opcode.h"
#include "xpu-agent/slowpath/model_index.h"
#include "xpu-agent/slowpath/router_advertisement.h"
#include "xpu-agent/slowpath/token_buckets.h"

namespace xpu::slowpath {

// What has become of the packets so far.
struct ResponderCounters {
  uint64_t dhcp_answers = 0;
  uint64_t dhcp_declines = 0;
  uint64_t solicitations = 0;
  uint64_t icmp_errors = 0;
  // Answers to neighbour solicitations.
  uint64_t neighbour_advertisements = 0;
  // From a port that has sent too many.
  uint64_t limited = 0;
  // Nothing is to be said: malformed, not from a bound port, or by a protocol's rules.
  uint64_t ignored = 0;
};

// What the agent says to one packet of the switch. No I/O, and the time is given; one thread.
class Responder {
 public:
  // Of one port: DHCP messages and solicitations, and errors, each so many a second and at once.
  static constexpr double kMessageRate = 10;
  static constexpr double kMessageBurst = 20;
  static constexpr double kErrorRate = 50;
  static constexpr double kErrorBurst = 50;

  struct Answer {
    // What is sent at once.
    std::optional<PacketOut> packet;
    // A host that is to get an advertisement of its network's router.
    std::optional<RouterSolicitation> solicitation;
  };
  Answer Handle(const ModelIndex& index, const PacketIn& packet, absl::Time now);

  const ResponderCounters& counters() const { return counters_; }

 private:
  using Port = std::pair<uint64_t, MacAddress>;

  std::optional<std::string> Dhcp(const ModelIndex::Network& network, const BridgePort& port,
                                  const std::string& frame);
  std::optional<std::string> Neighbour(const ModelIndex::Network& network, const std::string& frame);
  std::optional<std::string> Error(const ModelIndex& index, const ModelIndex::Network& network,
                                   pipeline::PacketOpcode opcode, const PacketIn& packet);

  ResponderCounters counters_;
  TokenBuckets<Port> messages_{kMessageRate, kMessageBurst};
  TokenBuckets<Port> errors_{kErrorRate, kErrorBurst};
};

// A frame to a port in a network, by its OpenFlow number, or to all ports of the network.
PacketOut ToPort(uint64_t key, uint32_t port, std::string frame);
PacketOut ToNetwork(uint64_t key, std::string frame);

// What the router of a network says; the network must have one.
RouterAdvertisement AdvertisementOf(const ModelIndex::Network& network);

}  // namespace xpu::slowpath
