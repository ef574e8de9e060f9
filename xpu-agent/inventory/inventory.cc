#include "xpu-agent/inventory/inventory.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/pci_address.h"
#include "common/sys/files.h"
#include "opi/inventory/v1/inventory.grpc.pb.h"

namespace xpu {
namespace {

namespace inventory = opi_api::inventory::v1;

std::string ReadOr(const std::string& path, std::string otherwise = "") {
  return ReadTrimmed(path).value_or(std::move(otherwise));
}

std::vector<std::string> Names(const std::string& folder) {
  return ListDirectory(folder).value_or(std::vector<std::string>());
}

void ReadSmbios(const std::string& dmi, inventory::Inventory* out) {
  const auto read = [&dmi](const char* name) { return ReadOr(absl::StrCat(dmi, "/", name)); };
  inventory::BIOSInfo& bios = *out->mutable_bios();
  bios.set_vendor(read("bios_vendor"));
  bios.set_version(read("bios_version"));
  bios.set_date(read("bios_date"));
  inventory::SystemInfo& system = *out->mutable_system();
  system.set_family(read("product_family"));
  system.set_name(read("product_name"));
  system.set_vendor(read("sys_vendor"));
  system.set_serial_number(read("product_serial"));
  system.set_uuid(read("product_uuid"));
  system.set_sku(read("product_sku"));
  system.set_version(read("product_version"));
  inventory::BaseboardInfo& board = *out->mutable_baseboard();
  board.set_asset_tag(read("board_asset_tag"));
  board.set_serial_number(read("board_serial"));
  board.set_vendor(read("board_vendor"));
  board.set_version(read("board_version"));
  board.set_product(read("board_name"));
  inventory::ChassisInfo& chassis = *out->mutable_chassis();
  chassis.set_asset_tag(read("chassis_asset_tag"));
  chassis.set_serial_number(read("chassis_serial"));
  chassis.set_vendor(read("chassis_vendor"));
  chassis.set_version(read("chassis_version"));
  chassis.set_type(read("chassis_type"));
  int type = 0;
  if (absl::SimpleAtoi(chassis.type(), &type)) chassis.set_type_description(ChassisTypeName(type));
}

void ReadProcessors(const std::string& cpus, inventory::CPUInfo* out) {
  std::set<std::pair<std::string, std::string>> cores;
  uint32_t threads = 0;
  for (const std::string& name : Names(cpus)) {
    absl::string_view number = name;
    int index = 0;
    if (!absl::ConsumePrefix(&number, "cpu") || !absl::SimpleAtoi(number, &index)) continue;
    // One that is switched off has no topology.
    const std::string topology = absl::StrCat(cpus, "/", name, "/topology");
    const std::string core = ReadOr(topology + "/core_id");
    if (core.empty()) continue;
    ++threads;
    cores.emplace(ReadOr(topology + "/physical_package_id"), core);
  }
  out->set_total_cores(static_cast<uint32_t>(cores.size()));
  out->set_total_threads(threads);
}

void ReadMemory(const InventoryPaths& paths, inventory::MemoryInfo* out) {
  for (absl::string_view line : absl::StrSplit(ReadFile(paths.procfs + "/meminfo").value_or(""), '\n')) {
    int64_t kib = 0;
    if (!absl::ConsumePrefix(&line, "MemTotal:") || !absl::ConsumeSuffix(&line, "kB")) continue;
    if (absl::SimpleAtoi(line, &kib)) out->set_total_usable_bytes(kib * 1024);
  }
  // Documentation/ABI/testing/sysfs-devices-memory; not every machine has it.
  const std::string memory = paths.sysfs + "/devices/system/memory";
  uint64_t block = 0;
  int64_t blocks = 0;
  if (absl::SimpleHexAtoi(ReadOr(memory + "/block_size_bytes"), &block)) {
    for (const std::string& name : Names(memory)) {
      if (ReadOr(absl::StrCat(memory, "/", name, "/state")) == "online") ++blocks;
    }
  }
  const int64_t physical = blocks * static_cast<int64_t>(block);
  out->set_total_physical_bytes(std::max(physical, out->total_usable_bytes()));
}

// "15b3" of "0x15b3"; empty if it is not there.
std::string Hex(const std::string& path) {
  const std::string text = ReadOr(path);
  return std::string(absl::StripPrefix(text, "0x"));
}

// A device in numbers, which are the keys of its names.
struct PciDevice {
  std::string address, driver, vendor, device, revision, subsystem, pci_class, subclass;
};

std::vector<PciDevice> ReadPci(const std::string& devices) {
  std::vector<PciDevice> found;
  for (const std::string& name : Names(devices)) {
    if (!PciAddress::Parse(name).ok()) continue;
    const std::string folder = absl::StrCat(devices, "/", name);
    PciDevice& device = found.emplace_back();
    device.address = name;
    const std::string driver = ReadSymlink(folder + "/driver").value_or("");
    device.driver = driver.substr(driver.rfind('/') + 1);
    device.vendor = Hex(folder + "/vendor");
    device.device = absl::StrCat(device.vendor, "/", Hex(folder + "/device"));
    device.revision = Hex(folder + "/revision");
    const std::string subsystem = Hex(folder + "/subsystem_vendor");
    if (!subsystem.empty()) {
      device.subsystem = absl::StrCat(device.device, "/", subsystem, " ", Hex(folder + "/subsystem_device"));
    }
    // Class, subclass and interface in two digits each.
    const std::string pci_class = Hex(folder + "/class");
    if (pci_class.size() != 6) continue;
    device.pci_class = absl::StrCat("C ", pci_class.substr(0, 2));
    device.subclass = absl::StrCat(device.pci_class, "/", pci_class.substr(2, 2));
  }
  return found;
}

void ShowPci(const std::vector<PciDevice>& devices, const std::vector<std::string>& lists,
             inventory::Inventory* out) {
  std::set<std::string> wanted;
  for (const PciDevice& device : devices) {
    wanted.insert({device.vendor, device.device, device.subsystem, device.pci_class, device.subclass});
  }
  std::map<std::string, std::string> names;
  for (const std::string& path : lists) {
    const auto list = ReadFile(path);
    if (!list.ok()) continue;
    names = FindPciNames(*list, wanted);
    break;
  }
  const auto name = [&names](const std::string& key) {
    const auto known = names.find(key);
    return known != names.end() ? known->second : key.substr(key.find_last_of("/") + 1);
  };
  for (const PciDevice& device : devices) {
    inventory::PCIeDeviceInfo& shown = *out->add_pci();
    shown.set_address(device.address);
    shown.set_driver(device.driver);
    shown.set_vendor(name(device.vendor));
    shown.set_product(name(device.device));
    shown.set_revision(device.revision);
    shown.set_subsystem(name(device.subsystem));
    shown.set_class_(std::string(absl::StripPrefix(name(device.pci_class), "C ")));
    shown.set_subclass(name(device.subclass));
  }
}

class InventoryServiceImpl final : public inventory::InventoryService::CallbackService {
 public:
  explicit InventoryServiceImpl(InventoryPaths paths) : paths_(std::move(paths)) {}
  grpc::ServerUnaryReactor* GetInventory(grpc::CallbackServerContext* context,
                                         const inventory::GetInventoryRequest*,
                                         inventory::Inventory* answer) override {
    *answer = ReadInventory(paths_);
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  const InventoryPaths paths_;
};

}  // namespace

std::string ChassisTypeName(int type) {
  static constexpr std::array<const char*, 37> kNames = {"",
                                                         "Other",
                                                         "Unknown",
                                                         "Desktop",
                                                         "Low Profile Desktop",
                                                         "Pizza Box",
                                                         "Mini Tower",
                                                         "Tower",
                                                         "Portable",
                                                         "Laptop",
                                                         "Notebook",
                                                         "Hand Held",
                                                         "Docking Station",
                                                         "All in One",
                                                         "Sub Notebook",
                                                         "Space-saving",
                                                         "Lunch Box",
                                                         "Main Server Chassis",
                                                         "Expansion Chassis",
                                                         "SubChassis",
                                                         "Bus Expansion Chassis",
                                                         "Peripheral Chassis",
                                                         "RAID Chassis",
                                                         "Rack Mount Chassis",
                                                         "Sealed-case PC",
                                                         "Multi-system chassis",
                                                         "Compact PCI",
                                                         "Advanced TCA",
                                                         "Blade",
                                                         "Blade Enclosure",
                                                         "Tablet",
                                                         "Convertible",
                                                         "Detachable",
                                                         "IoT Gateway",
                                                         "Embedded PC",
                                                         "Mini PC",
                                                         "Stick PC"};
  // The highest bit tells of a lock.
  const size_t index = static_cast<size_t>(type) & 0x7f;
  return index < kNames.size() ? kNames[index] : "";
}

std::map<std::string, std::string> FindPciNames(absl::string_view list, const std::set<std::string>& wanted) {
  std::map<std::string, std::string> found;
  // What the lines with one and with no tab before this one were.
  std::string top;
  std::string middle;
  for (absl::string_view line : absl::StrSplit(list, '\n')) {
    if (line.empty() || line.front() == '#') continue;
    const size_t depth = line.find_first_not_of('\t');
    if (depth == absl::string_view::npos || depth > 2) continue;
    line.remove_prefix(depth);
    // Two spaces part a number from its name.
    const size_t gap = line.find("  ");
    if (gap == absl::string_view::npos) continue;
    const absl::string_view number = line.substr(0, gap);
    std::string key;
    if (depth == 0) {
      key = top = std::string(number);
    } else if (depth == 1) {
      key = middle = absl::StrCat(top, "/", number);
    } else {
      key = absl::StrCat(middle, "/", number);
    }
    if (wanted.contains(key)) found[key] = std::string(absl::StripAsciiWhitespace(line.substr(gap)));
  }
  return found;
}

inventory::Inventory ReadInventory(const InventoryPaths& paths) {
  inventory::Inventory out;
  ReadSmbios(paths.sysfs + "/class/dmi/id", &out);
  ReadProcessors(paths.sysfs + "/devices/system/cpu", out.mutable_processor());
  ReadMemory(paths, out.mutable_memory());
  ShowPci(ReadPci(paths.sysfs + "/bus/pci/devices"), paths.pci_ids, &out);
  return out;
}

std::unique_ptr<grpc::Service> MakeInventoryService(const InventoryPaths& paths) {
  return std::make_unique<InventoryServiceImpl>(paths);
}

}  // namespace xpu
