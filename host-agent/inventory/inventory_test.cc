#include "host-agent/inventory/inventory.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/inventory/inventory_testing.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(InventoryTest, ListsTheVirtualFunctionsOfItsCards) {
  kernel_.AddCard(PciAddress{0, 9, 0, 0}, "other", 2);
  ASSERT_TRUE(bus_.SetNumVfs(PciAddress{0, 9, 0, 0}, 2).ok());
  ASSERT_TRUE(inventory_->Refresh().ok());
  const std::vector<HostFunction> list = inventory_->List();
  ASSERT_THAT(list, SizeIs(4));
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(list[i].id, vfs_[i]);
    EXPECT_EQ(list[i].pf, kPf);
    EXPECT_EQ(list[i].card, "card0");
    EXPECT_EQ(list[i].index, i);
    EXPECT_EQ(list[i].port, absl::StrCat("host0-", i));
    EXPECT_TRUE(list[i].healthy) << list[i].reason;
  }
}

TEST_F(InventoryTest, FindNamesTheCardsWhenThereIsNoSuchFunction) {
  ASSERT_TRUE(inventory_->Refresh().ok());
  EXPECT_EQ(inventory_->Find(vfs_[2])->index, 2);
  for (const PciAddress& other : {kPf, PciAddress{0, 0x77, 0, 0}}) {
    const auto found = inventory_->Find(other);
    EXPECT_EQ(found.status().code(), absl::StatusCode::kNotFound);
    EXPECT_THAT(std::string(found.status().message()), HasSubstr("card0 (0000:03:00.0)"));
  }
}

TEST_F(InventoryTest, AnErrorOfTheBusLeavesWhatIsKnown) {
  ASSERT_TRUE(inventory_->Refresh().ok());
  kernel_.faults().FailCall("List", 1, absl::InternalError("I/O"));
  EXPECT_FALSE(inventory_->Refresh().ok());
  EXPECT_THAT(inventory_->List(), SizeIs(4));
}

TEST_F(InventoryTest, AMoveIntoAPodChangesNothing) {
  ASSERT_TRUE(inventory_->Refresh().ok());
  Follow();
  Waiter waiter(*inventory_);
  SetClaim(vfs_[0], ClaimHealth{.claimed = true});
  const auto pod = kernel_.AddNamespace("/run/netns/pod");
  LinkChange move;
  move.net_namespace = pod;
  ASSERT_TRUE(netlink_->ChangeLink(netlink_->GetLink(bus_.Get(vfs_[0])->netdevs.at(0))->ifindex, move).ok());
  // An event that comes after the move's own.
  kernel_.UnplugLink(MacOf(vfs_[1]));
  ASSERT_TRUE(waiter.WaitFor(IsHealthy(vfs_[1], false)));
  EXPECT_TRUE(inventory_->Find(vfs_[0])->healthy);
  EXPECT_EQ(waiter.times(), 3) << "at first, of the claim and of the other function";
}

