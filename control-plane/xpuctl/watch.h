#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/base/event_loop.h"
#include "control-plane/xpuctl/session.h"

namespace xpu {

struct WatchOptions {
  // One kind, or one object.
  std::vector<std::string> words;
  // "table", "wide" or "json" (one {"type", "object"} in each line).
  std::string output = "table";
  ListOptions selection;
};

// Prints the objects and then each change, until `run` returns. It runs the loop until it is time to stop. A
// server that goes away meanwhile is waited for.
absl::Status WatchObjects(Session& session, const WatchOptions& options,
                          const std::function<void(EventLoop&)>& run);

}  // namespace xpu
