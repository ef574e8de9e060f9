#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/sys/net_namespaces.h"

namespace xpu::testing {

// What a container runtime hands to a CNI plugin (CNI specification 1.1.0, section 2). Empty fields are not
// set.
struct CniCall {
  std::string command;  // "ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"
  std::string container_id;
  std::string netns;
  std::string ifname;
  std::string args;
  // Standard input.
  std::string config;
};

struct CniOutcome {
  // 128 + signal if one ended the plugin.
  int exit_code = 0;
  // Standard output: a result or an error object.
  std::string output;
  std::string error_output;
  // Just before the plugin was started.
  absl::Time begun;
  // From then until it was reaped.
  absl::Duration elapsed;

  bool ok() const { return exit_code == 0; }
};

// Runs CNI plugins as a container runtime does: one process for each call, parameters in the environment, the
// configuration on standard input. Safe from any thread.
class ContainerRuntime {
 public:
  struct Options {
    // The plugin.
    std::string plugin;
    // CNI_PATH: where the plugin finds others (IPAM).
    std::string cni_path = "/usr/lib/cni";
    // Where it runs; null: where the caller is.
    std::shared_ptr<NetNamespace> net_namespace;
    // Set beside the CNI variables; nothing else is inherited.
    std::vector<std::pair<std::string, std::string>> environment;
    // The plugin is killed after so long, and the call is DeadlineExceeded.
    absl::Duration deadline = absl::Seconds(150);
  };
  explicit ContainerRuntime(Options options) : options_(std::move(options)) {}

  // NotFound if there is no such plugin. A plugin that fails is an outcome, not an error.
  absl::StatusOr<CniOutcome> Run(const CniCall& call) const;

 private:
  Options options_;
};

}  // namespace xpu::testing
