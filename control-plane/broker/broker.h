#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "common/base/event_loop.h"
#include "common/ctrl/leader_election.h"
#include "common/kube/resource_store.h"
#include "control-plane/broker/broker_config.h"

namespace xpu::broker {

struct BrokerOptions {
  BrokerConfig config;
  // Tells this process from others that want the Lease.
  std::string identity;
  // Between tries while a side cannot be reached or refuses something.
  Backoff::Options retry;
};

// What the broker stands on; nothing is owned, and all of it outlives the call.
struct BrokerDeps {
  // Runs until Stop().
  EventLoop& loop;
  ResourceStore& source;
  ResourceStore& target;
  // Called on the loop whenever this process begins or ends to copy. Optional.
  std::function<void(bool copies)> changed;
};

// The whole process: copies what policy names from source to target and brings status back, while it holds
// the Lease, until the loop is stopped. Copies stay as they are then. Errors, before anything is done:
// InvalidArgument for a selector that cannot be read.
absl::Status RunBroker(const BrokerOptions& options, const BrokerDeps& deps);

}  // namespace xpu::broker
