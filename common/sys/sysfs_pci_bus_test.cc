// PciBus' contract on the fake (on the emulated card it is run beside that), and how sysfs is read.

#include "common/sys/sysfs_pci_bus.h"

#include <unistd.h>

#include <memory>
#include <string>

#include "common/sys/contract/pci_bus_contract.h"
#include "common/sys/contract/pci_driver_contract.h"
#include "common/sys/fake/fake_kernel.h"
#include "common/sys/files.h"
#include "common/sys/vpd.h"

namespace xpu {
namespace {

class FakeHarness final : public PciBusHarness {
 public:
  FakeHarness() { kernel_.AddCard(physical_function(), "p0", kTotalVfs); }
  PciBus& bus() override { return bus_; }
  PciAddress physical_function() override { return {0, 3, 0, 0}; }

 private:
  FakeKernel kernel_;
  FakePciBus bus_{kernel_};
};

std::unique_ptr<PciBusHarness> MakeFake() { return std::make_unique<FakeHarness>(); }
INSTANTIATE_TEST_SUITE_P(Fake, PciBusContract, ::testing::Values(&MakeFake));

class FakeDriverHarness final : public PciDriverHarness {
 public:
  FakeDriverHarness() {
    kernel_.AddCard({0, 3, 0, 0}, "p0", 8);
    EXPECT_TRUE(bus_.SetNumVfs({0, 3, 0, 0}, 2).ok());
  }
  PciBus& bus() override { return bus_; }
  PciAddress function() override { return {0, 3, 0, 3}; }

 private:
  FakeKernel kernel_;
  FakePciBus bus_{kernel_};
};

std::unique_ptr<PciDriverHarness> MakeFakeDrivers() { return std::make_unique<FakeDriverHarness>(); }
INSTANTIATE_TEST_SUITE_P(Fake, PciDriverContract, ::testing::Values(&MakeFakeDrivers));

// A sysfs of plain files.
class SysfsPciBusTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(MakeDirectories(folder_.path() + "/bus/pci/devices").ok()); }
  std::string Folder(const std::string& address) const {
    return folder_.path() + "/bus/pci/devices/" + address;
  }
  void Add(const std::string& address, const std::string& pci_class) {
    ASSERT_TRUE(MakeDirectories(Folder(address)).ok());
    Write(address, "vendor", "0x15b3\n");
    Write(address, "device", "0x101e\n");
    Write(address, "class", pci_class);
  }
  void Write(const std::string& address, const std::string& name, const std::string& text) {
    ASSERT_TRUE(WriteFileAtomic(Folder(address) + "/" + name, text).ok());
  }
  void Link(const std::string& target, const std::string& address, const std::string& name) {
    ASSERT_EQ(symlink(target.c_str(), (Folder(address) + "/" + name).c_str()), 0);
  }
  SysfsPciBus Bus() const { return SysfsPciBus(folder_.path()); }

  TemporaryDirectory folder_ = *TemporaryDirectory::Make();
};

TEST_F(SysfsPciBusTest, ReadsAllThatSysfsSays) {
  Add("0000:03:00.0", "0x020000\n");
  Add("0000:03:00.2", "0x020000\n");
  Write("0000:03:00.0", "sriov_totalvfs", "8\n");
  Write("0000:03:00.0", "sriov_numvfs", "1\n");
  Write("0000:03:00.0", "vpd", MakeVpd("card", "MT42"));
  Write("0000:03:00.2", "numa_node", "1\n");
  Link("../0000:03:00.2", "0000:03:00.0", "virtfn0");
  Link("../0000:03:00.0", "0000:03:00.2", "physfn");
  Link("../../../bus/pci/drivers/mlx5_core", "0000:03:00.2", "driver");
  ASSERT_TRUE(MakeDirectories(Folder("0000:03:00.2") + "/net/p0v0").ok());

  auto pf = Bus().Get({0, 3, 0, 0});
  ASSERT_TRUE(pf.ok()) << pf.status();
  EXPECT_EQ(pf->vendor, 0x15b3);
  EXPECT_EQ(pf->serial, "MT42");
  EXPECT_EQ(pf->num_vfs, 1);
  EXPECT_EQ(pf->total_vfs, 8);
  EXPECT_EQ(pf->driver, "");
  EXPECT_EQ(pf->numa_node, -1);
  auto vf = Bus().Get({0, 3, 0, 2});
  ASSERT_TRUE(vf.ok()) << vf.status();
  EXPECT_EQ(vf->device, 0x101e);
  EXPECT_EQ(vf->driver, "mlx5_core");
  EXPECT_EQ(vf->numa_node, 1);
  EXPECT_EQ(vf->physical_function, (PciAddress{0, 3, 0, 0}));
  EXPECT_EQ(vf->vf_index, 0);
  EXPECT_THAT(vf->netdevs, ::testing::ElementsAre("p0v0"));
}

