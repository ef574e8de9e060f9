#pragma once

// What every PciBus promises, as tests; to be instantiated as NetlinkContract is.

#include <memory>
#include <set>

#include "common/base/event_loop.h"
#include "common/sys/contract/wait_for_functions.h"
#include "common/sys/pci_bus.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {

// A bus with one physical function that has an interface and room for virtual ones, of which it has none yet.
class PciBusHarness {
 public:
  static constexpr int kTotalVfs = 8;
  virtual ~PciBusHarness() = default;
  virtual PciBus& bus() = 0;
  virtual PciAddress physical_function() = 0;
  // What a card of another make has otherwise.
  virtual int total_vfs() const { return kTotalVfs; }
  virtual int vf_offset() const { return 2; }
  virtual int vf_stride() const { return 1; }
  virtual bool has_serial() const { return true; }
};

class PciBusContract : public ::testing::TestWithParam<std::unique_ptr<PciBusHarness> (*)()> {
 protected:
  PciFunction Must(const PciAddress& address) {
    auto function = bus_.Get(address);
    EXPECT_TRUE(function.ok()) << function.status();
    return function.value_or(PciFunction());
  }

  PciAddress Vf(int index) const {
    return VirtualFunctionAddress(pf_, harness_->vf_offset(), harness_->vf_stride(), index);
  }

  std::unique_ptr<PciBusHarness> harness_ = GetParam()();
  PciBus& bus_ = harness_->bus();
  const PciAddress pf_ = harness_->physical_function();
};

TEST_P(PciBusContract, DescribesAPhysicalFunction) {
  const PciFunction pf = Must(pf_);
  EXPECT_EQ(pf.address, pf_);
  EXPECT_NE(pf.vendor, 0);
  EXPECT_EQ(pf.pci_class, 0x020000u);
  EXPECT_NE(pf.driver, "");
  EXPECT_EQ(!pf.serial.empty(), harness_->has_serial());
  EXPECT_EQ(pf.num_vfs, 0);
  EXPECT_EQ(pf.total_vfs, harness_->total_vfs());
  EXPECT_FALSE(pf.physical_function.has_value());
  EXPECT_EQ(pf.vf_index, -1);
  EXPECT_EQ(pf.netdevs.size(), 1u);
  EXPECT_EQ(pf.link_type, "ether");
  EXPECT_EQ(pf.vfio_node, "");
}

TEST_P(PciBusContract, MakesVirtualFunctionsThatKnowTheirPlace) {
  ASSERT_TRUE(bus_.SetNumVfs(pf_, 7).ok());
  EXPECT_EQ(Must(pf_).num_vfs, 7);
  auto functions = bus_.List();
  ASSERT_TRUE(functions.ok()) << functions.status();
  ASSERT_EQ(functions->size(), 8u);
  EXPECT_EQ(functions->front().address, pf_);
  for (int i = 0; i < 7; ++i) {
    const PciFunction vf = (*functions)[static_cast<size_t>(i) + 1];
    EXPECT_EQ(vf.address, Vf(i));
    EXPECT_EQ(vf.physical_function, pf_);
    EXPECT_EQ(vf.vf_index, i);
    EXPECT_EQ(vf.pci_class, 0x020000u);
    EXPECT_EQ(vf.num_vfs, 0);
    EXPECT_EQ(vf.total_vfs, 0);
    EXPECT_EQ(vf.netdevs.size(), 1u);
    EXPECT_EQ(Must(vf.address).netdevs, vf.netdevs);
    EXPECT_EQ(*bus_.Netdevs(vf.address), vf.netdevs);
    EXPECT_EQ(vf.link_type, "ether");
    EXPECT_NE(vf.driver, "");
  }
}

TEST_P(PciBusContract, TakesVirtualFunctionsAwayAgain) {
  ASSERT_TRUE(bus_.SetNumVfs(pf_, 3).ok());
  ASSERT_TRUE(bus_.SetNumVfs(pf_, 0).ok());
  EXPECT_EQ(Must(pf_).num_vfs, 0);
  EXPECT_EQ(bus_.List()->size(), 1u);
  EXPECT_TRUE(absl::IsNotFound(bus_.Get(Vf(0)).status()));
  EXPECT_TRUE(bus_.SetNumVfs(pf_, 0).ok());
}

