#include "common/sys/sysfs_pci_bus.h"

#include <linux/magic.h>
#include <net/if_arp.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/status_macros.h"
#include "common/sys/files.h"
#include "common/sys/pci_monitor.h"
#include "common/sys/vpd.h"

namespace xpu {
namespace {

// What driver_override says when there is none.
constexpr absl::string_view kNoOverride = "(null)";

// An attribute like "0x15b3".
absl::StatusOr<uint32_t> ReadHex(const std::string& path) {
  XPU_ASSIGN_OR_RETURN(const std::string text, ReadTrimmed(path));
  uint32_t value = 0;
  if (!absl::SimpleHexAtoi(text, &value)) {
    return absl::InternalError(absl::StrCat(path, " holds '", text, "', which is no hexadecimal number"));
  }
  return value;
}

// An attribute like "8"; `otherwise` if it is not there or no number.
int ReadIntOr(const std::string& path, int otherwise) {
  auto text = ReadTrimmed(path);
  int value = 0;
  return text.ok() && absl::SimpleAtoi(*text, &value) ? value : otherwise;
}

// The last part of what a link points at; empty if there is no link.
std::string LinkedName(const std::string& path) {
  auto target = ReadSymlink(path);
  if (!target.ok()) return "";
  return target->substr(target->rfind('/') + 1);
}

// Requester id, as the PCIe base specification counts functions of a segment.
int RoutingId(const PciAddress& address) { return address.bus << 8 | address.device << 3 | address.function; }

// The index of VF `vf` at physical function `pf`, whose folder is `folder`; -1 if it is not there.
int FindVfIndex(const PciAddress& pf, const std::string& folder, const PciAddress& vf) {
  const std::string name = vf.ToString();
  // Reckoned where the card says how, so that a look at all functions of a card does not take the square of
  // their number.
  const int offset = ReadIntOr(folder + "/sriov_offset", 0);
  const int stride = ReadIntOr(folder + "/sriov_stride", 0);
  if (stride > 0) {
    const int index = (RoutingId(vf) - RoutingId(pf) - offset) / stride;
    if (LinkedName(absl::StrCat(folder, "/virtfn", index)) == name) return index;
  }
  auto names = ListDirectory(folder);
  if (!names.ok()) return -1;
  for (const std::string& entry : *names) {
    absl::string_view number = entry;
    int index = -1;
    if (!absl::ConsumePrefix(&number, "virtfn") || !absl::SimpleAtoi(number, &index)) continue;
    if (LinkedName(absl::StrCat(folder, "/", entry)) == name) return index;
  }
  return -1;
}

// The names in a folder that may be missing.
std::vector<std::string> Names(const std::string& folder) {
  return ListDirectory(folder).value_or(std::vector<std::string>());
}

std::string LinkType(const std::string& folder, const std::vector<std::string>& netdevs) {
  for (const std::string& netdev : netdevs) {
    switch (ReadIntOr(absl::StrCat(folder, "/net/", netdev, "/type"), -1)) {
      case ARPHRD_ETHER:
        return "ether";
      case ARPHRD_INFINIBAND:
        return "infiniband";
      default:
        break;
    }
  }
  return "";
}

std::string VfioNode(const std::string& folder, const PciFunction& function) {
  if (function.iommu_group.empty() || !function.driver.starts_with("vfio")) return "";
  // Without an IOMMU vfio makes groups of its own, with other nodes.
  const bool noiommu = ReadTrimmed(folder + "/iommu_group/name").value_or("") == "vfio-noiommu";
  return absl::StrCat("/dev/vfio/", noiommu ? "noiommu-" : "", function.iommu_group);
}

// Whether an entry of a function's folder is named like a device on the auxiliary bus: MODULE.DEVICE.ID
// (Documentation/driver-api/auxiliary_bus). A physical function's folder has a link for each virtual function
// too, so that a look into all entries would cost as much as there are functions.
bool IsAuxiliaryDevice(const std::string& name) { return std::count(name.begin(), name.end(), '.') == 2; }

absl::Status NoFunction(const PciAddress& address, const std::string& folder) {
  return absl::NotFoundError(
      absl::StrCat("there is no PCI function ", address.ToString(), " (no ", folder, ")"));
}

}  // namespace

absl::StatusOr<std::string> SysfsPciBus::FolderOf(const PciAddress& address) const {
  std::string folder = absl::StrCat(devices_, "/", address.ToString());
  if (access(folder.c_str(), F_OK) != 0) return NoFunction(address, folder);
  return folder;
}

absl::StatusOr<std::string> SysfsPciBus::FolderOf(const FunctionId& subfunction) const {
  XPU_ASSIGN_OR_RETURN(const std::string parent, FolderOf(subfunction.pci));
  const std::string number = absl::StrCat(*subfunction.sf);
  for (const std::string& name : Names(parent)) {
    if (!IsAuxiliaryDevice(name)) continue;
    std::string folder = absl::StrCat(parent, "/", name);
    if (ReadTrimmed(folder + "/sfnum").value_or("") == number) return folder;
  }
  return absl::NotFoundError(
      absl::StrCat("there is no active subfunction ", subfunction.ToString(), " in ", parent));
}

absl::StatusOr<PciFunction> SysfsPciBus::Get(const PciAddress& address) {
  const std::string folder = absl::StrCat(devices_, "/", address.ToString());
  PciFunction function;
  function.address = address;
  auto vendor = ReadHex(folder + "/vendor");
  if (absl::IsNotFound(vendor.status())) return NoFunction(address, folder);
  if (!vendor.ok()) return vendor.status();
  function.vendor = static_cast<uint16_t>(*vendor);
  XPU_ASSIGN_OR_RETURN(const uint32_t device, ReadHex(folder + "/device"));
  function.device = static_cast<uint16_t>(device);
  XPU_ASSIGN_OR_RETURN(function.pci_class, ReadHex(folder + "/class"));
  function.driver = LinkedName(folder + "/driver");
  function.numa_node = ReadIntOr(folder + "/numa_node", -1);
  function.num_vfs = ReadIntOr(folder + "/sriov_numvfs", 0);
  function.total_vfs = ReadIntOr(folder + "/sriov_totalvfs", 0);
  if (auto vpd = ReadFile(folder + "/vpd"); vpd.ok()) function.serial = VpdSerial(*vpd);
  if (const std::string pf = LinkedName(folder + "/physfn"); !pf.empty()) {
    XPU_ASSIGN_OR_RETURN(function.physical_function, PciAddress::Parse(pf));
    function.vf_index = FindVfIndex(*function.physical_function, folder + "/physfn", address);
  }
  function.netdevs = Names(folder + "/net");
  function.link_type = LinkType(folder, function.netdevs);
  function.iommu_group = LinkedName(folder + "/iommu_group");
  function.vfio_node = VfioNode(folder, function);
  function.rdma_devices = Names(folder + "/infiniband");
  function.rdma_nodes = RdmaNodes(folder);
  return function;
}

absl::StatusOr<std::vector<Subfunction>> SysfsPciBus::Subfunctions(const PciAddress& parent) {
  XPU_ASSIGN_OR_RETURN(const std::string folder, FolderOf(parent));
  std::vector<Subfunction> found;
  for (const std::string& name : Names(folder)) {
    if (!IsAuxiliaryDevice(name)) continue;
    const std::string device = absl::StrCat(folder, "/", name);
    // The auxiliary devices of a driver's own parts have no number, nor has anything else in the folder.
    Subfunction subfunction;
    if (!absl::SimpleAtoi(ReadTrimmed(device + "/sfnum").value_or(""), &subfunction.number)) continue;
    subfunction.auxiliary_device = name;
    subfunction.driver = LinkedName(device + "/driver");
    subfunction.netdevs = Names(device + "/net");
    subfunction.rdma_devices = Names(device + "/infiniband");
    subfunction.rdma_nodes = RdmaNodes(device);
    found.push_back(std::move(subfunction));
  }
  std::sort(found.begin(), found.end(),
            [](const Subfunction& a, const Subfunction& b) { return a.number < b.number; });
  return found;
}

std::vector<std::string> SysfsPciBus::RdmaNodes(const std::string& folder) const {
  std::vector<std::string> nodes;
  // Verbs, and the management datagrams of umad and issm.
  for (const char* kind : {"infiniband_verbs", "infiniband_mad"}) {
    for (const std::string& name : Names(absl::StrCat(folder, "/", kind))) {
      nodes.push_back("/dev/infiniband/" + name);
    }
  }
  // The connection manager is one for all devices.
  if (!nodes.empty() && access((root_ + "/class/misc/rdma_cm").c_str(), F_OK) == 0) {
    nodes.emplace_back("/dev/infiniband/rdma_cm");
  }
  std::sort(nodes.begin(), nodes.end());
  return nodes;
}

absl::StatusOr<std::vector<std::string>> SysfsPciBus::Netdevs(const FunctionId& function) {
  if (function.sf) {
    XPU_ASSIGN_OR_RETURN(const std::string folder, FolderOf(function));
    return Names(folder + "/net");
  }
  const std::string folder = absl::StrCat(devices_, "/", function.pci.ToString());
  auto netdevs = ListDirectory(folder + "/net");
  if (netdevs.ok()) return netdevs;
  // There is no net/ while no driver is bound.
  XPU_RETURN_IF_ERROR(FolderOf(function.pci).status());
  return std::vector<std::string>();
}

absl::StatusOr<std::vector<PciFunction>> SysfsPciBus::List() {
  auto names = ListDirectory(devices_);
  if (!names.ok()) {
    return Annotate(names.status(), "cannot look at the PCI bus; is the path of sysfs right?");
  }
  std::vector<PciFunction> functions;
  for (const std::string& name : *names) {
    auto address = PciAddress::Parse(name);
    if (!address.ok()) continue;
    // The class first: other functions are none of our business, whatever their attributes look like.
    auto pci_class = ReadHex(absl::StrCat(devices_, "/", name, "/class"));
    if (absl::IsNotFound(pci_class.status())) continue;
    if (!pci_class.ok()) return pci_class.status();
    if (!IsNetworkClass(*pci_class)) continue;
    auto function = Get(*address);
    if (absl::IsNotFound(function.status())) continue;
    if (!function.ok()) return function.status();
    functions.push_back(*std::move(function));
  }
  return functions;
}

absl::Status SysfsPciBus::SetNumVfs(const PciAddress& physical_function, int count) {
  const std::string name = physical_function.ToString();
  const std::string folder = absl::StrCat(devices_, "/", name);
  if (auto total = ReadFile(folder + "/sriov_totalvfs"); absl::IsNotFound(total.status())) {
    return absl::NotFoundError(absl::StrCat(name, " is not there or can have no virtual functions"));
  }
  const int total = ReadIntOr(folder + "/sriov_totalvfs", 0);
  if (count < 0 || count > total) {
    return absl::OutOfRangeError(
        absl::StrCat(name, " can have 0 to ", total, " virtual functions, not ", count));
  }
  const absl::Status written = WriteExisting(folder + "/sriov_numvfs", absl::StrCat(count));
  if (absl::IsFailedPrecondition(written)) {  // EBUSY
    return absl::FailedPreconditionError(absl::StrCat(name, " has ", ReadIntOr(folder + "/sriov_numvfs", -1),
                                                      " virtual functions already; set 0 "
                                                      "first, when none of them is in use, and then ",
                                                      count));
  }
  return written;
}

absl::Status SysfsPciBus::BindDriver(const PciAddress& address, const std::string& driver) {
  XPU_ASSIGN_OR_RETURN(const std::string folder, FolderOf(address));
  const std::string what =
      absl::StrCat(driver.empty() ? "no driver" : "driver " + driver, " for ", address.ToString());
  auto overridden = ReadTrimmed(folder + "/driver_override");
  if (!overridden.ok()) {
    return absl::UnimplementedError(absl::StrCat(what, ": ", overridden.status().message()));
  }
  const std::string before = *overridden == kNoOverride ? "" : *overridden;
  const std::string current = LinkedName(folder + "/driver");
  if (current == driver && (!driver.empty() || before.empty())) return absl::OkStatus();
  if (!driver.empty() && access(absl::StrCat(bus_, "/drivers/", driver).c_str(), F_OK) != 0) {
    return absl::NotFoundError(absl::StrCat(what, ": it is not loaded; load its module"));
  }
  // The override first: once the function is free, any driver that is loaded at that moment may take it.
  absl::Status status = WriteExisting(folder + "/driver_override", driver + "\n");
  if (status.ok()) status = Rebind(address, folder, driver);
  if (status.ok()) return status;
  absl::Status undone = WriteExisting(folder + "/driver_override", before + "\n");
  if (undone.ok() && !current.empty()) undone = Rebind(address, folder, current);
  if (!undone.ok()) {
    status = absl::Status(status.code(), absl::StrCat(status.message(), "; and the one before, ", current,
                                                      ", does not have it again: ", undone.message()));
  }
  return Annotate(status, what);
}

absl::Status SysfsPciBus::Rebind(const PciAddress& address, const std::string& folder,
                                 const std::string& driver) const {
  const std::string bound = LinkedName(folder + "/driver");
  if (bound == driver) return absl::OkStatus();
  if (!bound.empty()) XPU_RETURN_IF_ERROR(WriteExisting(folder + "/driver/unbind", address.ToString()));
  if (driver.empty()) return absl::OkStatus();
  const absl::Status probed = WriteExisting(bus_ + "/drivers_probe", address.ToString());
  if (LinkedName(folder + "/driver") == driver) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("it did not take the function", probed.ok() ? "" : ": ",
                                                    probed.message(), "; the kernel's log may say why"));
}

absl::StatusOr<std::unique_ptr<PciBus::Monitor>> SysfsPciBus::MonitorFunctions(
    EventLoop& loop, std::function<void(const PciAddress& address, bool gone)> changed) {
  struct statfs about {};
  if (statfs(root_.c_str(), &about) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot watch ", root_));
  }
  return PciMonitor::Start(devices_, about.f_type == SYSFS_MAGIC, loop, std::move(changed));
}

}  // namespace xpu
