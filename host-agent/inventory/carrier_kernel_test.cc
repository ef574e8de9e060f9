// Health by carrier with the kernel's own news: a physical function whose interface is a real one.

#include <cstdio>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "common/sys/fake/fake_kernel.h"
#include "common/sys/net_namespaces_real.h"
#include "common/sys/netlink_real.h"
#include "gtest/gtest.h"
#include "host-agent/inventory/inventory.h"

namespace xpu {
namespace {

const PciAddress kPf{0, 3, 0, 0};

// What a listener is told last, and when.
class Health {
 public:
  void Tell(const InventoryList& list) {
    absl::MutexLock lock(&mu_);
    healthy_ = !list.functions.empty() && list.functions[0].healthy;
    at_ = absl::Now();
  }
  // When it became so.
  std::optional<absl::Time> Await(bool healthy) {
    absl::MutexLock lock(&mu_);
    const auto reached = [&] {
      mu_.AssertReaderHeld();
      return healthy_ == healthy;
    };
    if (!mu_.AwaitWithTimeout(absl::Condition(&reached), absl::Seconds(60))) return std::nullopt;
    return at_;
  }

 private:
  absl::Mutex mu_;
  std::optional<bool> healthy_ ABSL_GUARDED_BY(mu_);
  absl::Time at_ ABSL_GUARDED_BY(mu_);
};

TEST(InventoryCarrier, IsFollowed) {
  // The bus is in memory; its functions' interfaces are known by their names, as an emulated card's.
  FakeKernel kernel;
  FakePciBus bus(kernel);
  kernel.AddCard(kPf, "p0", 1);
  ASSERT_TRUE(bus.SetNumVfs(kPf, 1).ok());
  const auto ns = NewNetNamespace();
  ASSERT_TRUE(ns.ok()) << ns.status();
  const auto netlink = *NetlinkFactoryReal().Open(*ns);
  ASSERT_TRUE(
      netlink
          ->CreateVeth("p0", MacAddress({2, 0, 0, 0, 0, 1}), "cable", MacAddress({2, 0, 0, 0, 0, 2}), nullptr)
          .ok());
  const auto set_up = [&](const char* name, bool up) {
    LinkChange change;
    change.up = up;
    return netlink->ChangeLink(netlink->GetLink(name)->ifindex, change);
  };
  ASSERT_TRUE(set_up("cable", true).ok());
  ASSERT_TRUE(set_up("p0", true).ok());

  EventLoop loop;
  Health health;
  auto inventory = std::make_unique<Inventory>(std::vector<CardConfig>{{"card0", kPf, "unix:/x"}}, bus,
                                               [](const FunctionId&) { return ClaimHealth(); });
  ASSERT_TRUE(inventory->Refresh().ok());
  ASSERT_TRUE(inventory->Follow(loop, *netlink, {}).ok());
  auto subscription = inventory->Subscribe([&](const InventoryList& list) { health.Tell(list); });
  std::thread thread([&] { loop.Run(); });
  ASSERT_TRUE(health.Await(true).has_value());
  for (const bool plugged : {false, true, false, true}) {
    const absl::Time cause = absl::Now();
    EXPECT_TRUE(set_up("cable", plugged).ok());
    const std::optional<absl::Time> seen = health.Await(plugged);
    ASSERT_TRUE(seen.has_value()) << plugged;
    // The kernel itself keeps the loss of a carrier back for up to a second.
    std::printf("carrier %s: known after %s\n", plugged ? "found" : "lost",
                absl::FormatDuration(*seen - cause).c_str());
  }
  loop.Stop();
  thread.join();
  subscription.reset();
  inventory.reset();
}

}  // namespace
}  // namespace xpu
