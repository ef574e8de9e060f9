#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/function_id.h"
#include "common/base/ip_address.h"
#include "common/base/mac_address.h"

namespace xpu {

// What the runtime gave beside the configuration (CNI specification 1.0.0, section 2, "Parameters").
struct CniParameters {
  std::string container_id;
  std::string netns;
  std::string ifname;
  std::string args;
};

// CNI_ARGS as Kubernetes' runtimes fill it.
struct CniArgs {
  std::string pod_namespace;
  std::string pod_name;
};

// A request for an interface, read from a configuration and its parameters.
struct CniConfig {
  std::string cni_version;
  // Name of the network as the configuration calls it.
  std::string name;
  FunctionId device;
  std::string network_namespace;
  std::string network;
  std::optional<MacAddress> mac;
  // At most one of each family.
  std::vector<IpAddress> addresses;
};

// All errors below are CNI errors (cni_error.h); they name the key or variable, say what is wrong with it and
// what to do.

// Checks CNI_CONTAINERID and CNI_IFNAME by the specification's rules, for ADD also that CNI_NETNS is an
// absolute path. DEL may come without a namespace.
absl::Status CheckParameters(const CniParameters& parameters, bool netns_needed);

// "K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-1;IgnoreUnknown=1".
absl::StatusOr<CniArgs> ParseCniArgs(absl::string_view args);

// The configuration of an ADD. The namespace of a network that is given without one is the pod's, or
// "default".
//
//   cniVersion, name, type   as the specification says
//   deviceID                 PCI address of the function; also runtimeConfig.deviceID, or pciBusID as Multus
//                            writes it beside. Must agree where there are several.
//   network                  Network resource, "name" or "namespace/name"; without, `name` is its name
//   mac                      also runtimeConfig.mac, which wins
//   runtimeConfig.ips        addresses asked for, with or without length
//
// Keys that runtimes and the specification add (capabilities, ipam, dns, args, prevResult, …) are let
// through; any other is refused, so that a misspelt one is not silently without effect.
absl::StatusOr<CniConfig> ParseCniConfig(absl::string_view bytes, const CniArgs& args);

// What errors are to say as cniVersion: the configuration's if it can be read and is supported, else the
// newest that is supported.
std::string CniVersionForErrors(absl::string_view bytes);

}  // namespace xpu
