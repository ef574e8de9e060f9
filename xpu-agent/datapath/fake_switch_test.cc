#include "xpu-agent/datapath/fake_switch.h"

#include <thread>

#include "gtest/gtest.h"
#include "xpu-agent/datapath/switch_contract.h"

namespace xpu {
namespace {

class FakeHarness : public SwitchHarness {
 public:
  FakeHarness() { fake_.RefuseFlows("group:77"); }
  Switch& sw() override { return fake_; }
  void MakeInterface(const std::string& name) override { fake_.InterfaceAppears(name); }
  void NoInterface(const std::string& name) override { fake_.InterfaceMissing(name); }
  void Disconnect() override { fake_.Disconnect(); }
  void ConnectEmpty() override { fake_.Connect(/*keep_flows=*/false); }
  void AddForeignPort(const std::string& name) override { fake_.AddForeignPort(name, 0); }
  void AddForeignFlow(const FlowKey& key, const std::string& actions) override {
    fake_.AddForeignFlow(key, actions);
  }
  void RemoveFlow(const FlowKey& key) override { fake_.RemoveFlow(key); }
  void PutMeter(uint32_t id, const Meter& meter) override { fake_.PutMeter(id, meter); }
  void RemoveMeter(uint32_t id) override { fake_.RemoveMeter(id); }
  std::string RefusedActions() override { return "group:77"; }
  bool HasFlow(const FlowKey& key) override { return fake_.all_flows().contains(key); }
  bool HasPort(const std::string& name) override { return fake_.all_ports().contains(name); }
  uint64_t FlowMods() override { return static_cast<uint64_t>(fake_.flow_mods()); }

 private:
  FakeSwitch fake_;
};

INSTANTIATE_TEST_SUITE_P(Fake, SwitchContract, testing::Values([]() -> std::unique_ptr<SwitchHarness> {
                           return std::make_unique<FakeHarness>();
                         }));

TEST(FakeSwitchTest, FailsTheWayItIsTold) {
  FakeSwitch fake;
  fake.Start([] {});
  fake.FailSnapshots(absl::InternalError("broken"));
  EXPECT_EQ(fake.Snapshot().status(), absl::InternalError("broken"));
  fake.FailSnapshots(absl::OkStatus());
  fake.FailApplies(absl::DeadlineExceededError("late"), absl::OkStatus());
  const ApplyResult result = fake.Apply({.port_adds = {{"rep1", 5}}, .flow_puts = {{{0, 1, "ip"}, "drop"}}});
  EXPECT_EQ(result.flows, absl::DeadlineExceededError("late"));
  EXPECT_EQ(result.ports, absl::OkStatus());
  EXPECT_EQ(fake.Snapshot()->ports.at("rep1").ofport, 5u);
  EXPECT_TRUE(fake.Snapshot()->flows.empty());
  EXPECT_EQ(fake.flow_mods(), 0);
  EXPECT_EQ(fake.port_ops(), 1);
  EXPECT_EQ(fake.applies(), 1);
}

TEST(FakeSwitchTest, HoldsBackTheConfirmation) {
  FakeSwitch fake;
  fake.Start([] {});
  fake.Hold();
  bool returned = false;
  std::thread applier([&] {
    fake.Apply({.flow_puts = {{{0, 1, "ip"}, "drop"}}});
    returned = true;
  });
  fake.AwaitHeld();
  EXPECT_EQ(fake.all_flows().size(), 1u);
  EXPECT_FALSE(returned);
  fake.Release();
  applier.join();
  EXPECT_TRUE(returned);
}

}  // namespace
}  // namespace xpu
