#pragma once

#include <string>

#include "absl/status/status.h"

namespace xpu {

// Makes a network namespace, its loopback up, and binds it at `path`, where it stays when this process ends
// (as ip-netns(8) does). AlreadyExists if something is there.
absl::Status MakeNamedNamespace(const std::string& path);

// Unbinds it. The namespace goes with its last process. OK if nothing is there.
absl::Status RemoveNamedNamespace(const std::string& path);

}  // namespace xpu
