#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/bandwidth.h"
#include "common/base/ip_address.h"
#include "common/base/mac_address.h"
#include "common/sys/vf_settings.h"
#include "host-agent/cni/cni_parameters.h"
#include "host-agent/cni/cni_result.h"

namespace xpu {

// A configuration's own log, as sriov-cni has it.
struct CniLog {
  enum class Level { kPanic, kError, kWarning, kInfo, kDebug };
  Level level = Level::kInfo;
  // Where lines are appended; empty: nowhere but the agent's own log.
  std::string file;
  friend bool operator==(const CniLog&, const CniLog&) = default;
};

// A request for an interface, read from a configuration and its parameters.
struct CniConfig {
  std::string cni_version;
  // Name of the network as the configuration calls it.
  std::string name;
  // The function: its id (FunctionId), or the name of a subfunction on the auxiliary bus.
  std::string device;
  // The Network; both empty where there is a `vlan`.
  std::string network_namespace;
  std::string network;
  // Instead of a Network: the card's network of that VLAN, 0 for untagged.
  std::optional<uint16_t> vlan;
  std::optional<MacAddress> mac;
  // Of the Network; at most one of each family. Empty if a plugin gives the addresses: it reads for itself
  // which ones are asked for.
  std::vector<IpAddress> addresses;
  VfSettings settings;
  // What the pod asks for.
  Bandwidth bandwidth;
  // Name of the plugin that gives the addresses.
  std::optional<std::string> ipam;
  std::optional<uint32_t> mtu;
  std::vector<CniRoute> routes;
  CniDns dns;
  // The result of the plugins before this one, or for CHECK that of the ADD, as JSON; empty if there is none.
  std::string prev_result;
  CniLog log;
};

// Whose configurations they are, where they differ.
enum class CniDialect {
  kXpu,
  // Of openshift/dpu-operator's plugin: one that names no network is of the card's untagged network, and
  // "BridgeID" is the name of a Network.
  kDpuOperator,
  // Ours and sriov-cni's for a function of a card without an xPU agent, which can be in no Network: one that
  // names none is of the untagged network, as sriov-cni has it.
  kPlainNic,
};

// All errors below are CNI errors (cni_error.h); they name the key, say what is wrong with it and what to do.

// The configuration of an ADD or CHECK. docs/reference/cni-configuration.md says what keys there are and what
// they mean. Keys that runtimes and the specification add are let through; any other is refused, so that a
// misspelt one is not silently without effect.
absl::StatusOr<CniConfig> ParseCniConfig(absl::string_view bytes, const CniArgs& args,
                                         CniDialect dialect = CniDialect::kXpu);

// What GC and STATUS need of a configuration.
struct CniNetworkConfig {
  std::string cni_version;
  std::string name;
  std::optional<std::string> ipam;
  // Container id and interface name, from "cni.dev/valid-attachments"; nothing if it is not there.
  std::optional<std::vector<std::pair<std::string, std::string>>> valid_attachments;
};
absl::StatusOr<CniNetworkConfig> ParseCniNetworkConfig(absl::string_view bytes);

// What can be told from a configuration that need not be good: for DEL, which must work with any.
struct CniHints {
  // As CniConfig::device, unchecked; empty if there is none.
  std::string device;
  CniLog log;
};
CniHints ReadCniHints(absl::string_view bytes);

// What errors are to say as cniVersion: the configuration's if it can be read and is supported, else the
// newest that is supported.
std::string CniVersionForErrors(absl::string_view bytes);

}  // namespace xpu
