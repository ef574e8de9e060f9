#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "test/bench/benchmark.h"
#include "test/bench/figures.h"

namespace xpu::testing {

// Parts of the benchmark "kube"; what they measure is said there.
absl::StatusOr<std::vector<Figure>> MeasureInformers(const BenchmarkOptions& options);
absl::StatusOr<std::vector<Figure>> MeasureBroker(const BenchmarkOptions& options);

}  // namespace xpu::testing