TEST_F(SysfsPciBusTest, ReadsWhatAContainerNeedsOfTheFunction) {
  Add("0000:03:00.2", "0x020000\n");
  Link("../../../../kernel/iommu_groups/42", "0000:03:00.2", "iommu_group");
  Link("../../../bus/pci/drivers/mlx5_core", "0000:03:00.2", "driver");
  ASSERT_TRUE(MakeDirectories(Folder("0000:03:00.2") + "/net/p0v0").ok());
  Write("0000:03:00.2", "net/p0v0/type", "1\n");
  for (const char* folder :
       {"infiniband/mlx5_2", "infiniband_verbs/uverbs2", "infiniband_mad/umad2", "infiniband_mad/issm2"}) {
    ASSERT_TRUE(MakeDirectories(Folder("0000:03:00.2") + "/" + folder).ok());
  }
  PciFunction vf = *Bus().Get({0, 3, 0, 2});
  EXPECT_EQ(vf.iommu_group, "42");
  EXPECT_EQ(vf.vfio_node, "") << "no VFIO driver holds it";
  EXPECT_EQ(vf.link_type, "ether");
  EXPECT_THAT(vf.rdma_devices, ::testing::ElementsAre("mlx5_2"));
  EXPECT_THAT(vf.rdma_nodes, ::testing::ElementsAre("/dev/infiniband/issm2", "/dev/infiniband/umad2",
                                                    "/dev/infiniband/uverbs2"));
  ASSERT_TRUE(MakeDirectories(folder_.path() + "/class/misc/rdma_cm").ok());
  Write("0000:03:00.2", "net/p0v0/type", "32\n");
  vf = *Bus().Get({0, 3, 0, 2});
  EXPECT_EQ(vf.link_type, "infiniband");
  EXPECT_THAT(vf.rdma_nodes, ::testing::Contains("/dev/infiniband/rdma_cm"));
}

TEST_F(SysfsPciBusTest, KnowsTheNodeOfAVfioGroupWithAndWithoutAnIommu) {
  ASSERT_TRUE(MakeDirectories(folder_.path() + "/kernel/iommu_groups/7").ok());
  Add("0000:03:00.2", "0x020000\n");
  Link("../../../../kernel/iommu_groups/7", "0000:03:00.2", "iommu_group");
  Link("../../../bus/pci/drivers/vfio-pci", "0000:03:00.2", "driver");
  EXPECT_EQ(Bus().Get({0, 3, 0, 2})->vfio_node, "/dev/vfio/7");
  ASSERT_TRUE(WriteFileAtomic(folder_.path() + "/kernel/iommu_groups/7/name", "vfio-noiommu\n").ok());
  EXPECT_EQ(Bus().Get({0, 3, 0, 2})->vfio_node, "/dev/vfio/noiommu-7");
}

TEST_F(SysfsPciBusTest, FindsSubfunctionsByNumberWhateverTheyAreCalled) {
  Add("0000:03:00.0", "0x020000\n");
  for (const char* folder : {"mlx5_core.eth.0", "mlx5_core.sf.4/net/en3f0pf0sf88", "mlx5_core.sf.2",
                             "mlx5_core.sf.4/infiniband/mlx5_4", "mlx5_core.sf.4/infiniband_verbs/uverbs4"}) {
    ASSERT_TRUE(MakeDirectories(Folder("0000:03:00.0") + "/" + folder).ok());
  }
  Write("0000:03:00.0", "mlx5_core.sf.4/sfnum", "88\n");
  Write("0000:03:00.0", "mlx5_core.sf.2/sfnum", "99\n");
  Link("../../../../bus/auxiliary/drivers/mlx5_core.sf", "0000:03:00.0", "mlx5_core.sf.4/driver");
  const std::vector<Subfunction> found = *Bus().Subfunctions({0, 3, 0, 0});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].number, 88u);
  EXPECT_EQ(found[0].auxiliary_device, "mlx5_core.sf.4");
  EXPECT_EQ(found[0].driver, "mlx5_core.sf");
  EXPECT_THAT(found[0].netdevs, ::testing::ElementsAre("en3f0pf0sf88"));
  EXPECT_THAT(found[0].rdma_devices, ::testing::ElementsAre("mlx5_4"));
  EXPECT_THAT(found[0].rdma_nodes, ::testing::ElementsAre("/dev/infiniband/uverbs4"));
  EXPECT_EQ(found[1].number, 99u);
  EXPECT_THAT(found[1].netdevs, ::testing::IsEmpty());
  EXPECT_THAT(*Bus().Netdevs(FunctionId({0, 3, 0, 0}, 88)), ::testing::ElementsAre("en3f0pf0sf88"));
  EXPECT_TRUE(absl::IsNotFound(Bus().Netdevs(FunctionId({0, 3, 0, 0}, 77)).status()));
}

