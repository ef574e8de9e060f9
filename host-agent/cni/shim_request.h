#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "host-agent/cni/cni_parameters.h"

namespace xpu {

// What openshift/dpu-operator's CNI plugin posts: its environment and its standard input.
struct ShimRequest {
  // CNI_COMMAND: "ADD", "DEL" or "CHECK".
  std::string command;
  // The interface is "eth0" if the plugin was not told.
  CniParameters parameters;
  std::string config;
};

// Reads the body of a request: {"env": {NAME: value, …}, "config": "<base64>"}; anything else in it is passed
// over. CNI errors (cni_error.h): code 6 for what is not that, code 4 for a command that is missing or not
// known.
absl::StatusOr<ShimRequest> ParseShimRequest(absl::string_view body);

// The body of the answer: {"Result": …}, with the result of an ADD, which must be JSON, or null where the
// command has none.
std::string FormatShimAnswer(absl::string_view result);

}  // namespace xpu
