#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "control-plane/xpuctl/session.h"

namespace xpu {

// Brings objects to what the manifests say: creates them, or patches what differs. What an earlier apply
// wrote and the manifest no longer says goes; what others wrote stays. The manifest is remembered in the same
// annotation as kubectl's, so that the two can be mixed. Prints one line for each object; one that fails does
// not stop the rest.
absl::Status Apply(Session& session, const std::vector<std::string>& files);

// The merge patch (RFC 7386) that does this: `manifest` as it is to be now, `last` as it was applied last
// (null: never). Pure.
Resource ApplyPatch(const Resource& manifest, const Resource& last);

}  // namespace xpu