TEST_F(SysfsPciBusTest, BindsThroughTheOverrideAndPutsItBackIfTheDriverDoesNotTakeTheFunction) {
  Add("0000:03:00.2", "0x020000\n");
  Write("0000:03:00.2", "driver_override", "(null)\n");
  const std::string probe = folder_.path() + "/bus/pci/drivers_probe";
  ASSERT_TRUE(WriteFileAtomic(probe, "").ok());
  ASSERT_TRUE(MakeDirectories(folder_.path() + "/bus/pci/drivers/vfio-pci").ok());
  // Plain files bind nothing.
  const absl::Status status = Bus().BindDriver({0, 3, 0, 2}, "vfio-pci");
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(status.message(), ::testing::HasSubstr("driver vfio-pci for 0000:03:00.2"));
  EXPECT_EQ(*ReadFile(probe), "0000:03:00.2");
  EXPECT_EQ(*ReadFile(Folder("0000:03:00.2") + "/driver_override"), "\n");
}

TEST_F(SysfsPciBusTest, ASysfsWithoutOverridesSaysSo) {
  Add("0000:03:00.2", "0x020000\n");
  EXPECT_TRUE(absl::IsUnimplemented(Bus().BindDriver({0, 3, 0, 2}, "vfio-pci")));
}

TEST_F(SysfsPciBusTest, ListsEthernetAndInfinibandOnlyAndInOrder) {
  Add("0000:81:00.0", "0x020000\n");
  Add("0000:03:00.0", "0x020000\n");
  Add("0000:00:1f.2", "0x010601\n");
  Add("0000:04:00.0", "0x020700\n");
  Add("0000:05:00.0", "0x028000\n");
  auto functions = Bus().List();
  ASSERT_TRUE(functions.ok());
  ASSERT_EQ(functions->size(), 3u);
  EXPECT_EQ((*functions)[0].address.ToString(), "0000:03:00.0");
  EXPECT_EQ((*functions)[1].address.ToString(), "0000:04:00.0");
  EXPECT_EQ((*functions)[2].address.ToString(), "0000:81:00.0");
}

TEST_F(SysfsPciBusTest, AFunctionThatIsVanishingIsLeftOut) {
  Add("0000:03:00.0", "0x020000\n");
  ASSERT_TRUE(MakeDirectories(Folder("0000:03:00.2")).ok());
  EXPECT_EQ(Bus().List()->size(), 1u);
}

TEST_F(SysfsPciBusTest, DamagedAttributesAreAnErrorThatNamesThem) {
  Add("0000:03:00.0", "0x020000\n");
  Write("0000:03:00.0", "vendor", "mellanox\n");
  const absl::Status status = Bus().List().status();
  EXPECT_TRUE(absl::IsInternal(status)) << status;
  EXPECT_THAT(status.message(), ::testing::HasSubstr("0000:03:00.0/vendor holds 'mellanox'"));
}

TEST_F(SysfsPciBusTest, AWrongRootIsAnErrorThatNamesIt) {
  const absl::Status status = SysfsPciBus("/no/sysfs").List().status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(status.message(), ::testing::HasSubstr("/no/sysfs/bus/pci/devices"));
}

TEST(VirtualFunctionAddress, StepsThroughFunctionsDevicesAndBuses) {
  const PciAddress pf{0, 3, 0, 0};
  EXPECT_EQ(VirtualFunctionAddress(pf, 2, 1, 0).ToString(), "0000:03:00.2");
  EXPECT_EQ(VirtualFunctionAddress(pf, 2, 1, 5).ToString(), "0000:03:00.7");
  EXPECT_EQ(VirtualFunctionAddress(pf, 2, 1, 6).ToString(), "0000:03:01.0");
  EXPECT_EQ(VirtualFunctionAddress(pf, 2, 1, 254).ToString(), "0000:04:00.0");
  EXPECT_EQ(VirtualFunctionAddress(pf, 128, 2, 1).ToString(), "0000:03:10.2");
}

}  // namespace
}  // namespace xpu
