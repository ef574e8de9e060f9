#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace xpu {

// The serial number ("SN") in a function's vital product data, as sysfs gives them in `vpd` (PCI Local Bus
// Specification 3.0, appendix I). Empty if there is none or the data are damaged.
std::string VpdSerial(absl::string_view vpd);

// Vital product data that hold a name and a serial number, each at most 255 octets long.
std::string MakeVpd(absl::string_view name, absl::string_view serial);

}  // namespace xpu
