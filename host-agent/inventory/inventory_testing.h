#pragma once

// An inventory over a kernel in memory, for its tests.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/sys/fake/fake_kernel.h"
#include "gtest/gtest.h"
#include "host-agent/inventory/inventory.h"
#include "host-agent/testing/latest.h"

namespace xpu {

inline const PciAddress kPf{0, 3, 0, 0};

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
      : subscription_(inventory.Subscribe([this](const InventoryList& list) { latest_.Set(list); })) {}
  template <class Predicate>
  bool WaitFor(Predicate predicate) {
    return latest_.WaitFor([&](const InventoryList& list) { return predicate(list.functions); });
  }
  int times() { return latest_.times(); }
  int claims() { return latest_.Get().claims; }

 private:
  Latest<InventoryList> latest_;
  std::unique_ptr<Inventory::Subscription> subscription_;
};

inline auto IsHealthy(const FunctionId& function, bool healthy) {
  return [function, healthy](const std::vector<HostFunction>& list) {
    for (const HostFunction& each : list) {
      if (each.id == function) return each.healthy == healthy;
    }
    return false;
  };
}

}  // namespace xpu