TEST_P(PciBusContract, RefusesAnotherNumberWhileThereAreVirtualFunctions) {
  ASSERT_TRUE(bus_.SetNumVfs(pf_, 3).ok());
  const absl::Status status = bus_.SetNumVfs(pf_, 4);
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(status.message(), ::testing::HasSubstr(pf_.ToString()));
  EXPECT_TRUE(bus_.SetNumVfs(pf_, 3).ok()) << "what is there already is no change";
  EXPECT_EQ(Must(pf_).num_vfs, 3);
}

TEST_P(PciBusContract, RefusesMoreThanThereCanBe) {
  EXPECT_TRUE(absl::IsOutOfRange(bus_.SetNumVfs(pf_, harness_->total_vfs() + 1)));
  EXPECT_TRUE(absl::IsOutOfRange(bus_.SetNumVfs(pf_, -1)));
  EXPECT_EQ(Must(pf_).num_vfs, 0);
}

TEST_P(PciBusContract, SaysWhatIsNotThere) {
  const PciAddress nowhere{0x0fff, 0xfe, 0x1f, 7};
  const absl::Status status = bus_.Get(nowhere).status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(status.message(), ::testing::HasSubstr("0fff:fe:1f.7"));
  EXPECT_TRUE(absl::IsNotFound(bus_.Netdevs(nowhere).status()));
  EXPECT_TRUE(absl::IsNotFound(bus_.SetNumVfs(nowhere, 1)));
  EXPECT_TRUE(absl::IsNotFound(bus_.BindDriver(nowhere, "vfio-pci")));
  EXPECT_TRUE(absl::IsNotFound(bus_.Subfunctions(nowhere).status()));
  EXPECT_THAT(*bus_.Subfunctions(pf_), ::testing::IsEmpty());
  const absl::Status subfunction = bus_.Netdevs(FunctionId(pf_, 88)).status();
  EXPECT_TRUE(absl::IsNotFound(subfunction)) << subfunction;
  EXPECT_THAT(subfunction.message(), ::testing::HasSubstr(FunctionId(pf_, 88).ToString()));
  ASSERT_TRUE(bus_.SetNumVfs(pf_, 1).ok());
  EXPECT_TRUE(absl::IsNotFound(bus_.SetNumVfs(Vf(0), 1))) << "a virtual function has none of its own";
}

TEST_P(PciBusContract, TheMonitorTellsWhatIsThereAndThenWhatComesAndGoes) {
  const PciAddress vf0 = Vf(0);
  const PciAddress vf1 = Vf(1);
  using Set = std::set<PciAddress>;
  EXPECT_TRUE(WaitForFunctions(
      bus_, [&] {}, [&](const Set& there) { return there == Set{pf_}; }));
  EXPECT_TRUE(WaitForFunctions(
      bus_, [&] { EXPECT_TRUE(bus_.SetNumVfs(pf_, 2).ok()); },
      [&](const Set& there) {
        return there == Set{pf_, vf0, vf1};
      }));
  EXPECT_TRUE(WaitForFunctions(
      bus_, [&] { EXPECT_TRUE(bus_.SetNumVfs(pf_, 0).ok()); },
      [&](const Set& there) { return there == Set{pf_}; }));
}

TEST_P(PciBusContract, AMonitorThatIsGoneTellsNothing) {
  EventLoop loop;
  int told = 0;
  auto monitor = bus_.MonitorFunctions(loop, [&](const PciAddress&, bool) { ++told; });
  ASSERT_TRUE(monitor.ok()) << monitor.status();
  monitor->reset();
  ASSERT_TRUE(bus_.SetNumVfs(pf_, 1).ok());
  loop.Stop();
  loop.Run();
  EXPECT_EQ(told, 0);
}

}  // namespace xpu
