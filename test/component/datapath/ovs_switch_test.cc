// OvsSwitch on a real Open vSwitch: the contract that every switch must keep.
#include "xpu-agent/datapath/ovs/ovs_switch.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "test/lib/ovs/test_ovs.h"
#include "xpu-agent/datapath/ovs/canonical_flow.h"
#include "xpu-agent/datapath/switch_contract.h"

namespace xpu {
namespace {

using ::xpu::testing::TestNetns;
using ::xpu::testing::TestOvs;

constexpr char kBridge[] = "br-xpu";

class OvsHarness : public SwitchHarness {
 public:
  static std::unique_ptr<SwitchHarness> Make() {
    auto harness = std::make_unique<OvsHarness>();
    auto ovs = TestOvs::Start();
    auto peers = TestNetns::Create();
    EXPECT_TRUE(ovs.ok()) << ovs.status();
    EXPECT_TRUE(peers.ok()) << peers.status();
    if (!ovs.ok() || !peers.ok()) return nullptr;
    harness->ovs_ = *std::move(ovs);
    harness->peers_ = *std::move(peers);
    harness->switch_ =
        std::make_unique<OvsSwitch>(OvsSwitchOptions{.ovsdb_remote = harness->ovs_->remote(),
                                                     .openflow_dir = harness->ovs_->openflow_dir(),
                                                     .bridge = kBridge,
                                                     .datapath_type = "netdev",
                                                     .owner = "test"});
    return harness;
  }

  Switch& sw() override { return *switch_; }
  void MakeInterface(const std::string& name) override {
    EXPECT_EQ(ovs_->netns().AddVeth(name, *peers_, name), absl::OkStatus());
  }
  void NoInterface(const std::string&) override {}
  void Disconnect() override { ovs_->KillVswitchd(); }
  void ConnectEmpty() override { EXPECT_EQ(ovs_->StartVswitchd(), absl::OkStatus()); }
  void AddForeignPort(const std::string& name) override {
    EXPECT_EQ(ovs_->Vsctl({"add-port", kBridge, name}).status(), absl::OkStatus());
  }
  void AddForeignFlow(const FlowKey& key, const std::string& actions) override {
    EXPECT_EQ(ovs_->Ofctl({"add-flow", kBridge, FlowToText(key, actions)}).status(), absl::OkStatus());
  }
  void RemoveFlow(const FlowKey& key) override {
    EXPECT_EQ(ovs_->Ofctl({"--strict", "del-flows", kBridge, FlowToText(key)}).status(), absl::OkStatus());
  }
  void PutMeter(uint32_t id, const Meter& meter) override {
    const std::string text =
        absl::StrCat("meter=", id, ",", meter.unit == Meter::Unit::kKilobits ? "kbps" : "pktps",
                     ",burst,band=type=drop,rate=", meter.rate, ",burst_size=", meter.burst);
    const bool is_there = absl::StrContains(ovs_->Ofctl({"dump-meters", kBridge}).value_or(""),
                                            absl::StrCat("meter=", id, " "));
    EXPECT_EQ(ovs_->Ofctl({is_there ? "mod-meter" : "add-meter", kBridge, text}).status(), absl::OkStatus());
  }
  void RemoveMeter(uint32_t id) override {
    EXPECT_EQ(ovs_->Ofctl({"del-meter", kBridge, absl::StrCat("meter=", id)}).status(), absl::OkStatus());
  }
  std::string RefusedActions() override { return "group:77"; }
  bool HasFlow(const FlowKey& key) override {
    auto flows = ovs_->DumpFlows(kBridge);
    EXPECT_TRUE(flows.ok()) << flows.status();
    for (const std::string& line : *flows) {
      // The tool prints the cookie of ours before the flow.
      const size_t start = line.find(", ") == std::string::npos || !absl::StartsWith(line, "cookie=")
                               ? 0
                               : line.find(", ") + 2;
      auto flow = CanonicalFlow(line.substr(start));
      EXPECT_TRUE(flow.ok()) << flow.status();
      if (flow.ok() && flow->first == key) return true;
    }
    return false;
  }
  bool HasPort(const std::string& name) override {
    return absl::StrContains(absl::StrCat("\n", *ovs_->Vsctl({"list-ports", kBridge})),
                             absl::StrCat("\n", name, "\n"));
  }
  uint64_t FlowMods() override { return switch_->counters().flow_mods; }

 private:
  std::unique_ptr<TestNetns> peers_;
  std::unique_ptr<TestOvs> ovs_;
  std::unique_ptr<OvsSwitch> switch_;
};

INSTANTIATE_TEST_SUITE_P(Ovs, SwitchContract, ::testing::Values(&OvsHarness::Make));

}  // namespace
}  // namespace xpu
