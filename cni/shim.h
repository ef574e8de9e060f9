#pragma once

#include <chrono>
#include <string_view>

#include "cni/environment.h"

namespace xpu {

inline constexpr char kDefaultHostAgentSocket[] = "/run/xpu/host-agent.sock";

struct ShimOptions {
  GetVariable get_variable;
  // Not owned.
  int in = 0;
  int out = 1;
  int err = 2;
  // What has been read of `in` already.
  std::string_view read_before;
  // For the whole call. The kubelet gives up on a container runtime after two minutes, and an answer that
  // tells what is wrong should come before that.
  std::chrono::milliseconds time_allowed = std::chrono::seconds(110);
};

// One run of the CNI plugin: takes the parameters from environment and standard input, has the host agent do
// the work and gives its answer to the runtime. What it returns is the exit status: 0, or 1 with an error
// object on `out`.
int RunShim(const ShimOptions& options);

}  // namespace xpu
