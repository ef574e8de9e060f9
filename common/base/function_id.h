#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/pci_address.h"

namespace xpu {

// Which function of a host: a PCI function by its address, or a subfunction by the address of its parent and
// its number there (devlink-port(8), "sfnum"). Subfunctions have no PCI address of their own, and their names
// on the auxiliary bus are given anew at each start; this names them for good. A value.
struct FunctionId {
  PciAddress pci;
  std::optional<uint32_t> sf;

  FunctionId() = default;
  // A PCI function is a function.
  FunctionId(const PciAddress& address) : pci(address) {}  // NOLINT(google-explicit-constructor)
  FunctionId(const PciAddress& parent, uint32_t number) : pci(parent), sf(number) {}

  // "0000:03:00.2", or "0000:03:00.0-sf88" for a subfunction; InvalidArgument for anything else.
  static absl::StatusOr<FunctionId> Parse(absl::string_view text);
  std::string ToString() const;

  friend auto operator<=>(const FunctionId&, const FunctionId&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const FunctionId& id) {
    return H::combine(std::move(h), id.pci, id.sf);
  }
};

}  // namespace xpu
