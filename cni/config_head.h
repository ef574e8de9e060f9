#pragma once

#include <string>
#include <string_view>

#include "cni/outcome.h"

namespace xpu {

// What the shim itself needs of a network configuration; the host agent reads and checks the rest.
struct ConfigHead {
  // "cniVersion"; empty if it is not there.
  std::string cni_version;
  // "hostAgentSocket"; empty if it is not there.
  std::string host_agent_socket;
};

// Code 6 if `config` is not one JSON object, or if a field above is not a string. Builds no tree, so that a
// deep or large configuration costs no more than its length.
Outcome<ConfigHead> ReadConfigHead(std::string_view config);

}  // namespace xpu
