#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/kube/kubeconfig.h"
#include "control-plane/broker/kind_sync.h"

namespace xpu::broker {

// Where the Lease is that lets one of several processes copy.
struct LeasePlace {
  bool in_source = false;
  ResourceName name;
  // Without a word from its holder.
  absl::Duration duration = absl::Seconds(15);
};

struct BrokerConfig {
  Origin origin;
  KubeFlags source;
  KubeFlags target;
  std::optional<LeasePlace> lease;
  // One for each kind of each policy; backoff and workers are not in the file.
  std::vector<KindSync::Options> syncs;
};

// Reads the broker's configuration file (proto/xpu/broker/v1/config.proto), YAML or JSON. `source` names it
// in errors. InvalidArgument lists everything that is wrong, with paths.
absl::StatusOr<BrokerConfig> ReadBrokerConfig(absl::string_view text, absl::string_view source);

}  // namespace xpu::broker
