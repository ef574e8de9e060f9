#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "test/bench/figures.h"

namespace xpu::testing {

struct BenchmarkOptions {
  // How often each side is measured; 0: as often as the benchmark finds right.
  int runs = 0;
  // The project's programs.
  std::string bin_dir;
};

struct Benchmark {
  const char* name;
  // One line for people.
  const char* about;
  absl::StatusOr<std::vector<Figure>> (*run)(const BenchmarkOptions& options);
};

// The CNI plugin beside the reference plugins that Debian ships.
absl::StatusOr<std::vector<Figure>> BenchmarkCni(const BenchmarkOptions& options);
// Memory and wakeups of the host's agents beside a bare gRPC server.
absl::StatusOr<std::vector<Figure>> BenchmarkFootprint(const BenchmarkOptions& options);
// Allocate at the device plugin beside a bare gRPC echo, and how soon a restarted kubelet knows the plugin.
absl::StatusOr<std::vector<Figure>> BenchmarkDevicePlugin(const BenchmarkOptions& options);

// Flows and ports into Open vSwitch beside its own tools.
absl::StatusOr<std::vector<Figure>> BenchmarkFlows(const BenchmarkOptions& options);
absl::StatusOr<std::vector<Figure>> BenchmarkPorts(const BenchmarkOptions& options);
// How soon a change of one of many Netdevs is on the switch, and what a restart of the xPU agent costs.
absl::StatusOr<std::vector<Figure>> BenchmarkConverge(const BenchmarkOptions& options);

// The API server beside etcd, the client of agents with many objects, and the broker.
absl::StatusOr<std::vector<Figure>> BenchmarkKube(const BenchmarkOptions& options);

}  // namespace xpu::testing
