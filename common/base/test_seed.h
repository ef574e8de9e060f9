#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace xpu {

// The seed of a random test: XPU_TEST_SEED of the environment, so that a failure can be run again, or a fresh
// one. Printed either way.
inline uint64_t TestSeed() {
  uint64_t seed = std::random_device()();
  if (const char* text = std::getenv("XPU_TEST_SEED"); text != nullptr)
    seed = std::strtoull(text, nullptr, 10);
  std::printf("XPU_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

}  // namespace xpu
