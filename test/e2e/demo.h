#pragma once

#include "absl/status/status.h"
#include "control-plane/sandbox/sandbox.h"
#include "test/e2e/demo_report.h"

namespace xpu::testing {

// The demo's story in a sandbox that is up: networks, pods, packets, cheating, a change, the end. The first
// step that cannot be done ends it with its error; checks that do not hold only go into the report.
// `examples` is the folder with the manifests. With `keep`, pods are left attached at the end.
absl::Status RunDemo(Sandbox& sandbox, const std::string& examples, bool keep, DemoReport& report);

}  // namespace xpu::testing
