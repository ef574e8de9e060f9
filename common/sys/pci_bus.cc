#include "common/sys/pci_bus.h"

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

}  // namespace xpu
