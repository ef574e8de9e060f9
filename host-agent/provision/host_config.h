#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "host-agent/inventory/card.h"

namespace xpu {

// Reads a configuration file of the host agent, YAML or JSON: fields as proto/xpu/hostagent/v1/config.proto
// declares them. `source` is its name, for messages. One CardConfig for each physical function.
//
// InvalidArgument, with the path of every field that is unknown, has another type or breaks a rule, and for
// what contradicts itself: overlapping ranges, a driver for a function beyond `vfs`, a number twice.
absl::StatusOr<std::vector<CardConfig>> ReadHostConfig(absl::string_view text, absl::string_view source);

}  // namespace xpu
