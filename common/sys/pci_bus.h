#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/event_loop.h"
#include "common/base/function_id.h"
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
  // What those are (ARPHRD_*): "ether" or "infiniband"; empty for anything else and if there is none.
  std::string link_type;
  // Number of its IOMMU group; empty if it is in none.
  std::string iommu_group;
  // The device node of that group, for a function that a VFIO driver holds: "/dev/vfio/42", or
  // "/dev/vfio/noiommu-42" without an IOMMU. Empty otherwise.
  std::string vfio_node;
  // RDMA devices ("mlx5_2") of this network namespace, and the nodes through which a process uses them, the
  // one for all devices included: "/dev/infiniband/uverbs2", "/dev/infiniband/rdma_cm".
  std::vector<std::string> rdma_devices;
  std::vector<std::string> rdma_nodes;
};

// A subfunction: a device on the auxiliary bus under the PCI function that it shares
// (Documentation/ABI/testing/sysfs-bus-auxiliary, Documentation/networking/devlink/devlink-port.rst).
struct Subfunction {
  // The user's number ("sfnum"), unique under its parent.
  uint32_t number = 0;
  // "mlx5_core.sf.4"; given anew whenever it is activated.
  std::string auxiliary_device;
  // As in PciFunction.
  std::string driver;
  std::vector<std::string> netdevs;
  std::vector<std::string> rdma_devices;
  std::vector<std::string> rdma_nodes;
};

// Where virtual function `index` of a physical one is (PCIe base specification, First VF Offset and VF
// Stride).
PciAddress VirtualFunctionAddress(const PciAddress& physical_function, int offset, int stride, int index);

// Whether PciBus::List() has functions of this class: Ethernet and InfiniBand controllers.
bool IsNetworkClass(uint32_t pci_class);

// The machine's PCI functions. Safe from any thread; nothing is cached.
class PciBus {
 public:
  virtual ~PciBus() = default;

  // All functions of the classes Ethernet and InfiniBand controller, in the order of their addresses. A
  // function that vanishes while it is read is left out.
  virtual absl::StatusOr<std::vector<PciFunction>> List() = 0;
  // NotFound if there is none at that address.
  virtual absl::StatusOr<PciFunction> Get(const PciAddress& address) = 0;
  // The subfunctions of a function, active ones only, by number. NotFound if there is no such function.
  virtual absl::StatusOr<std::vector<Subfunction>> Subfunctions(const PciAddress& parent) = 0;
  // The netdevs of a function or subfunction alone, for those who are in a hurry: a whole function is a score
  // of files to read, and some of them the driver has to ask the card for. NotFound if it is not there.
  virtual absl::StatusOr<std::vector<std::string>> Netdevs(const FunctionId& function);

  // Sets the number of virtual functions. The kernel allows it only from 0 to some or from some to 0.
  // The number that is there already is OK.
  //   NotFound            no such function, or it can have no VFs
  //   OutOfRange          more than total_vfs
  //   FailedPrecondition  it has another number of VFs already, and count is not 0
  virtual absl::Status SetNumVfs(const PciAddress& physical_function, int count) = 0;

  // Has `driver` hold the function, whatever holds it now, through driver_override; the override stays, so
  // that no other driver takes the function later. Empty: no driver, and no override. What is so already is
  // OK. Takes as long as the drivers do, and the kernel waits in it for whoever has a VFIO device open; so
  // never on a loop.
  //   NotFound            no such function, or no such driver is loaded
  //   FailedPrecondition  the driver did not take it (the kernel's log says why); the one before has it again
  //                       if it would have it
  //   Unimplemented       this sysfs has no driver_override
  virtual absl::Status BindDriver(const PciAddress& address, const std::string& driver) = 0;

  // Calls `changed` on the loop for each function of List() that appears, changes (another driver, its
  // subfunctions) or vanishes (then with `gone` true), beginning with those that are there. The kernel's
  // events say when to look, and sysfs what there is: several events may become one call, and a call may tell
  // what is known. After an overrun of the kernel's buffer every function is told again.
  //
  // To be made and destroyed as EventLoop asks: before the loop runs, or on it.
  class Monitor {
   public:
    virtual ~Monitor() = default;
  };
  virtual absl::StatusOr<std::unique_ptr<Monitor>> MonitorFunctions(
      EventLoop& loop, std::function<void(const PciAddress& address, bool gone)> changed) = 0;
};

}  // namespace xpu
