#pragma once

#include <string>

#include "absl/status/status.h"

namespace xpu {

// Ends every process in the namespace bound at `path` and unbinds it.
absl::Status ClearNamespace(const std::string& path);

// Takes a sandbox away, from whatever is left of it: recorded processes, those in its namespaces, mounts,
// files. Goes on after an error and gives the first one.
absl::Status ClearSandbox(const std::string& dir);

}  // namespace xpu
