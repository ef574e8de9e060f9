#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace xpu {

// What is wrong with one field of a request.
struct FieldViolation {
  // As the request calls it: "logical_bridge.spec.vlan_id".
  std::string field;
  std::string why;
  friend bool operator==(const FieldViolation&, const FieldViolation&) = default;
};

// The status with a google.rpc.BadRequest as payload, which ToGrpc() hands on to the caller.
absl::Status WithViolations(absl::Status status, const std::vector<FieldViolation>& violations);

// Those that it carries. Of an InvalidArgument without any: the field that its message begins with
// ("bridge_port_id: ..."), if that can be one.
std::vector<FieldViolation> ViolationsOf(const absl::Status& status);

}  // namespace xpu
