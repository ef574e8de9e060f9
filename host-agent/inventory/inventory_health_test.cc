// What makes a function healthy, and what not.

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/inventory/inventory_testing.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;

LinkChange Up(bool up) {
  LinkChange change;
  change.up = up;
  return change;
}

TEST_F(InventoryTest, AFunctionWithoutInterfaceIsHealthyOnlyWithAClaim) {
  ASSERT_TRUE(inventory_->Refresh().ok());
  Follow();
  Waiter waiter(*inventory_);
  kernel_.UnplugLink(MacOf(vfs_[1]));
  ASSERT_TRUE(waiter.WaitFor(IsHealthy(vfs_[1], false)));
  EXPECT_THAT(inventory_->Find(vfs_[1])->reason, HasSubstr("no network interface"));
  SetClaim(vfs_[1], ClaimHealth{.claimed = true});
  EXPECT_TRUE(inventory_->Find(vfs_[1])->healthy);
}

TEST_F(InventoryTest, AClaimThatEndsBeforeItsInterfaceIsSeenAtHomeDoesNotMakeItUnhealthy) {
  ASSERT_TRUE(inventory_->Refresh().ok());
  SetClaim(vfs_[0], ClaimHealth{.claimed = true});
  Follow();
  loop_.PostAndWait([] {});
  const auto pod = kernel_.AddNamespace("/run/netns/pod");
  LinkChange move;
  move.net_namespace = pod;
  const Link home = *netlink_->GetLink(bus_.Get(vfs_[0])->netdevs.at(0));
  ASSERT_TRUE(netlink_->ChangeLink(home.ifindex, move).ok());
  loop_.PostAndWait([] {});
  Waiter waiter(*inventory_);
  bool unhealthy = false;
  const auto subscription =
      inventory_->Subscribe([&](const InventoryList& list) { unhealthy |= !list.functions.at(0).healthy; });
  loop_.PostAndWait([&] {
    // The loop hears of the interface after this.
    LinkChange back;
    back.net_namespace = kernel_.root();
    auto there = *factory_.Open(pod);
    ASSERT_TRUE(there->ChangeLink(there->GetLink(home.name)->ifindex, back).ok());
    {
      absl::MutexLock lock(&mu_);
      claims_.clear();
    }
    inventory_->ClaimChanged(vfs_[0]);
  });
  kernel_.UnplugLink(MacOf(vfs_[1]));
  ASSERT_TRUE(waiter.WaitFor(IsHealthy(vfs_[1], false)));
  EXPECT_FALSE(unhealthy);
  EXPECT_TRUE(Healthy(vfs_[0]));
}

TEST_F(InventoryTest, AClaimThatEndsWithoutItsInterfaceLeavesItUnhealthy) {
  ASSERT_TRUE(inventory_->Refresh().ok());
  SetClaim(vfs_[0], ClaimHealth{.claimed = true});
  Follow();
  Waiter waiter(*inventory_);
  kernel_.UnplugLink(MacOf(vfs_[0]));
  loop_.PostAndWait([] {});
  EXPECT_TRUE(Healthy(vfs_[0]));
  SetClaim(vfs_[0], std::nullopt);
  ASSERT_TRUE(waiter.WaitFor(IsHealthy(vfs_[0], false)));
  EXPECT_THAT(ReasonOf(vfs_[0]), HasSubstr("no network interface"));
}

TEST_F(InventoryTest, AFunctionThatIsStuckIsNotHealthy) {
  ASSERT_TRUE(inventory_->Refresh().ok());
  SetClaim(vfs_[0], ClaimHealth{.claimed = true, .stuck = "the card does not answer"});
  EXPECT_FALSE(inventory_->Find(vfs_[0])->healthy);
  EXPECT_EQ(inventory_->Find(vfs_[0])->reason, "the card does not answer");
  SetClaim(vfs_[0], std::nullopt);
  EXPECT_TRUE(inventory_->Find(vfs_[0])->healthy);
}

