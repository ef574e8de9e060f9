#pragma once

// What every PciBus promises of drivers, as tests; to be instantiated as NetlinkContract is.

#include <memory>
#include <string>

#include "common/sys/contract/wait_for_functions.h"
#include "common/sys/pci_bus.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {

// A bus with a function in an IOMMU group, which a driver for networks holds and which has one interface; the
// driver vfio-pci is loaded too.
class PciDriverHarness {
 public:
  virtual ~PciDriverHarness() = default;
  virtual PciBus& bus() = 0;
  virtual PciAddress function() = 0;
};

class PciDriverContract : public ::testing::TestWithParam<std::unique_ptr<PciDriverHarness> (*)()> {
 protected:
  PciFunction Must() {
    auto function = bus_.Get(address_);
    EXPECT_TRUE(function.ok()) << function.status();
    return function.value_or(PciFunction());
  }
  absl::Status Bind(const std::string& driver) { return bus_.BindDriver(address_, driver); }

  std::unique_ptr<PciDriverHarness> harness_ = GetParam()();
  PciBus& bus_ = harness_->bus();
  const PciAddress address_ = harness_->function();
  const PciFunction before_ = Must();
};

TEST_P(PciDriverContract, AVfioDriverTakesTheFunctionAndTheOtherTakesItBack) {
  ASSERT_NE(before_.driver, "vfio-pci");
  ASSERT_EQ(before_.netdevs.size(), 1u);
  EXPECT_EQ(before_.vfio_node, "");
  ASSERT_NE(before_.iommu_group, "");
  const absl::Status bound = Bind("vfio-pci");
  ASSERT_TRUE(bound.ok()) << bound;
  const PciFunction vfio = Must();
  EXPECT_EQ(vfio.driver, "vfio-pci");
  EXPECT_THAT(vfio.netdevs, ::testing::IsEmpty());
  EXPECT_EQ(vfio.link_type, "");
  EXPECT_THAT(vfio.vfio_node, ::testing::AllOf(::testing::StartsWith("/dev/vfio/"),
                                               ::testing::EndsWith(before_.iommu_group)));
  const absl::Status back = Bind(before_.driver);
  ASSERT_TRUE(back.ok()) << back;
  const PciFunction after = Must();
  EXPECT_EQ(after.driver, before_.driver);
  EXPECT_EQ(after.netdevs.size(), 1u);
  EXPECT_EQ(after.vfio_node, "");
}

TEST_P(PciDriverContract, WhatIsSoAlreadyIsNoChange) {
  EXPECT_TRUE(Bind(before_.driver).ok());
  EXPECT_EQ(Must().netdevs, before_.netdevs);
  ASSERT_TRUE(Bind("vfio-pci").ok());
  EXPECT_TRUE(Bind("vfio-pci").ok());
  EXPECT_EQ(Must().driver, "vfio-pci");
}

TEST_P(PciDriverContract, AFunctionCanBeWithoutADriver) {
  ASSERT_TRUE(Bind("").ok());
  EXPECT_EQ(Must().driver, "");
  EXPECT_THAT(Must().netdevs, ::testing::IsEmpty());
  EXPECT_TRUE(Bind("").ok());
  const absl::Status status = Bind(before_.driver);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(Must().driver, before_.driver);
  EXPECT_EQ(Must().netdevs.size(), 1u);
}

TEST_P(PciDriverContract, ADriverThatIsNotLoadedChangesNothing) {
  const absl::Status status = Bind("no-such-driver");
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(status.message(), ::testing::AllOf(::testing::HasSubstr("no-such-driver"),
                                                 ::testing::HasSubstr(address_.ToString())));
  EXPECT_EQ(Must().driver, before_.driver);
  EXPECT_EQ(Must().netdevs, before_.netdevs);
}

TEST_P(PciDriverContract, TheMonitorTellsOfAnotherDriver) {
  const auto is_bound_to = [this](const std::string& driver) {
    return [this, driver](const std::set<PciAddress>& there) {
      return there.contains(address_) && bus_.Get(address_)->driver == driver;
    };
  };
  int calls = 0;
  EventLoop loop;
  bool begun = false;
  auto monitor = bus_.MonitorFunctions(loop, [&](const PciAddress& address, bool gone) {
    if (!begun || address != address_ || gone || Must().driver != "vfio-pci") return;
    ++calls;
    loop.Stop();
  });
  ASSERT_TRUE(monitor.ok()) << monitor.status();
  loop.Post([&] {
    begun = true;
    EXPECT_TRUE(Bind("vfio-pci").ok());
  });
  const EventLoop::Handle deadline = loop.After(absl::Seconds(20), [&] { loop.Stop(); });
  loop.Run();
  EXPECT_GT(calls, 0);
  EXPECT_TRUE(WaitForFunctions(
      bus_, [&] { EXPECT_TRUE(Bind(before_.driver).ok()); }, is_bound_to(before_.driver)));
}

}  // namespace xpu
