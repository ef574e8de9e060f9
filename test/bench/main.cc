// xpu-bench NAME: measures the project beside a peer, in turns in one run, prints a table and writes
// NAME.json.

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <string>

#include "CLI/CLI.hpp"
#include "common/sys/files.h"
#include "test/bench/benchmark.h"

namespace {

constexpr xpu::testing::Benchmark kBenchmarks[] = {
    {"cni",
     "VERSION, ADD and DEL of xpu-cni, one and 32 at once, beside Debian's plugins and the bare kernel",
     &xpu::testing::BenchmarkCni},
    {"converge", "a change of one of 1,000 Netdevs until Open vSwitch has confirmed it, and a restart",
     &xpu::testing::BenchmarkConverge},
    {"device-plugin", "Allocate at xpu-device-plugin beside a bare gRPC echo, and its registration anew",
     &xpu::testing::BenchmarkDevicePlugin},
    {"flows", "100,000 flows, a hundredth of them, and one port's, into Open vSwitch beside ovs-ofctl",
     &xpu::testing::BenchmarkFlows},
    {"footprint", "memory and wakeups of the host's agents with 256 functions beside a bare gRPC server",
     &xpu::testing::BenchmarkFootprint},
    {"kube", "xpu-apiserver with 10,000 objects beside etcd, an informer of 50,000 Netdevs, and the broker",
     &xpu::testing::BenchmarkKube},
    {"ports", "500 ports onto Open vSwitch beside ovs-vsctl", &xpu::testing::BenchmarkPorts},
};

std::string Names() {
  std::string names = "Benchmarks:\n";
  for (const auto& benchmark : kBenchmarks) {
    names += std::string("  ") + benchmark.name + "   " + benchmark.about + "\n";
  }
  return names;
}

}  // namespace

int main(int argc, char** argv) {
  std::string name;
  std::string output = "build/bench";
  xpu::testing::BenchmarkOptions options;
  CLI::App app("Measures xpu beside a peer, in turns in one run", "xpu-bench");
  app.add_option("name", name, "What to measure")->required();
  app.add_option("--output", output, "Folder for NAME.json")->capture_default_str();
  app.add_option("--runs", options.runs, "How often each side is measured")->check(CLI::Range(1, 1'000'000));
  app.footer(Names());
  CLI11_PARSE(app, argc, argv);

  const auto* benchmark = std::find_if(std::begin(kBenchmarks), std::end(kBenchmarks),
                                       [&](const auto& b) { return name == b.name; });
  if (benchmark == std::end(kBenchmarks)) {
    std::cerr << "xpu-bench: there is no benchmark \"" << name << "\"\n" << Names();
    return 2;
  }
#ifndef NDEBUG
  std::cerr << "xpu-bench: this is not a release build, the figures tell little (./dev bench " << name
            << ")\n";
#endif
  std::error_code error;
  options.bin_dir = std::filesystem::canonical("/proc/self/exe", error).parent_path();
  const auto figures = benchmark->run(options);
  if (!figures.ok()) {
    std::cerr << "xpu-bench: " << name << ": " << figures.status().message() << "\n";
    return 1;
  }
  std::cout << xpu::testing::ToTable(*figures);
  const std::string file = output + "/" + name + ".json";
  absl::Status written = xpu::MakeDirectories(output);
  if (written.ok()) written = xpu::WriteFileAtomic(file, xpu::testing::ToJson(*figures));
  if (!written.ok()) {
    std::cerr << "xpu-bench: " << written.message() << "\n";
    return 1;
  }
  std::cout << "Written to " << file << "\n";
  return 0;
}
