#include "common/sys/sysfs_pci_bus.h"

#include <unistd.h>

#include <cerrno>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/status_macros.h"
#include "common/sys/files.h"
#include "common/sys/vpd.h"

namespace xpu {
namespace {

constexpr uint32_t kEthernetClass = 0x0200;

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

// The index of VF `address` at the physical function whose folder is `pf`; -1 if it is not there.
int FindVfIndex(const std::string& pf, const std::string& address) {
  auto names = ListDirectory(pf);
  if (!names.ok()) return -1;
  for (const std::string& name : *names) {
    absl::string_view number = name;
    int index = -1;
    if (!absl::ConsumePrefix(&number, "virtfn") || !absl::SimpleAtoi(number, &index)) continue;
    if (LinkedName(absl::StrCat(pf, "/", name)) == address) return index;
  }
  return -1;
}

absl::Status NoFunction(const PciAddress& address, const std::string& folder) {
  return absl::NotFoundError(
      absl::StrCat("there is no PCI function ", address.ToString(), " (no ", folder, ")"));
}

}  // namespace

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
    function.vf_index = FindVfIndex(folder + "/physfn", address.ToString());
  }
  XPU_ASSIGN_OR_RETURN(function.netdevs, Netdevs(address));
  return function;
}

absl::StatusOr<std::vector<std::string>> SysfsPciBus::Netdevs(const PciAddress& address) {
  const std::string folder = absl::StrCat(devices_, "/", address.ToString());
  auto netdevs = ListDirectory(folder + "/net");
  if (netdevs.ok()) return netdevs;
  if (access(folder.c_str(), F_OK) != 0) return NoFunction(address, folder);
  // There is no net/ while no driver is bound.
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
    if (*pci_class >> 8 != kEthernetClass) continue;
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

}  // namespace xpu
