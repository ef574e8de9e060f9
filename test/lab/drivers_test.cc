// Drivers of virtual functions, and cards that come and go.

#include <sys/stat.h>

#include <set>
#include <string>

#include "common/sys/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/lab/card.h"
#include "test/lab/machine_monitor.h"
#include "test/lab/watch.h"

namespace xpu {
namespace {

using testing::Card;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::MachineMonitor;
using ::testing::SizeIs;
using testing::Watch;

PciFunction Must(Card& card, const PciAddress& address) {
  auto function = card.bus().Get(address);
  EXPECT_TRUE(function.ok()) << function.status();
  return function.value_or(PciFunction());
}

bool IsDevice(const std::string& path) {
  struct stat about {};
  return stat(path.c_str(), &about) == 0 && S_ISCHR(about.st_mode);
}

TEST(Drivers, AFunctionGoesToVfioPciAndBack) {
  Card card(2);
  const PciFunction before = Must(card, card.vf(0));
  EXPECT_EQ(before.driver, "igbvf");
  EXPECT_EQ(before.link_type, "ether");
  EXPECT_NE(before.iommu_group, "");
  EXPECT_EQ(before.vfio_node, "");
  EXPECT_NE(before.iommu_group, Must(card, card.vf(1)).iommu_group);

  ASSERT_TRUE(card.bus().BindDriver(card.vf(0), "vfio-pci").ok());
  const PciFunction bound = Must(card, card.vf(0));
  EXPECT_EQ(bound.driver, "vfio-pci");
  EXPECT_THAT(bound.netdevs, IsEmpty());
  EXPECT_EQ(bound.iommu_group, before.iommu_group);
  EXPECT_EQ(bound.vfio_node, "/dev/vfio/" + bound.iommu_group);
  EXPECT_TRUE(IsDevice(bound.vfio_node)) << bound.vfio_node;
  EXPECT_TRUE(card.bus().BindDriver(card.vf(0), "vfio-pci").ok()) << "what is so already is OK";
  EXPECT_EQ(Must(card, card.vf(1)).driver, "igbvf") << "the neighbour is left alone";

  ASSERT_TRUE(card.bus().BindDriver(card.vf(0), "igbvf").ok());
  const PciFunction back = Must(card, card.vf(0));
  EXPECT_EQ(back.driver, "igbvf");
  EXPECT_THAT(back.netdevs, SizeIs(1));
  EXPECT_EQ(back.vfio_node, "");
  EXPECT_FALSE(IsDevice(bound.vfio_node));

  ASSERT_TRUE(card.bus().BindDriver(card.vf(0), "").ok());
  EXPECT_EQ(Must(card, card.vf(0)).driver, "");
  EXPECT_EQ(*ReadTrimmed("/sys/bus/pci/devices/" + card.vf(0).ToString() + "/driver_override"), "(null)");
}

TEST(Drivers, OneThatIsNotLoadedIsNotFoundAndTheOneThatIsThereStays) {
  Card card(1);
  const absl::Status status = card.bus().BindDriver(card.vf(0), "no-such-driver");
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("no-such-driver"));
  EXPECT_EQ(Must(card, card.vf(0)).driver, "igbvf");
}

TEST(Drivers, OneThatDoesNotTakeItGivesItBackToTheOneBefore) {
  Card card(1);
  const absl::Status status = card.bus().BindDriver(card.vf(0), "virtio-pci");
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  const PciFunction function = Must(card, card.vf(0));
  EXPECT_EQ(function.driver, "igbvf");
  EXPECT_THAT(function.netdevs, SizeIs(1));
}

TEST(Drivers, ThePhysicalFunctionsOwnDriverMayGoAndCome) {
  Card card;
  ASSERT_TRUE(card.bus().BindDriver(card.pf(), "").ok());
  EXPECT_THAT(Must(card, card.pf()).netdevs, IsEmpty());
  ASSERT_TRUE(card.bus().BindDriver(card.pf(), "igb").ok());
  EXPECT_THAT(Must(card, card.pf()).netdevs, SizeIs(1));
  card.Find();
}

TEST(HotPlug, VirtualFunctionsAndTheirDriversAreHeardOf) {
  Card card;
  Watch watch(card.bus(), card.netlink());
  EXPECT_TRUE(watch.AwaitFunctions({card.pf()}));
  ASSERT_TRUE(card.bus().SetNumVfs(card.pf(), 2).ok());
  EXPECT_TRUE(watch.AwaitFunctions({card.pf(), card.vf(0), card.vf(1)}));
  watch.Mark();
  ASSERT_TRUE(card.bus().BindDriver(card.vf(1), "vfio-pci").ok());
  EXPECT_TRUE(watch.AwaitNewsOf(card.vf(1)));
  ASSERT_TRUE(card.bus().SetNumVfs(card.pf(), 0).ok());
  EXPECT_TRUE(watch.AwaitFunctions({card.pf()}));
}

TEST(HotPlug, ACardThatIsRemovedAndFoundAgainIsHeardOf) {
  Card card(3);
  Watch watch(card.bus(), card.netlink());
  EXPECT_TRUE(watch.AwaitFunctions({card.pf(), card.vf(0), card.vf(1), card.vf(2)}));
  ASSERT_TRUE(WriteExisting("/sys/bus/pci/devices/" + card.pf().ToString() + "/remove", "1").ok());
  EXPECT_TRUE(watch.AwaitFunctions({}));
  EXPECT_THAT(*card.bus().List(), IsEmpty());
  ASSERT_TRUE(WriteExisting("/sys/bus/pci/rescan", "1").ok());
  EXPECT_TRUE(watch.AwaitFunctions({card.pf()}));
  EXPECT_EQ(Must(card, card.pf()).num_vfs, 0);
  card.Find();
}

TEST(HotPlug, ACardThatIsPulledWithFunctionsBoundToVfioIsHeardOf) {
  Card card(2);
  auto machine = MachineMonitor::Open();
  ASSERT_TRUE(machine.ok()) << machine.status();
  ASSERT_TRUE(card.bus().BindDriver(card.vf(0), "vfio-pci").ok());
  Watch watch(card.bus(), card.netlink());
  EXPECT_TRUE(watch.AwaitFunctions({card.pf(), card.vf(0), card.vf(1)}));
  const absl::Status pulled = machine->Unplug(Card::kId);
  ASSERT_TRUE(pulled.ok()) << pulled;
  EXPECT_TRUE(watch.AwaitFunctions({}));
  EXPECT_TRUE(absl::IsNotFound(card.bus().Get(card.vf(0)).status()));
  const absl::Status put = machine->Plug(Card::kId, Card::kSlot, Card::kWire, Card::kMac);
  ASSERT_TRUE(put.ok()) << put;
  EXPECT_TRUE(watch.AwaitFunctions({card.pf()}));
  card.AwaitDriver(watch);
}

TEST(HotPlug, ACableThatIsPulledTakesTheCarrierAway) {
  Card card;
  auto machine = MachineMonitor::Open();
  ASSERT_TRUE(machine.ok()) << machine.status();
  const std::string name = Must(card, card.pf()).netdevs.at(0);
  Watch watch(card.bus(), card.netlink());
  EXPECT_TRUE(watch.AwaitCarrier(name, true));
  ASSERT_TRUE(machine->SetCable(Card::kId, false).ok());
  EXPECT_TRUE(watch.AwaitCarrier(name, false));
  ASSERT_TRUE(machine->SetCable(Card::kId, true).ok());
  EXPECT_TRUE(watch.AwaitCarrier(name, true));
}

}  // namespace
}  // namespace xpu
