#include "common/sys/pci_bus.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace xpu {

PciAddress VirtualFunctionAddress(const PciAddress& physical_function, int offset, int stride, int index) {
  // The routing id: 8 bits of bus, 5 of device, 3 of function, counted through.
  const int base = physical_function.bus << 8 | physical_function.device << 3 | physical_function.function;
  const int id = base + offset + index * stride;
  PciAddress address = physical_function;
  address.bus = static_cast<uint8_t>(id >> 8);
  address.device = static_cast<uint8_t>(id >> 3 & 31);
  address.function = static_cast<uint8_t>(id & 7);
  return address;
}

bool IsNetworkClass(uint32_t pci_class) { return pci_class >> 8 == 0x0200 || pci_class >> 8 == 0x0207; }

absl::StatusOr<std::vector<std::string>> PciBus::Netdevs(const FunctionId& function) {
  if (!function.sf) {
    XPU_ASSIGN_OR_RETURN(PciFunction found, Get(function.pci));
    return std::move(found.netdevs);
  }
  XPU_ASSIGN_OR_RETURN(std::vector<Subfunction> subfunctions, Subfunctions(function.pci));
  for (Subfunction& subfunction : subfunctions) {
    if (subfunction.number == *function.sf) return std::move(subfunction.netdevs);
  }
  return absl::NotFoundError(absl::StrCat("there is no active subfunction ", function.ToString()));
}

}  // namespace xpu
