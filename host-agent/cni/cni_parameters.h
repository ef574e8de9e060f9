#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace xpu {

// What the runtime gave beside the configuration (CNI specification 1.1.0, section 2, "Parameters").
struct CniParameters {
  std::string container_id;
  std::string netns;
  std::string ifname;
  std::string args;
  // CNI_PATH: where other plugins are, with ':' between the folders.
  std::string path;
};

// CNI_ARGS: who the pod is, as Kubernetes' runtimes say, and what it asks for.
struct CniArgs {
  std::string pod_namespace;
  std::string pod_name;
  // "MAC" and "IP" of the CNI conventions; empty if they are not there.
  std::string mac;
  std::string ip;
};

// Errors are CNI errors (cni_error.h); they name the variable, say what is wrong with it and what to do.

// Checks CNI_CONTAINERID and CNI_IFNAME by the specification's rules, for ADD and CHECK also that CNI_NETNS
// is an absolute path. DEL may come without a namespace.
absl::Status CheckParameters(const CniParameters& parameters, bool netns_needed);

// "K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-1;IgnoreUnknown=1".
absl::StatusOr<CniArgs> ParseCniArgs(absl::string_view args);

// What the specification allows as name of a network and as container id.
bool IsCniName(absl::string_view text);

}  // namespace xpu