TEST_F(InventoryTest, PodsThatComeAndGoReadNothing) {
  ASSERT_TRUE(inventory_->Refresh().ok());
  Follow();
  Waiter waiter(*inventory_);
  // What is read at the start is through, but for one time, once a later change has been read.
  ASSERT_TRUE(bus_.BindDriver(vfs_[3], "vfio-pci").ok());
  ASSERT_TRUE(waiter.WaitFor([this](const auto& list) { return list.at(3).driver == "vfio-pci"; }));
  const Link home = *netlink_->GetLink(bus_.Get(vfs_[0])->netdevs.at(0));
  kernel_.faults().Clear();
  const int told = waiter.times();
  constexpr int kPods = 5;
  for (int i = 0; i < kPods; ++i) {
    SetClaim(vfs_[0], ClaimHealth{.claimed = true});
    const auto pod = kernel_.AddNamespace(absl::StrCat("/run/netns/pod", i));
    LinkChange move;
    move.net_namespace = pod;
    ASSERT_TRUE(netlink_->ChangeLink(netlink_->GetLink(home.name)->ifindex, move).ok());
    LinkChange back;
    back.net_namespace = kernel_.root();
    auto there = *factory_.Open(pod);
    ASSERT_TRUE(there->ChangeLink(there->GetLink(home.name)->ifindex, back).ok());
    loop_.PostAndWait([] {});
    SetClaim(vfs_[0], std::nullopt);
    // Of other kinds than the cards' interfaces are.
    ASSERT_TRUE(netlink_
                    ->CreateVeth(absl::StrCat("veth", i), MacAddress({2, 0, 0, 0, 1, 1}), "eth0",
                                 MacAddress({2, 0, 0, 0, 1, 2}), pod)
                    .ok());
  }
  // An event that comes after all of these.
  kernel_.UnplugLink(MacOf(vfs_[1]));
  ASSERT_TRUE(waiter.WaitFor(IsHealthy(vfs_[1], false)));
  EXPECT_LE(kernel_.faults().Calls("List"), 1);
  EXPECT_LE(kernel_.faults().Calls("Get"), 2) << "of the function that is gone, and the test's own";
  EXPECT_EQ(waiter.times(), told + 2 * kPods + 1) << "of each claim and its end";
  EXPECT_TRUE(Healthy(vfs_[0]));
}

TEST_F(InventoryTest, AFunctionThatVanishesStaysListedAsNotHealthy) {
  ASSERT_TRUE(inventory_->Refresh().ok());
  Follow();
  Waiter waiter(*inventory_);
  kernel_.RemovePciFunction(vfs_[3]);
  ASSERT_TRUE(waiter.WaitFor(IsHealthy(vfs_[3], false)));
  EXPECT_THAT(inventory_->Find(vfs_[3])->reason, HasSubstr("gone from the PCI bus"));
}

TEST_F(InventoryTest, FunctionsThatAreMadeLaterAreFound) {
  ASSERT_TRUE(bus_.SetNumVfs(kPf, 0).ok());
  ASSERT_TRUE(inventory_->Refresh().ok());
  EXPECT_THAT(inventory_->List(), IsEmpty());
  Follow();
  Waiter waiter(*inventory_);
  ASSERT_TRUE(bus_.SetNumVfs(kPf, 4).ok());
  EXPECT_TRUE(waiter.WaitFor([](const auto& list) { return list.size() == 4 && list[3].healthy; }));
}

TEST_F(InventoryTest, AnInterfaceThatComesBackIsSeen) {
  ASSERT_TRUE(inventory_->Refresh().ok());
  Follow();
  loop_.PostAndWait([] {});
  SetClaim(vfs_[0], ClaimHealth{.claimed = true});
  const auto pod = kernel_.AddNamespace("/run/netns/pod");
  LinkChange move;
  move.net_namespace = pod;
  const Link link = *netlink_->GetLink(bus_.Get(vfs_[0])->netdevs.at(0));
  ASSERT_TRUE(netlink_->ChangeLink(link.ifindex, move).ok());
  {
    absl::MutexLock lock(&mu_);
    seen_.clear();
  }
  LinkChange back;
  back.net_namespace = kernel_.root();
  auto there = *factory_.Open(pod);
  ASSERT_TRUE(there->ChangeLink(there->GetLink(link.name)->ifindex, back).ok());
  absl::MutexLock lock(&mu_);
  const auto is_seen = [this] {
    mu_.AssertReaderHeld();
    return std::find(seen_.begin(), seen_.end(), vfs_[0]) != seen_.end();
  };
  EXPECT_TRUE(mu_.AwaitWithTimeout(absl::Condition(&is_seen), absl::Seconds(10)));
}

