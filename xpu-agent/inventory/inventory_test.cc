#include "xpu-agent/inventory/inventory.h"

#include <filesystem>
#include <fstream>
#include <optional>

#include "common/sys/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "opi/inventory/v1/inventory.pb.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr char kPciIds[] =
    "# a list\n"
    "15b3  Mellanox Technologies\n"
    "\ta2d6  MT42822 BlueField-2 integrated ConnectX-6 Dx network controller\n"
    "\t\t15b3 0061  BlueField-2 DPU\n"
    "\t1017  MT27800 Family [ConnectX-5]\n"
    "8086  Intel Corporation\n"
    "\t1017  Another Device\n"
    "C 02  Network controller\n"
    "\t00  Ethernet controller\n"
    "\t07  Infiniband controller\n"
    "C 06  Bridge\n"
    "\t00  Host bridge\n";

TEST(FindPciNamesTest, TellsEqualNumbersApartByWhatStandsAbove) {
  EXPECT_THAT(FindPciNames(kPciIds, {"15b3", "8086/1017", "15b3/a2d6/15b3 0061", "C 06/00", "C 02", "dead"}),
              ElementsAre(Pair("15b3", "Mellanox Technologies"),
                          Pair("15b3/a2d6/15b3 0061", "BlueField-2 DPU"), Pair("8086/1017", "Another Device"),
                          Pair("C 02", "Network controller"), Pair("C 06/00", "Host bridge")));
}

TEST(FindPciNamesTest, TakesAnyText) {
  EXPECT_THAT(FindPciNames("", {"15b3"}), IsEmpty());
  EXPECT_THAT(FindPciNames("\t\t\t\n15b3\n\t\n  \n\x01\xff", {"15b3", ""}), ElementsAre(Pair("", "")));
}

TEST(ChassisTypeNameTest, IsOfTheSpecification) {
  EXPECT_EQ(ChassisTypeName(23), "Rack Mount Chassis");
  EXPECT_EQ(ChassisTypeName(23 | 0x80), "Rack Mount Chassis");
  EXPECT_EQ(ChassisTypeName(36), "Stick PC");
  for (const int unknown : {0, 37, 127}) EXPECT_EQ(ChassisTypeName(unknown), "") << unknown;
}

class InventoryTest : public ::testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path full = folder_->path() + "/" + path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text << "\n";
  }
  InventoryPaths Paths() {
    return {.sysfs = folder_->path() + "/sys",
            .procfs = folder_->path() + "/proc",
            .pci_ids = {folder_->path() + "/none", folder_->path() + "/pci.ids"}};
  }
  absl::StatusOr<TemporaryDirectory> folder_ = TemporaryDirectory::Make();
};

TEST_F(InventoryTest, OfAMachineThatTellsNothingIsEmpty) {
  const auto inventory = ReadInventory(Paths());
  EXPECT_EQ(inventory.processor().total_threads(), 0u);
  EXPECT_EQ(inventory.memory().total_physical_bytes(), 0);
  EXPECT_EQ(inventory.pci_size(), 0);
  EXPECT_EQ(inventory.system().serial_number(), "");
}

TEST_F(InventoryTest, ReadsWhatTheKernelShows) {
  Write("sys/class/dmi/id/bios_vendor", "https://www.mellanox.com");
  Write("sys/class/dmi/id/product_name", "BlueField SoC");
  Write("sys/class/dmi/id/product_serial", "MT2042X00001");
  Write("sys/class/dmi/id/board_name", "Blue Board");
  Write("sys/class/dmi/id/chassis_type", "1");
  for (int cpu = 0; cpu < 4; ++cpu) {
    const std::string topology = absl::StrCat("sys/devices/system/cpu/cpu", cpu, "/topology/");
    Write(topology + "core_id", absl::StrCat(cpu / 2));
    Write(topology + "physical_package_id", "0");
  }
  // Switched off, and no processor.
  Write("sys/devices/system/cpu/cpu4/online", "0");
  Write("sys/devices/system/cpu/cpufreq/topology/core_id", "9");
  Write("proc/meminfo", "MemFree: 1 kB\nMemTotal:       16265320 kB");
  Write("sys/devices/system/memory/block_size_bytes", "8000000");
  for (int block = 0; block < 128; ++block) {
    Write(absl::StrCat("sys/devices/system/memory/memory", block, "/state"),
          block == 127 ? "offline" : "online");
  }
  const auto inventory = ReadInventory(Paths());
  EXPECT_EQ(inventory.bios().vendor(), "https://www.mellanox.com");
  EXPECT_EQ(inventory.system().name(), "BlueField SoC");
  EXPECT_EQ(inventory.system().serial_number(), "MT2042X00001");
  EXPECT_EQ(inventory.baseboard().product(), "Blue Board");
  EXPECT_EQ(inventory.chassis().type(), "1");
  EXPECT_EQ(inventory.chassis().type_description(), "Other");
  EXPECT_EQ(inventory.processor().total_cores(), 2u);
  EXPECT_EQ(inventory.processor().total_threads(), 4u);
  EXPECT_EQ(inventory.memory().total_usable_bytes(), int64_t{16265320} * 1024);
  EXPECT_EQ(inventory.memory().total_physical_bytes(), int64_t{127} * 0x8000000);
}

TEST_F(InventoryTest, NamesPciDevicesWhereItCan) {
  Write("pci.ids", kPciIds);
  const std::string first = "sys/bus/pci/devices/0000:03:00.0/";
  for (const auto& [name, text] : std::map<std::string, std::string>{{"vendor", "0x15b3"},
                                                                     {"device", "0xa2d6"},
                                                                     {"revision", "0x01"},
                                                                     {"subsystem_vendor", "0x15b3"},
                                                                     {"subsystem_device", "0x0061"},
                                                                     {"class", "0x020000"}}) {
    Write(first + name, text);
  }
  std::filesystem::create_symlink("../../../bus/pci/drivers/mlx5_core",
                                  folder_->path() + "/" + first + "driver");
  const std::string second = "sys/bus/pci/devices/0000:04:00.0/";
  Write(second + "vendor", "0xabcd");
  Write(second + "device", "0x0001");
  Write(second + "class", "0xff0000");
  const auto inventory = ReadInventory(Paths());
  ASSERT_EQ(inventory.pci_size(), 2);
  EXPECT_EQ(inventory.pci(0).address(), "0000:03:00.0");
  EXPECT_EQ(inventory.pci(0).driver(), "mlx5_core");
  EXPECT_EQ(inventory.pci(0).vendor(), "Mellanox Technologies");
  EXPECT_EQ(inventory.pci(0).product(), "MT42822 BlueField-2 integrated ConnectX-6 Dx network controller");
  EXPECT_EQ(inventory.pci(0).revision(), "01");
  EXPECT_EQ(inventory.pci(0).subsystem(), "BlueField-2 DPU");
  EXPECT_EQ(inventory.pci(0).class_(), "Network controller");
  EXPECT_EQ(inventory.pci(0).subclass(), "Ethernet controller");
  EXPECT_EQ(inventory.pci(1).vendor(), "abcd");
  EXPECT_EQ(inventory.pci(1).product(), "0001");
  EXPECT_EQ(inventory.pci(1).class_(), "ff");
  EXPECT_EQ(inventory.pci(1).subclass(), "00");
  EXPECT_EQ(inventory.pci(1).driver(), "");
}

}  // namespace
}  // namespace xpu
