#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace xpu {

// Where a PCI function is: domain, bus, device and function, "0000:03:00.2" as sysfs writes it. A value.
struct PciAddress {
  uint32_t domain = 0;
  uint8_t bus = 0;
  uint8_t device = 0;    // 0 to 31
  uint8_t function = 0;  // 0 to 7

  // sysfs' form, four to eight digits of domain, any case; InvalidArgument for anything else.
  static absl::StatusOr<PciAddress> Parse(absl::string_view text);
  // Lower case.
  std::string ToString() const;

  friend auto operator<=>(const PciAddress&, const PciAddress&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const PciAddress& a) {
    return H::combine(std::move(h), a.domain, a.bus, a.device, a.function);
  }
};

}  // namespace xpu