TEST_F(InventoryTest, AFunctionHasAllThatPoolsAreChosenBy) {
  kernel_.ChangePciFunction(vfs_[1], [](PciFunction& function) {
    function.numa_node = 1;
    function.rdma_devices = {"mlx5_2"};
    function.rdma_nodes = {"/dev/infiniband/uverbs2"};
  });
  ASSERT_TRUE(bus_.BindDriver(vfs_[2], "vfio-pci").ok());
  ASSERT_TRUE(inventory_->Refresh().ok());
  const HostFunction function = *inventory_->Find(vfs_[1]);
  EXPECT_EQ(function.kind, HostFunction::Kind::kVf);
  EXPECT_EQ(function.vendor, bus_.Get(vfs_[1])->vendor);
  EXPECT_EQ(function.device, bus_.Get(vfs_[1])->device);
  EXPECT_NE(function.vendor, 0);
  EXPECT_EQ(function.driver, bus_.Get(vfs_[1])->driver);
  EXPECT_EQ(function.pf_name, "p0");
  EXPECT_EQ(function.link_type, "ether");
  EXPECT_EQ(function.numa_node, 1);
  EXPECT_THAT(function.rdma_devices, ElementsAre("mlx5_2"));
  EXPECT_THAT(function.rdma_nodes, ElementsAre("/dev/infiniband/uverbs2"));
  EXPECT_EQ(function.vfio_node, "");
  const HostFunction vfio = *inventory_->Find(vfs_[2]);
  EXPECT_EQ(vfio.driver, "vfio-pci");
  EXPECT_THAT(vfio.vfio_node, HasSubstr("/dev/vfio/"));
  EXPECT_EQ(vfio.link_type, "ether") << "that of its physical function";
  EXPECT_TRUE(vfio.healthy) << "it has no interface to miss: " << vfio.reason;
}

TEST_F(InventoryTest, SubfunctionsAreFunctionsToo) {
  ASSERT_TRUE(inventory_->Refresh().ok());
  Follow();
  Waiter waiter(*inventory_);
  const FunctionId sf(kPf, 88);
  ASSERT_TRUE(devlink_.AddSf(kPf, 88).ok());
  ASSERT_TRUE(devlink_.ActivateSf(kPf, 88).ok());
  ASSERT_TRUE(waiter.WaitFor(IsHealthy(sf, true)));
  const HostFunction function = *inventory_->Find(sf);
  EXPECT_EQ(function.kind, HostFunction::Kind::kSf);
  EXPECT_EQ(function.pf, kPf);
  EXPECT_EQ(function.index, 88);
  EXPECT_EQ(function.port, "host0-sf88");
  EXPECT_EQ(function.vendor, bus_.Get(kPf)->vendor);
  EXPECT_EQ(function.auxiliary_device, bus_.Subfunctions(kPf)->at(0).auxiliary_device);
  EXPECT_EQ(function.pf_name, "p0");
  EXPECT_EQ(function.link_type, "ether");
  EXPECT_EQ(*inventory_->Resolve(function.auxiliary_device), sf);

  ASSERT_TRUE(devlink_.RemoveSf(kPf, 88).ok());
  ASSERT_TRUE(waiter.WaitFor(IsHealthy(sf, false)));
  EXPECT_THAT(ReasonOf(sf), HasSubstr("subfunction is gone"));
}

TEST_F(InventoryTest, WhatTheSetupIsToBeWithoutIsForgottenWhenItIsGone) {
  ASSERT_TRUE(devlink_.AddSf(kPf, 88).ok());
  ASSERT_TRUE(devlink_.ActivateSf(kPf, 88).ok());
  Make({.vfs = 2, .sfs = std::vector<SubfunctionSetup>()});
  ASSERT_TRUE(inventory_->Refresh().ok());
  EXPECT_THAT(inventory_->List(), SizeIs(5)) << "they are there as yet";
  SetClaim(vfs_[3], ClaimHealth{.claimed = true});
  ASSERT_TRUE(bus_.SetNumVfs(kPf, 0).ok());
  ASSERT_TRUE(devlink_.RemoveSf(kPf, 88).ok());
  ASSERT_TRUE(inventory_->Refresh().ok());
  const std::vector<HostFunction> list = inventory_->List();
  ASSERT_THAT(list, SizeIs(3));
  EXPECT_EQ(list[0].id, vfs_[0]) << "the setup wants it back";
  EXPECT_EQ(list[1].id, vfs_[1]);
  EXPECT_EQ(list[2].id, vfs_[3]) << "it has a claim";
}

