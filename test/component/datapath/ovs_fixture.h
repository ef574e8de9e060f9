#pragma once

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/lib/ovs/test_ovs.h"
#include "xpu-agent/datapath/ovs/ovs_switch.h"
#include "xpu-agent/datapath/switch_observer.h"

namespace xpu {

// An OvsSwitch on an Open vSwitch of its own.
class OvsSwitchTest : public ::testing::Test {
 protected:
  static constexpr char kBridge[] = "br-xpu";

  void SetUp() override {
    auto ovs = testing::TestOvs::Start();
    ASSERT_TRUE(ovs.ok()) << ovs.status();
    ovs_ = *std::move(ovs);
  }

  OvsSwitchOptions Options() const {
    return {.ovsdb_remote = ovs_->remote(),
            .openflow_dir = ovs_->openflow_dir(),
            .bridge = kBridge,
            .datapath_type = "netdev",
            .owner = "test"};
  }
  // Starts an agent's switch in place of the one before, which goes as if its process ended.
  void StartSwitch(const OvsSwitchOptions& options) {
    switch_.reset();
    observer_ = std::make_unique<SwitchObserver>();
    switch_ = std::make_unique<OvsSwitch>(options);
    observer_->Start(*switch_);
  }
  void StartSwitch() { StartSwitch(Options()); }

  void ApplyOk(const SwitchPlan& plan) {
    const ApplyResult result = switch_->Apply(plan);
    EXPECT_EQ(result.flows, absl::OkStatus());
    EXPECT_EQ(result.ports, absl::OkStatus());
  }
  SwitchSnapshot Snapshot() {
    auto snapshot = switch_->Snapshot();
    EXPECT_TRUE(snapshot.ok()) << snapshot.status();
    return snapshot.ok() ? *snapshot : SwitchSnapshot();
  }
  std::string Vsctl(std::vector<std::string> args) {
    auto text = ovs_->Vsctl(std::move(args));
    EXPECT_TRUE(text.ok()) << text.status();
    return text.value_or("");
  }

  std::unique_ptr<testing::TestOvs> ovs_;
  std::unique_ptr<SwitchObserver> observer_;
  std::unique_ptr<OvsSwitch> switch_;
};

}  // namespace xpu
