#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "control-plane/xpuctl/session.h"

namespace xpu {

struct GetOptions {
  std::vector<std::string> words;
  // "table", "wide", "json", "yaml" or "name".
  std::string output = "table";
  ListOptions selection;
};

absl::Status Get(Session& session, const GetOptions& options);

// Everything about objects, for people: names and labels, spec, status, conditions, and the Events
// about them.
absl::Status Describe(Session& session, const GetOptions& options);

}  // namespace xpu
