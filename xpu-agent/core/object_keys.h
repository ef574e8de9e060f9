#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "xpu-agent/model/shared_map.h"

namespace xpu {

// Keys by which the switch tells networks, or VRFs, apart: 1 to 2^24-1. A new object gets the next one after
// `last` (the highest that was given) that is not in use, so that flows of an object that is going never meet
// those of one that comes. ResourceExhausted if all are in use.
absl::StatusOr<uint32_t> NextKey(const std::set<uint32_t>& used, uint32_t last);

// The keys of `objects`.
template <typename T>
std::set<uint32_t> KeysOf(const SharedMap<T>& objects, uint32_t T::*key) {
  std::set<uint32_t> keys;
  for (const auto& [id, object] : objects) keys.insert(object.*key);
  return keys;
}

}  // namespace xpu