TEST_F(InventoryTest, WithoutCarrierAtThePhysicalFunctionNoneIsHealthy) {
  const MacAddress mac = (*factory_.Open(nullptr))->GetLink("p0")->mac;
  ASSERT_TRUE(inventory_->Refresh().ok());
  Follow();
  SetUp(Up(true));
  SetClaim(vfs_[1], ClaimHealth{.claimed = true});
  Waiter waiter(*inventory_);
  kernel_.PlugCable(mac, false);
  ASSERT_TRUE(waiter.WaitFor(IsHealthy(vfs_[0], false)));
  EXPECT_THAT(ReasonOf(vfs_[0]),
              HasSubstr("interface p0 of its physical function 0000:03:00.0 has no carrier"));
  EXPECT_FALSE(Healthy(vfs_[1])) << "a claim does not help";
  EXPECT_EQ(inventory_->CheckGivable(vfs_[0]).code(), absl::StatusCode::kFailedPrecondition);
  kernel_.PlugCable(mac, true);
  ASSERT_TRUE(waiter.WaitFor(IsHealthy(vfs_[0], true)));
  EXPECT_TRUE(Healthy(vfs_[1]));
  EXPECT_TRUE(inventory_->CheckGivable(vfs_[0]).ok());
}

TEST_F(InventoryTest, CarrierIsAskedForOnlyOfAnInterfaceThatIsUp) {
  const MacAddress mac = (*factory_.Open(nullptr))->GetLink("p0")->mac;
  ASSERT_TRUE(inventory_->Refresh().ok());
  Follow();
  SetUp(Up(true));
  Waiter waiter(*inventory_);
  kernel_.PlugCable(mac, false);
  ASSERT_TRUE(waiter.WaitFor(IsHealthy(vfs_[0], false)));
  SetUp(Up(false));
  EXPECT_TRUE(waiter.WaitFor(IsHealthy(vfs_[0], true)));
}

TEST_F(InventoryTest, TheWrongDriverIsNotHealthy) {
  Make({.drivers = {{1, "vfio-pci"}}});
  ASSERT_TRUE(inventory_->Refresh().ok());
  Follow();
  Waiter waiter(*inventory_);
  EXPECT_FALSE(Healthy(vfs_[1]));
  EXPECT_THAT(ReasonOf(vfs_[1]), HasSubstr("is to have driver vfio-pci"));
  EXPECT_TRUE(Healthy(vfs_[0]));
  ASSERT_TRUE(bus_.BindDriver(vfs_[1], "vfio-pci").ok());
  ASSERT_TRUE(waiter.WaitFor(IsHealthy(vfs_[1], true)));
  ASSERT_TRUE(bus_.BindDriver(vfs_[1], "").ok());
  EXPECT_TRUE(waiter.WaitFor(IsHealthy(vfs_[1], false)));
}

TEST_F(InventoryTest, WhatStandsInTheWayOfTheSetupIsShownOnTheFunctions) {
  Make({.vfs = 8, .drivers = {{1, "vfio-pci"}}});
  ASSERT_TRUE(inventory_->Refresh().ok());
  inventory_->PfSetUp(kPf, "a function is in use: by pod default/web",
                      {{vfs_[1], "it keeps its driver: pod default/web"}});
  EXPECT_TRUE(Healthy(vfs_[0])) << "it can be used as it is";
  EXPECT_THAT(ReasonOf(vfs_[0]), HasSubstr("not as configured: a function is in use: by pod default/web"));
  EXPECT_FALSE(Healthy(vfs_[1]));
  EXPECT_EQ(ReasonOf(vfs_[1]), "it keeps its driver: pod default/web");
  inventory_->PfSetUp(kPf, "", {});
  EXPECT_EQ(ReasonOf(vfs_[0]), "");
}

