#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace xpu {

// Names of OPI objects. This project answers with the API's own names, "logicalBridges/<id>" and
// "bridgePorts/<id>", and also takes those of OPI's EVPN bridge ("//network.opiproject.org/bridges/<id>",
// "//network.opiproject.org/ports/<id>") and bare ids, as clients of all three exist.

std::string LogicalBridgeName(absl::string_view id);
std::string BridgePortName(absl::string_view id);

// The id in a name of any of the three forms; InvalidArgument, without the name of the field, for anything
// else.
absl::StatusOr<std::string> LogicalBridgeId(absl::string_view name);
absl::StatusOr<std::string> BridgePortId(absl::string_view name);

// An id is 1 to 253 letters, digits, '-', '_' and '.', the first a letter or digit. InvalidArgument
// otherwise.
absl::Status CheckOpiId(absl::string_view id);

// Which function of a card's host a bridge port stands for.
struct PortFunction {
  int pf = 0;
  // Of the virtual function, or the number of the subfunction.
  uint32_t index = 0;
  bool is_subfunction = false;

  // PF and VF are counted from 0. InvalidArgument for an id of another form than "host<PF>-<VF>" or
  // "host<PF>-sf<N>".
  static absl::StatusOr<PortFunction> FromPortId(absl::string_view id);
  // InvalidArgument for another port than a function's: the uplink's "p0", the physical function's "pf0".
  static absl::StatusOr<PortFunction> FromPhysPortName(absl::string_view name);
  // "host0-3", "host0-sf88".
  std::string ToPortId() const;
  // What the kernel calls the port of this function's representor in sysfs: "pf0vf3", "pf0sf88".
  std::string ToPhysPortName() const;
  friend auto operator<=>(const PortFunction&, const PortFunction&) = default;
};

}  // namespace xpu
