#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace xpu {

// Names of OPI objects. Clients write them in two dialects or as the id alone, and all three are taken
// everywhere, also where one object refers to another.
enum class NameDialect {
  // The API's own: "vrfs/<id>", "logicalBridges/<id>", "bridgePorts/<id>", "svis/<id>".
  kApi,
  // OPI's EVPN bridge: "//network.opiproject.org/vrfs/<id>", ".../bridges/<id>", ".../ports/<id>",
  // ".../svis/<id>".
  kEvpnBridge,
};

// In the API's own dialect, by which this project calls its objects.
std::string VrfName(absl::string_view id);
std::string LogicalBridgeName(absl::string_view id);
std::string BridgePortName(absl::string_view id);
std::string SviName(absl::string_view id);

// The id in a name of any dialect, or the id itself; InvalidArgument, without the name of the field, for
// anything else.
absl::StatusOr<std::string> VrfId(absl::string_view name);
absl::StatusOr<std::string> LogicalBridgeId(absl::string_view name);
absl::StatusOr<std::string> BridgePortId(absl::string_view name);
absl::StatusOr<std::string> SviId(absl::string_view name);

// How `name` is written, whatever it names; an id alone counts as the API's own.
NameDialect DialectOf(absl::string_view name);
// A name of the API's own dialect in another one; anything else stays as it is.
std::string InDialect(absl::string_view name, NameDialect dialect);

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
