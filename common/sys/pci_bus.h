#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/pci_address.h"

namespace xpu {

// What sysfs says about one PCI function (Documentation/ABI/testing/sysfs-bus-pci).
struct PciFunction {
  PciAddress address;
  uint16_t vendor = 0;
  uint16_t device = 0;
  // 24 bits: class, subclass, interface; 0x020000 is an Ethernet controller.
  uint32_t pci_class = 0;
  // Empty if none is bound.
  std::string driver;
  // -1 where the machine has none.
  int numa_node = -1;
  // Serial number of the card (VPD "SN"), empty if it has none.
  std::string serial;
  // For a physical function: how many VFs it has and may have.
  int num_vfs = 0;
  int total_vfs = 0;
  // For a virtual function: its physical function and its index there.
  std::optional<PciAddress> physical_function;
  int vf_index = -1;
  // Network interfaces of the function in this network namespace; empty after a move into another one.
  std::vector<std::string> netdevs;
};

// Where virtual function `index` of a physical one is (PCIe base specification, First VF Offset and VF
// Stride).
PciAddress VirtualFunctionAddress(const PciAddress& physical_function, int offset, int stride, int index);

// The machine's PCI functions. Safe from any thread; nothing is cached.
class PciBus {
 public:
  virtual ~PciBus() = default;

  // All functions with an Ethernet class, in the order of their addresses. A function that vanishes while it
  // is read is left out.
  virtual absl::StatusOr<std::vector<PciFunction>> List() = 0;
  // NotFound if there is none at that address.
  virtual absl::StatusOr<PciFunction> Get(const PciAddress& address) = 0;
  // PciFunction::netdevs alone, for those who are in a hurry: a whole function is a score of files to read,
  // and some of them the driver has to ask the card for. NotFound if there is no function at that address.
  virtual absl::StatusOr<std::vector<std::string>> Netdevs(const PciAddress& address) {
    absl::StatusOr<PciFunction> function = Get(address);
    if (!function.ok()) return function.status();
    return std::move(function->netdevs);
  }
  // Sets the number of virtual functions. The kernel allows it only from 0 to some or from some to 0.
  // The number that is there already is OK.
  //   NotFound            no such function, or it can have no VFs
  //   OutOfRange          more than total_vfs
  //   FailedPrecondition  it has another number of VFs already, and count is not 0
  virtual absl::Status SetNumVfs(const PciAddress& physical_function, int count) = 0;
};

}  // namespace xpu
