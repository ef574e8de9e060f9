#pragma once

#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/event_loop.h"
#include "common/kube/kubeconfig.h"

namespace CLI {
class App;
}  // namespace CLI

namespace xpu {

struct XpuctlDeps {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  Clock& clock;
  // An environment variable; empty if it is not set.
  std::function<std::string(const char*)> environment;
  // Runs the loop until the person has seen enough.
  std::function<void(EventLoop&)> run_until_stopped;
  // Adds commands of other parts of the project.
  std::function<void(CLI::App&)> add_commands;
};

// The whole program; `args` without its own name. Returns the exit code: 0, 1 for an error, and CLI11's for a
// command line that cannot be read.
int RunXpuctl(const std::vector<std::string>& args, const XpuctlDeps& deps);

// Where the API server is if --server does not say: XPU_SERVER, the kubeconfig that KUBECONFIG
// names, the sandbox's if there is one, or the machine's.
KubeFlags DefaultServer(const std::function<std::string(const char*)>& environment);

}  // namespace xpu
