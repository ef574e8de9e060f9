#pragma once

#include <functional>
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
#include "xpu-agent/datapath/switch.h"
#include "xpu-agent/services/vlan_ranges.h"

namespace xpu {

struct XpuAgentOptions {
  // Name of this agent's card, as in Netdev.spec.card.
  std::string card;
  // Where OPI and the port service are served, as RpcServer takes it. At least one.
  std::vector<std::string> listen;
  // For TCP.
  TlsFiles tls;
  // VLANs that the host may put its functions into without a Network.
  VlanRanges host_vlans;
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
  // Where Network and Netdev resources are; null: no controllers, OPI only.
  ResourceStore* resources = nullptr;
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
