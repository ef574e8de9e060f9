#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/backoff.h"
#include "common/base/event_loop.h"
#include "common/kube/resource_store.h"
#include "common/rpc/rpc.h"
#include "xpu-agent/core/model_store.h"
#include "xpu-agent/core/representors.h"
#include "xpu-agent/datapath/offload.h"
#include "xpu-agent/datapath/packet_io.h"
#include "xpu-agent/datapath/switch.h"
#include "xpu-agent/model/model.h"
#include "xpu-agent/services/vlan_ranges.h"

namespace xpu {

struct XpuAgentOptions {
  // Name of this agent's card, as in Netdev.spec.card.
  std::string card;
  // Where OPI and the port service are served, as RpcServer takes it. At least one.
  std::vector<std::string> listen;
  // For TCP. Followed: new files count for new connections.
  TlsFiles tls;
  // Who may call over TCP, and how often: AccessPolicy::Options.
  std::string trust_domain;
  double calls_per_second = 500;
  double call_burst = 2000;
  // Path of a socket on which all of it is served to openshift/dpu-operator's daemon too, as its vendor
  // plugin; empty: it is not.
  std::string vendor_plugin_socket;
  // "IP:PORT" at which that daemon is told to listen for the one on the host; empty: Init is refused.
  std::string dpu_operator_endpoint;
  // What inventory and NUMA nodes are read from.
  std::string sysfs = "/sys";
  // VLANs that the host may put its functions into without a Network.
  VlanRanges host_vlans;
  // Where the card's tunnels to the other cards end; without it its networks are on this card only.
  std::optional<Tunnel> tunnel;
  // Interface that stands for the card's physical port, where networks of VLANs go on; empty: they do not.
  std::string uplink;
  // PCI address by which the switch drives the card with DPDK; empty: through the kernel.
  std::string dpdk_device;
  // No request waits longer than this for the switch.
  absl::Duration confirm_deadline = absl::Seconds(10);
  // Between tries while the switch cannot be reached or refuses something.
  Backoff::Options switch_retry;
  // Delays of the controllers after an error.
  Backoff::Options controller_retry;
};

// What the agent stands on; nothing is owned, and all of it outlives the call.
struct XpuAgentDeps {
  // Runs until Stop().
  EventLoop& loop;
  Switch& the_switch;
  ModelStore& store;
  Representors& representors;
  // Packets that the flows hand over; null: what they cannot answer nobody answers.
  PacketIo* packets = nullptr;
  // Where Network and Netdev resources are; null: no controllers, OPI only.
  ResourceStore* resources = nullptr;
  // What the switch's hardware forwards (MakeOffloadService()); null: it does not tell.
  std::function<absl::StatusOr<std::map<std::string, PortOffload>>()> offload;
  // Called once the agent serves, on the loop.
  std::function<void()> ready;
};

// The whole process: takes up what the store says, realises it on the switch, serves OPI, and runs the
// controllers, until the loop is stopped. What is on the switch stays there.
//
// Errors, before anything is served: InvalidArgument for options, those of the store and of finding
// representors, FailedPrecondition for an address that is in use.
absl::Status RunXpuAgent(const XpuAgentOptions& options, const XpuAgentDeps& deps);

}  // namespace xpu
