#pragma once

// What every Devlink promises, as tests; to be instantiated as NetlinkContract is, also for a card that makes
// subfunctions.

#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "common/sys/contract/wait_for_functions.h"
#include "common/sys/devlink.h"
#include "common/sys/pci_bus.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {

// A card with room for two subfunctions and more, of which it has none.
class DevlinkHarness {
 public:
  virtual ~DevlinkHarness() = default;
  virtual Devlink& devlink() = 0;
  virtual PciBus& bus() = 0;
  virtual PciAddress parent() = 0;
};

class DevlinkContract : public ::testing::TestWithParam<std::unique_ptr<DevlinkHarness> (*)()> {
 protected:
  void TearDown() override {
    for (const uint32_t number : {kOne, kTwo}) EXPECT_TRUE(devlink_.RemoveSf(parent_, number).ok());
  }
  std::vector<DevlinkSf> MustList() {
    auto sfs = devlink_.ListSfs(parent_);
    EXPECT_TRUE(sfs.ok()) << sfs.status();
    return sfs.value_or(std::vector<DevlinkSf>());
  }
  // The numbers of the subfunctions that are on the auxiliary bus with a driver and an interface.
  std::set<uint32_t> Usable() {
    std::set<uint32_t> numbers;
    const std::vector<Subfunction> there = *bus_.Subfunctions(parent_);
    for (const Subfunction& sf : there) {
      if (!sf.driver.empty() && !sf.netdevs.empty()) numbers.insert(sf.number);
    }
    return numbers;
  }

  static constexpr uint32_t kOne = 88;
  static constexpr uint32_t kTwo = 89;
  const MacAddress kMac = *MacAddress::Parse("02:00:00:00:0b:01");
  const MacAddress kOtherMac = *MacAddress::Parse("02:00:00:00:0b:02");

  std::unique_ptr<DevlinkHarness> harness_ = GetParam()();
  Devlink& devlink_ = harness_->devlink();
  PciBus& bus_ = harness_->bus();
  const PciAddress parent_ = harness_->parent();
};

TEST_P(DevlinkContract, ASubfunctionIsAddedInactiveAndOnce) {
  ASSERT_THAT(MustList(), ::testing::IsEmpty());
  const absl::Status status = devlink_.AddSf(parent_, kTwo);
  ASSERT_TRUE(status.ok()) << status;
  ASSERT_TRUE(devlink_.AddSf(parent_, kOne).ok());
  EXPECT_TRUE(devlink_.AddSf(parent_, kOne).ok());
  const std::vector<DevlinkSf> sfs = MustList();
  ASSERT_EQ(sfs.size(), 2u);
  EXPECT_EQ(sfs[0].number, kOne);
  EXPECT_EQ(sfs[1].number, kTwo);
  EXPECT_FALSE(sfs[0].active);
  EXPECT_NE(sfs[0].port_index, sfs[1].port_index);
  EXPECT_THAT(Usable(), ::testing::IsEmpty());
}

TEST_P(DevlinkContract, AnActiveSubfunctionHasAnInterfaceWithItsAddress) {
  ASSERT_TRUE(devlink_.AddSf(parent_, kOne).ok());
  ASSERT_TRUE(devlink_.ConfigureSf(parent_, kOne, kMac).ok());
  EXPECT_EQ(MustList().front().mac, kMac);
  EXPECT_TRUE(WaitForFunctions(
      bus_, [&] { EXPECT_TRUE(devlink_.ActivateSf(parent_, kOne).ok()); },
      [&](const std::set<PciAddress>&) { return Usable() == std::set<uint32_t>{kOne}; }));
  EXPECT_TRUE(MustList().front().active);
  EXPECT_TRUE(devlink_.ActivateSf(parent_, kOne).ok());
  EXPECT_EQ(bus_.Netdevs(FunctionId(parent_, kOne))->size(), 1u);
  EXPECT_TRUE(devlink_.ConfigureSf(parent_, kOne, kMac).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(devlink_.ConfigureSf(parent_, kOne, kOtherMac)));
  EXPECT_TRUE(WaitForFunctions(
      bus_, [&] { EXPECT_TRUE(devlink_.RemoveSf(parent_, kOne).ok()); },
      [&](const std::set<PciAddress>&) { return Usable().empty(); }));
  EXPECT_THAT(MustList(), ::testing::IsEmpty());
}

TEST_P(DevlinkContract, ASubfunctionHasAPortWhoseFunctionsAddressCanBeSet) {
  ASSERT_TRUE(devlink_.AddSf(parent_, kOne).ok());
  const auto port_of_one = [&]() -> std::optional<DevlinkPort> {
    const auto ports = devlink_.ListPorts();
    EXPECT_TRUE(ports.ok()) << ports.status();
    for (const DevlinkPort& port : ports.value_or(std::vector<DevlinkPort>())) {
      if (port.flavour == DevlinkPort::Flavour::kSf && port.number == kOne &&
          port.device == parent_.ToString()) {
        return port;
      }
    }
    return std::nullopt;
  };
  const std::optional<DevlinkPort> port = port_of_one();
  ASSERT_TRUE(port.has_value());
  EXPECT_EQ(port->bus, "pci");
  EXPECT_EQ(port->index, MustList().front().port_index);
  EXPECT_EQ(port->pf, parent_.function);
  const absl::Status set = devlink_.SetFunctionMac(*port, kMac);
  ASSERT_TRUE(set.ok()) << set;
  EXPECT_EQ(port_of_one()->mac, kMac);
  EXPECT_EQ(MustList().front().mac, kMac);
  EXPECT_TRUE(devlink_.SetFunctionMac(*port_of_one(), kMac).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(devlink_.SetFunctionMac(*port, MacAddress())));
  ASSERT_TRUE(devlink_.RemoveSf(parent_, kOne).ok());
  EXPECT_FALSE(port_of_one().has_value());
  EXPECT_TRUE(absl::IsNotFound(devlink_.SetFunctionMac(*port, kOtherMac)));
}

TEST_P(DevlinkContract, RemovingWhatIsNotThereIsDone) {
  EXPECT_TRUE(devlink_.RemoveSf(parent_, kOne).ok());
  ASSERT_TRUE(devlink_.AddSf(parent_, kOne).ok());
  EXPECT_TRUE(devlink_.RemoveSf(parent_, kOne).ok());
  EXPECT_THAT(MustList(), ::testing::IsEmpty());
}

TEST_P(DevlinkContract, SaysWhatIsNotThere) {
  const absl::Status missing = devlink_.ActivateSf(parent_, kOne);
  EXPECT_TRUE(absl::IsNotFound(missing)) << missing;
  EXPECT_THAT(missing.message(), ::testing::HasSubstr(FunctionId(parent_, kOne).ToString()));
  EXPECT_TRUE(absl::IsNotFound(devlink_.ConfigureSf(parent_, kOne, kMac)));
  EXPECT_TRUE(absl::IsInvalidArgument(devlink_.ConfigureSf(parent_, kOne, MacAddress())));
  const PciAddress nowhere{0x0fff, 0xfe, 0x1f, 7};
  EXPECT_TRUE(absl::IsNotFound(devlink_.ListSfs(nowhere).status()));
  EXPECT_TRUE(absl::IsNotFound(devlink_.AddSf(nowhere, kOne)));
  EXPECT_TRUE(absl::IsNotFound(devlink_.RemoveSf(nowhere, kOne)));
}

}  // namespace xpu