TEST_F(InventoryTest, ResolvesIdsAndNamesOfTheAuxiliaryBus) {
  ASSERT_TRUE(inventory_->Refresh().ok());
  EXPECT_EQ(*inventory_->Resolve("0000:03:00.2"), FunctionId(PciAddress{0, 3, 0, 2}));
  EXPECT_EQ(*inventory_->Resolve("0000:77:00.0-sf4"), FunctionId(PciAddress{0, 0x77, 0, 0}, 4));
  EXPECT_EQ(inventory_->Resolve("mlx5_core.sf.9").status().code(), absl::StatusCode::kNotFound);
  for (const char* text : {"", "eth0", "mlx5_core.sf", "a b.sf.1", "0000:03:00"}) {
    EXPECT_EQ(inventory_->Resolve(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST_F(InventoryTest, TellsWhichPhysicalFunctionHasChanged) {
  kernel_.AddCard(PciAddress{0, 9, 0, 0}, "other", 2);
  ASSERT_TRUE(inventory_->Refresh().ok());
  Follow();
  Waiter waiter(*inventory_);
  ASSERT_TRUE(bus_.SetNumVfs(PciAddress{0, 9, 0, 0}, 2).ok());
  ASSERT_TRUE(bus_.BindDriver(vfs_[0], "vfio-pci").ok());
  absl::MutexLock lock(&mu_);
  const auto told = [this] {
    mu_.AssertReaderHeld();
    return !pfs_changed_.empty();
  };
  ASSERT_TRUE(mu_.AwaitWithTimeout(absl::Condition(&told), absl::Seconds(10)));
  EXPECT_THAT(pfs_changed_, ::testing::Each(kPf));
}

TEST_F(InventoryTest, TellsOfAPhysicalFunctionThatWentAndCameBackUnnoticed) {
  ASSERT_TRUE(bus_.SetNumVfs(kPf, 0).ok());
  ASSERT_TRUE(inventory_->Refresh().ok());
  Follow();
  loop_.PostAndWait([] {});
  {
    absl::MutexLock lock(&mu_);
    pfs_changed_.clear();
  }
  // Between two looks, as the loop is busy.
  loop_.PostAndWait([this] {
    kernel_.RemovePciFunction(kPf);
    kernel_.AddCard(kPf, "p0", 4);
  });
  absl::MutexLock lock(&mu_);
  const auto told = [this] {
    mu_.AssertReaderHeld();
    return !pfs_changed_.empty();
  };
  EXPECT_TRUE(mu_.AwaitWithTimeout(absl::Condition(&told), absl::Seconds(10)));
}

TEST_F(InventoryTest, ListenersAreToldTheNumberOfClaims) {
  ASSERT_TRUE(inventory_->Refresh().ok());
  Waiter waiter(*inventory_);
  EXPECT_EQ(waiter.claims(), 0);
  SetClaim(vfs_[0], ClaimHealth{.claimed = true});
  EXPECT_EQ(waiter.claims(), 1) << "although the list is the same";
  // One that is none of a card's.
  SetClaim(PciAddress{0, 0x77, 0, 0}, ClaimHealth{.claimed = true});
  EXPECT_EQ(waiter.claims(), 2);
  SetClaim(vfs_[0], std::nullopt);
  EXPECT_EQ(waiter.claims(), 1);
}

}  // namespace
}  // namespace xpu
