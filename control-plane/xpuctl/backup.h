#pragma once

#include <string>

#include "absl/status/status.h"
#include "control-plane/xpuctl/session.h"

namespace xpu {

// Has xpu-apiserver write all that it holds into a file, or take it from there instead of what it holds,
// while it runs. The file is on the server's machine; a relative path begins where the tool was called.
absl::Status BackUpStore(Session& session, const std::string& file);
absl::Status RestoreStore(Session& session, const std::string& file);

}  // namespace xpu
