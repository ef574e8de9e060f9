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

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const PciAddress kPf{0, 3, 0, 0};

class InventoryTest : public ::testing::Test {
 protected:
  InventoryTest() : bus_(kernel_), devlink_(kernel_), factory_(kernel_) {
    kernel_.AddCard(kPf, "p0", 4);
    EXPECT_TRUE(bus_.SetNumVfs(kPf, 4).ok());
    const auto functions = bus_.List();
    for (const PciFunction& function : *functions) {
      if (function.physical_function) vfs_.push_back(function.address);
    }
    Make({});
  }
  ~InventoryTest() override {
    if (thread_.joinable()) {
      loop_.PostAndWait([this] { inventory_.reset(); });
      loop_.Stop();
      thread_.join();
    }
  }

  void Make(const PfSetup& setup) {
    inventory_ = std::make_unique<Inventory>(
        std::vector<CardConfig>{{"card0", kPf, "unix:/x", setup}}, bus_,
        [this](const FunctionId& function) {
          absl::MutexLock lock(&mu_);
          return claims_.contains(function) ? claims_.at(function) : ClaimHealth();
        },
        [this] {
          absl::MutexLock lock(&mu_);
          return static_cast<int>(claims_.size());
        });
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

  // On the loop, as who owns the inventory does it.
  void CardSays(const absl::StatusOr<CardPorts>& ports) {
    loop_.PostAndWait([&] { inventory_->CardPortsChanged("card0", ports); });
  }
  void SetUp(const LinkChange& change) {
    ASSERT_TRUE(netlink_->ChangeLink(netlink_->GetLink("p0")->ifindex, change).ok());
  }
  std::string ReasonOf(const FunctionId& function) { return inventory_->Find(function)->reason; }
  bool Healthy(const FunctionId& function) { return inventory_->Find(function)->healthy; }

  FakeKernel kernel_;
  FakePciBus bus_;
  FakeDevlink devlink_;
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

LinkChange Up(bool up) {
  LinkChange change;
  change.up = up;
  return change;
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
