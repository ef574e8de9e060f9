#include "host-agent/inventory/inventory.h"

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/sys/fake/fake_kernel.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/inventory/function_alias.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const PciAddress kPf{0, 3, 0, 0};

class InventoryTest : public ::testing::Test {
 protected:
  InventoryTest() : bus_(kernel_), factory_(kernel_) {
    kernel_.AddCard(kPf, "p0", 4);
    EXPECT_TRUE(bus_.SetNumVfs(kPf, 4).ok());
    const auto functions = bus_.List();
    for (const PciFunction& function : *functions) {
      if (function.physical_function) vfs_.push_back(function.address);
    }
    inventory_ = std::make_unique<Inventory>(
        std::vector<CardConfig>{{"card0", kPf, "unix:/x"}}, bus_, [this](const FunctionId& function) {
          absl::MutexLock lock(&mu_);
          return claims_.contains(function) ? claims_.at(function) : ClaimHealth();
        });
  }
  ~InventoryTest() override {
    if (thread_.joinable()) {
      loop_.PostAndWait([this] { inventory_.reset(); });
      loop_.Stop();
      thread_.join();
    }
  }

  void Follow() {
    netlink_ = *factory_.Open(nullptr);
    thread_ = std::thread([this] { loop_.Run(); });
    loop_.PostAndWait([this] {
      ASSERT_TRUE(inventory_
                      ->Follow(loop_, *netlink_,
                               {.interface_seen =
                                    [this](const FunctionId& function) {
                                      absl::MutexLock lock(&mu_);
                                      seen_.push_back(function);
                                    },
                                .pf_changed =
                                    [this](const PciAddress& pf) {
                                      absl::MutexLock lock(&mu_);
                                      pfs_changed_.push_back(pf);
                                    }})
                      .ok());
    });
  }

  void SetClaim(const FunctionId& function, std::optional<ClaimHealth> claim) {
    {
      absl::MutexLock lock(&mu_);
      claims_.erase(function);
      if (claim) claims_[function] = *claim;
    }
    if (thread_.joinable()) {
      loop_.PostAndWait([&] { inventory_->ClaimChanged(function); });
    } else {
      inventory_->ClaimChanged(function);
    }
  }

  MacAddress MacOf(const PciAddress& function) {
    return netlink_->GetLink(bus_.Get(function)->netdevs.at(0))->mac;
  }

  FakeKernel kernel_;
  FakePciBus bus_;
  FakeNetlinkFactory factory_;
  EventLoop loop_;
  std::unique_ptr<Netlink> netlink_;
  std::vector<PciAddress> vfs_;
  absl::Mutex mu_;
  std::map<FunctionId, ClaimHealth> claims_ ABSL_GUARDED_BY(mu_);
  std::vector<FunctionId> seen_ ABSL_GUARDED_BY(mu_);
  std::vector<PciAddress> pfs_changed_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<Inventory> inventory_;
  std::thread thread_;
};

// Waits for a list that a listener is told.
class Waiter {
 public:
  explicit Waiter(Inventory& inventory)
      : subscription_(inventory.Subscribe([this](const InventoryList& list) {
          absl::MutexLock lock(&mu_);
          last_ = list.functions;
          claims_ = list.claims;
          ++times_;
        })) {}
  template <class Predicate>
  bool WaitFor(Predicate predicate) {
    absl::MutexLock lock(&mu_);
    const auto reached = [&] {
      mu_.AssertReaderHeld();
      return predicate(last_);
    };
    return mu_.AwaitWithTimeout(absl::Condition(&reached), absl::Seconds(10));
  }
  int times() {
    absl::MutexLock lock(&mu_);
    return times_;
  }
  int claims() {
    absl::MutexLock lock(&mu_);
    return claims_;
  }

 private:
  absl::Mutex mu_;
  std::vector<HostFunction> last_ ABSL_GUARDED_BY(mu_);
  int times_ ABSL_GUARDED_BY(mu_) = 0;
  int claims_ ABSL_GUARDED_BY(mu_) = -1;
  std::unique_ptr<Inventory::Subscription> subscription_;
};

auto IsHealthy(const FunctionId& function, bool healthy) {
  return [function, healthy](const std::vector<HostFunction>& list) {
    for (const HostFunction& each : list) {
      if (each.id == function) return each.healthy == healthy;
    }
    return false;
  };
}

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
  EXPECT_EQ(waiter.times(), 2);
}

TEST_F(InventoryTest, AFunctionThatIsStuckIsNotHealthy) {
  ASSERT_TRUE(inventory_->Refresh().ok());
  SetClaim(vfs_[0], ClaimHealth{.claimed = true, .stuck = "the card does not answer"});
  EXPECT_FALSE(inventory_->Find(vfs_[0])->healthy);
  EXPECT_EQ(inventory_->Find(vfs_[0])->reason, "the card does not answer");
  SetClaim(vfs_[0], std::nullopt);
  EXPECT_TRUE(inventory_->Find(vfs_[0])->healthy);
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

TEST(FunctionAlias, TheKernelsWordCountsMoreThanTheAlias) {
  Link link;
  EXPECT_EQ(FunctionOf(link), std::nullopt);
  link.alias = FunctionAlias(PciAddress{0, 3, 0, 2});
  EXPECT_EQ(link.alias, "xpu:0000:03:00.2");
  EXPECT_EQ(FunctionOf(link), (PciAddress{0, 3, 0, 2}));
  link.parent_device = "0000:05:00.1";
  EXPECT_EQ(FunctionOf(link), (PciAddress{0, 5, 0, 1}));
  link.parent_device = "virtio0";
  EXPECT_EQ(FunctionOf(link), std::nullopt);
}

}  // namespace
}  // namespace xpu