TEST_F(InventoryTest, ACardsWordOnItsRepresentorsCounts) {
  ASSERT_TRUE(inventory_->Refresh().ok());
  Follow();
  for (const PciAddress& vf : vfs_) EXPECT_TRUE(Healthy(vf)) << "before the first word";
  CardSays(CardPorts{.healthy = {"host0-0", "host0-1"}, .unhealthy = {{"host0-2", "it is down"}}});
  EXPECT_TRUE(Healthy(vfs_[0]));
  EXPECT_FALSE(Healthy(vfs_[2]));
  EXPECT_THAT(ReasonOf(vfs_[2]), HasSubstr("card card0 says of its representor: it is down"));
  EXPECT_FALSE(Healthy(vfs_[3]));
  EXPECT_THAT(ReasonOf(vfs_[3]), HasSubstr("no representor of it (port host0-3)"));
  CardSays(CardPorts{.healthy = {"host0-0", "host0-1", "host0-2", "host0-3"}});
  for (const PciAddress& vf : vfs_) EXPECT_TRUE(Healthy(vf));
}

TEST_F(InventoryTest, ASilentCardsFunctionsAreNotHealthyUntilItIsBack) {
  const CardPorts all{.healthy = {"host0-0", "host0-1", "host0-2", "host0-3"}};
  ASSERT_TRUE(inventory_->Refresh().ok());
  Follow();
  CardSays(all);
  CardSays(absl::UnavailableError("no word for 900 ms"));
  for (const PciAddress& vf : vfs_) {
    EXPECT_FALSE(Healthy(vf));
    EXPECT_THAT(ReasonOf(vf), HasSubstr("nothing is heard of card card0: no word for 900 ms"));
    EXPECT_TRUE(inventory_->CheckGivable(vf).ok()) << "the card's own answer says it better";
  }
  CardSays(all);
  for (const PciAddress& vf : vfs_) EXPECT_TRUE(Healthy(vf));
  CardSays(absl::UnimplementedError("no such call"));
  for (const PciAddress& vf : vfs_) EXPECT_TRUE(Healthy(vf)) << "it cannot tell";
}

TEST_F(InventoryTest, APulledCardIsGoneAndHealthyAgainWhenItIsBack) {
  ASSERT_TRUE(inventory_->Refresh().ok());
  Follow();
  Waiter waiter(*inventory_);
  kernel_.RemovePciFunction(kPf);
  ASSERT_TRUE(waiter.WaitFor([](const auto& list) {
    return list.size() == 4 && std::all_of(list.begin(), list.end(), [](const auto& f) {
             return !f.healthy && f.reason == "its physical function 0000:03:00.0 is gone";
           });
  }));
  kernel_.AddCard(kPf, "p0", 4);
  ASSERT_TRUE(bus_.SetNumVfs(kPf, 4).ok());
  ASSERT_TRUE(waiter.WaitFor([](const auto& list) {
    return list.size() == 4 && std::all_of(list.begin(), list.end(), [](const auto& f) { return f.healthy; });
  }));
  // Its new interface is watched, too.
  SetUp(Up(true));
  kernel_.PlugCable(netlink_->GetLink("p0")->mac, false);
  EXPECT_TRUE(waiter.WaitFor(IsHealthy(vfs_[0], false)));
}

TEST_F(InventoryTest, OnlyAFreeFunctionHasToBeHealthyToBeGiven) {
  ASSERT_TRUE(inventory_->Refresh().ok());
  kernel_.UnplugLink((*factory_.Open(nullptr))->GetLink(bus_.Get(vfs_[0])->netdevs.at(0))->mac);
  ASSERT_TRUE(inventory_->Refresh().ok());
  const absl::Status refused = inventory_->CheckGivable(vfs_[0]);
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("no network interface"));
  SetClaim(vfs_[0], ClaimHealth{.claimed = true, .stuck = "the card does not answer"});
  EXPECT_TRUE(inventory_->CheckGivable(vfs_[0]).ok()) << "who has it is said by whom it is refused";
  EXPECT_EQ(inventory_->CheckGivable(PciAddress{0, 0x77, 0, 0}).code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace xpu
