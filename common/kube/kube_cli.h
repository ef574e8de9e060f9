#pragma once

#include "CLI/CLI.hpp"
#include "common/kube/kubeconfig.h"

namespace xpu {

// The flags by which an agent is told where its API server is, and who it is there: --api-server and the
// files that go with it, or --kubeconfig. `what_for` says in the help what the agent does there. `flags`
// outlives the parser.
void AddKubeFlags(CLI::App& app, KubeFlags& flags, const std::string& what_for);

}  // namespace xpu
