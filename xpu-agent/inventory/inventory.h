#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace grpc {
class Service;
}  // namespace grpc
namespace opi_api::inventory::v1 {
class Inventory;
}  // namespace opi_api::inventory::v1

namespace xpu {

// Where the kernel and the system tell what the machine is made of.
struct InventoryPaths {
  std::string sysfs = "/sys";
  std::string procfs = "/proc";
  // Names for the numbers of PCI devices; the first that is there is read. Without any, numbers are shown.
  std::vector<std::string> pci_ids = {"/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids"};
};

// Reads SMBIOS as the kernel shows it (Documentation/ABI/stable/sysfs-class-dmi), processors, memory and all
// PCI devices. What is not told stays empty, so there are no errors. Safe from any thread; some milliseconds.
opi_api::inventory::v1::Inventory ReadInventory(const InventoryPaths& paths);

// What a chassis type of SMBIOS is ("Rack Mount Chassis"; DMTF DSP0134, 7.4.1); empty for an unknown number.
std::string ChassisTypeName(int type);

// Names in pci.ids, the list of PCI devices that pciutils brings (pci.ids(5)). A key is "15b3" for a vendor,
// "15b3/a2d6" for a device, "15b3/a2d6/15b3 0061" for a subsystem, "C 02" for a class and "C 02/00" for a
// subclass. Returns those of `wanted` that the list has.
std::map<std::string, std::string> FindPciNames(absl::string_view list, const std::set<std::string>& wanted);

std::unique_ptr<grpc::Service> MakeInventoryService(const InventoryPaths& paths);

}  // namespace xpu
