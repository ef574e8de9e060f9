#pragma once

// What every Switch must do. A test program includes this once and says which switches it runs on:
//   INSTANTIATE_TEST_SUITE_P(Fake, SwitchContract, ::testing::Values(MakeFakeHarness), ...)

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/datapath/switch.h"
#include "xpu-agent/datapath/switch_observer.h"

namespace xpu {

// A switch and the world around it.
class SwitchHarness {
 public:
  virtual ~SwitchHarness() = default;
  // Not started yet.
  virtual Switch& sw() = 0;
  // An interface that a port can open.
  virtual void MakeInterface(const std::string& name) = 0;
  // There is no such interface (until MakeInterface()).
  virtual void NoInterface(const std::string& name) = 0;
  // Cuts the switch off; brings it back without its flows, as a restart does.
  virtual void Disconnect() = 0;
  virtual void ConnectEmpty() = 0;
  // Someone else at work.
  virtual void AddForeignPort(const std::string& name) = 0;
  virtual void AddForeignFlow(const FlowKey& key, const std::string& actions) = 0;
  virtual void RemoveFlow(const FlowKey& key) = 0;
  // Makes a meter, or changes one that is there.
  virtual void PutMeter(uint32_t id, const Meter& meter) = 0;
  virtual void RemoveMeter(uint32_t id) = 0;
  // Actions that parse but that the switch refuses.
  virtual std::string RefusedActions() = 0;
  // What the switch itself says that it has, everybody's.
  virtual bool HasFlow(const FlowKey& key) = 0;
  virtual bool HasPort(const std::string& name) = 0;
  // Flow mods that reached the switch, or were sent to it.
  virtual uint64_t FlowMods() = 0;
};

using SwitchHarnessFactory = std::function<std::unique_ptr<SwitchHarness>()>;

class SwitchContract : public ::testing::TestWithParam<SwitchHarnessFactory> {
 protected:
  void SetUp() override {
    harness_ = GetParam()();
    ASSERT_NE(harness_, nullptr);
    observer_.Start(sw());
    ASSERT_TRUE(observer_.AwaitReady());
  }

  Switch& sw() { return harness_->sw(); }

  SwitchSnapshot Snapshot() {
    auto snapshot = sw().Snapshot();
    EXPECT_TRUE(snapshot.ok()) << snapshot.status();
    return snapshot.ok() ? *snapshot : SwitchSnapshot();
  }

  void ApplyOk(const SwitchPlan& plan) {
    const ApplyResult result = sw().Apply(plan);
    EXPECT_EQ(result.flows, absl::OkStatus());
    EXPECT_EQ(result.ports, absl::OkStatus());
  }

  bool AwaitSnapshot(const std::function<bool(const SwitchSnapshot&)>& wanted) {
    return observer_.AwaitSnapshot(wanted);
  }

  SwitchObserver observer_;
  std::unique_ptr<SwitchHarness> harness_;

  const FlowKey flow_a_{10, 100, "ip,in_port=1"};
  const FlowKey flow_b_{10, 100, "ip,in_port=2"};
  const FlowKey flow_c_{0, 0, ""};
};

TEST_P(SwitchContract, StartsWithNothingOfOurs) { EXPECT_EQ(Snapshot(), SwitchSnapshot()); }

TEST_P(SwitchContract, GivesAnAddedPortTheNumberItAsksFor) {
  harness_->MakeInterface("rep1");
  ApplyOk({.port_adds = {{"rep1", 17}}});
  EXPECT_THAT(Snapshot().ports,
              ::testing::ElementsAre(::testing::Pair("rep1", SwitchPort{"rep1", 17, "", 17})));
  EXPECT_TRUE(harness_->HasPort("rep1"));
}

TEST_P(SwitchContract, GivesTwoPortsThatAskForOneNumberDifferentOnes) {
  harness_->MakeInterface("rep1");
  harness_->MakeInterface("rep2");
  ApplyOk({.port_adds = {{"rep1", 17}, {"rep2", 17}}});
  const SwitchSnapshot snapshot = Snapshot();
  ASSERT_EQ(snapshot.ports.size(), 2u);
  EXPECT_NE(snapshot.ports.at("rep1").ofport, snapshot.ports.at("rep2").ofport);
  EXPECT_NE(snapshot.ports.at("rep1").ofport, 0u);
  EXPECT_NE(snapshot.ports.at("rep2").ofport, 0u);
}

TEST_P(SwitchContract, MovesAPortThatIsAddedAgainToItsNewNumber) {
  harness_->MakeInterface("rep1");
  ApplyOk({.port_adds = {{"rep1", 17}}});
  ApplyOk({.port_adds = {{"rep1", 18}}});
  EXPECT_THAT(Snapshot().ports,
              ::testing::ElementsAre(::testing::Pair("rep1", SwitchPort{"rep1", 18, "", 18})));
  ApplyOk({.port_deletes = {"rep1"}, .port_adds = {{"rep1", 19}}});
  EXPECT_THAT(Snapshot().ports,
              ::testing::ElementsAre(::testing::Pair("rep1", SwitchPort{"rep1", 19, "", 19})));
}

TEST_P(SwitchContract, RemovesAPortAndForgivesOneThatIsNotThere) {
  harness_->MakeInterface("rep1");
  ApplyOk({.port_adds = {{"rep1", 17}}});
  ApplyOk({.port_deletes = {"rep1", "never-there"}});
  EXPECT_THAT(Snapshot().ports, ::testing::IsEmpty());
  EXPECT_FALSE(harness_->HasPort("rep1"));
}

TEST_P(SwitchContract, ReportsWhyAPortCannotBeOpenedAndWhenItCan) {
  harness_->NoInterface("rep9");
  ApplyOk({.port_adds = {{"rep9", 9}}});
  const SwitchSnapshot snapshot = Snapshot();
  ASSERT_TRUE(snapshot.ports.contains("rep9"));
  EXPECT_EQ(snapshot.ports.at("rep9").ofport, 0u);
  EXPECT_THAT(snapshot.ports.at("rep9").error, ::testing::HasSubstr("rep9"));
  harness_->MakeInterface("rep9");
  EXPECT_TRUE(AwaitSnapshot([](const SwitchSnapshot& s) {
    return s.ports.contains("rep9") && s.ports.at("rep9") == SwitchPort{"rep9", 9, "", 9};
  }));
}

TEST_P(SwitchContract, OpensAPortOfAKindThatNeedsNoInterface) {
  const std::map<std::string, std::string> options{
      {"remote_ip", "flow"}, {"local_ip", "127.0.0.1"}, {"key", "flow"}, {"dst_port", "4789"}};
  ApplyOk({.port_adds = {{"tunnel", 40, "vxlan", options}}});
  EXPECT_THAT(Snapshot().ports, ::testing::ElementsAre(::testing::Pair(
                                    "tunnel", SwitchPort{"tunnel", 40, "", 40, "vxlan", options})));
  ApplyOk({.port_deletes = {"tunnel"}});
  EXPECT_THAT(Snapshot().ports, ::testing::IsEmpty());
}

TEST_P(SwitchContract, GivesAPortThatIsAddedAgainItsNewOptions) {
  std::map<std::string, std::string> options{
      {"remote_ip", "flow"}, {"local_ip", "127.0.0.1"}, {"key", "flow"}, {"dst_port", "4789"}};
  ApplyOk({.port_adds = {{"tunnel", 40, "vxlan", options}}});
  options["local_ip"] = "127.0.0.2";
  options.erase("dst_port");
  ApplyOk({.port_adds = {{"tunnel", 40, "vxlan", options}}});
  EXPECT_THAT(Snapshot().ports, ::testing::ElementsAre(::testing::Pair(
                                    "tunnel", SwitchPort{"tunnel", 40, "", 40, "vxlan", options})));
}

TEST_P(SwitchContract, ReportsAPortOfAKindThatTheSwitchDoesNotHave) {
  harness_->MakeInterface("rep1");
  ApplyOk({.port_adds = {{"rep1", 1, "telepathy"}}});
  ASSERT_TRUE(Snapshot().ports.contains("rep1"));
  EXPECT_EQ(Snapshot().ports.at("rep1").ofport, 0u);
  EXPECT_THAT(Snapshot().ports.at("rep1").error, ::testing::Not(::testing::IsEmpty()));
  ApplyOk({.port_adds = {{"rep1", 1}}});
  EXPECT_THAT(Snapshot().ports,
              ::testing::ElementsAre(::testing::Pair("rep1", SwitchPort{"rep1", 1, "", 1})));
}

TEST_P(SwitchContract, AddsReplacesAndRemovesFlows) {
  ApplyOk({.flow_puts = {{flow_a_, "output:2"}, {flow_b_, "drop"}, {flow_c_, "goto_table:10"}}});
  EXPECT_EQ(Snapshot().flows,
            (FlowTable{{flow_a_, "output:2"}, {flow_b_, "drop"}, {flow_c_, "goto_table:10"}}));
  ApplyOk({.flow_deletes = {flow_c_, {10, 1, ""}}, .flow_puts = {{flow_a_, "output:3"}}});
  EXPECT_EQ(Snapshot().flows, (FlowTable{{flow_a_, "output:3"}, {flow_b_, "drop"}}));
  EXPECT_TRUE(harness_->HasFlow(flow_a_));
  EXPECT_FALSE(harness_->HasFlow(flow_c_));
}

TEST_P(SwitchContract, SendsNothingForAnEmptyPlan) {
  ApplyOk({.flow_puts = {{flow_a_, "output:2"}}});
  const uint64_t before = harness_->FlowMods();
  ApplyOk({});
  EXPECT_EQ(harness_->FlowMods(), before);
  EXPECT_EQ(Snapshot().flows, (FlowTable{{flow_a_, "output:2"}}));
}

TEST_P(SwitchContract, ChangesNoFlowIfOneIsRefusedAndNamesIt) {
  harness_->MakeInterface("rep1");
  harness_->MakeInterface("rep2");
  ApplyOk({.port_adds = {{"rep1", 1}}, .flow_puts = {{flow_a_, "output:2"}}});
  const ApplyResult result =
      sw().Apply({.port_deletes = {"rep1"},
                  .port_adds = {{"rep2", 2}},
                  .flow_deletes = {flow_a_},
                  .flow_puts = {{flow_b_, harness_->RefusedActions()}, {flow_c_, "drop"}}});
  EXPECT_EQ(result.flows.code(), absl::StatusCode::kInvalidArgument) << result.flows;
  EXPECT_THAT(std::string(result.flows.message()), ::testing::HasSubstr(flow_b_.match));
  EXPECT_EQ(Snapshot().flows, (FlowTable{{flow_a_, "output:2"}}));
  EXPECT_FALSE(harness_->HasFlow(flow_c_));
  // New ports come; an old one stays while its flows do, or its number could become another's.
  EXPECT_EQ(result.ports.code(), absl::StatusCode::kAborted) << result.ports;
  EXPECT_THAT(Snapshot().ports,
              ::testing::UnorderedElementsAre(::testing::Key("rep1"), ::testing::Key("rep2")));
  ApplyOk({.flow_puts = {{flow_b_, "drop"}}});
}

TEST_P(SwitchContract, NeitherShowsNorTouchesWhatIsOthers) {
  const FlowKey foreign{0, 7, "in_port=5"};
  harness_->MakeInterface("other1");
  harness_->MakeInterface("rep1");
  harness_->AddForeignPort("other1");
  harness_->AddForeignFlow(foreign, "drop");
  ApplyOk({.port_adds = {{"rep1", 1}}, .flow_puts = {{flow_a_, "output:2"}}});
  EXPECT_THAT(Snapshot().ports, ::testing::ElementsAre(::testing::Key("rep1")));
  EXPECT_EQ(Snapshot().flows, (FlowTable{{flow_a_, "output:2"}}));
  // Not even when told to.
  ApplyOk({.port_deletes = {"other1", "rep1"}, .flow_deletes = {foreign, flow_a_}});
  EXPECT_EQ(Snapshot(), SwitchSnapshot());
  EXPECT_TRUE(harness_->HasPort("other1"));
  EXPECT_TRUE(harness_->HasFlow(foreign));
}

TEST_P(SwitchContract, RefusesTheNameOfAnothersPortAndAddsTheRest) {
  harness_->MakeInterface("other1");
  harness_->MakeInterface("rep1");
  harness_->AddForeignPort("other1");
  const ApplyResult result =
      sw().Apply({.port_adds = {{"other1", 3}, {"rep1", 4}}, .flow_puts = {{flow_a_, "drop"}}});
  EXPECT_EQ(result.flows, absl::OkStatus());
  EXPECT_EQ(result.ports.code(), absl::StatusCode::kFailedPrecondition) << result.ports;
  EXPECT_THAT(std::string(result.ports.message()), ::testing::HasSubstr("other1"));
  EXPECT_THAT(Snapshot().ports,
              ::testing::ElementsAre(::testing::Pair("rep1", SwitchPort{"rep1", 4, "", 4})));
}

TEST_P(SwitchContract, ReportsThatSomeoneRemovedOrReplacedAFlow) {
  ApplyOk({.flow_puts = {{flow_a_, "output:2"}, {flow_b_, "drop"}}});
  harness_->RemoveFlow(flow_a_);
  EXPECT_TRUE(AwaitSnapshot([&](const SwitchSnapshot& s) {
    return s.flows == FlowTable{{flow_b_, "drop"}};
  }));
  harness_->AddForeignFlow(flow_b_, "output:4");
  EXPECT_TRUE(AwaitSnapshot([&](const SwitchSnapshot& s) { return s.flows.empty(); }));
  ApplyOk({.flow_puts = {{flow_b_, "drop"}}});
  EXPECT_EQ(Snapshot().flows, (FlowTable{{flow_b_, "drop"}}));
}

TEST_P(SwitchContract, AddsChangesAndRemovesMetersWithTheFlowsThatUseThem) {
  const Meter slow{Meter::Unit::kKilobits, 1000, 100}, few{Meter::Unit::kPackets, 10, 20};
  const std::string with_meter = absl::StrCat("meter:", kFirstMeter, ",output:2");
  ApplyOk({.flow_puts = {{flow_a_, with_meter}}, .meter_puts = {{kFirstMeter, slow}, {kLastMeter, few}}});
  EXPECT_EQ(Snapshot().flows, (FlowTable{{flow_a_, with_meter}}));
  EXPECT_EQ(Snapshot().meters, (MeterTable{{kFirstMeter, slow}, {kLastMeter, few}}));
  Meter slower = slow;
  slower.rate = 500;
  ApplyOk({.meter_deletes = {kLastMeter, kLastMeter - 1}, .meter_puts = {{kFirstMeter, slower}}});
  EXPECT_EQ(Snapshot().meters, (MeterTable{{kFirstMeter, slower}}));
  EXPECT_TRUE(harness_->HasFlow(flow_a_));
  ApplyOk({.flow_deletes = {flow_a_}, .meter_deletes = {kFirstMeter}});
  EXPECT_EQ(Snapshot(), SwitchSnapshot());
}

TEST_P(SwitchContract, ChangesNoFlowIfAMeterIsRefusedAndNamesIt) {
  ApplyOk({.flow_puts = {{flow_a_, "output:2"}}});
  const ApplyResult result =
      sw().Apply({.flow_puts = {{flow_b_, "drop"}}, .meter_puts = {{5, {Meter::Unit::kPackets, 1, 1}}}});
  EXPECT_EQ(result.flows.code(), absl::StatusCode::kInvalidArgument) << result.flows;
  EXPECT_THAT(std::string(result.flows.message()), ::testing::HasSubstr("meter 5"));
  EXPECT_EQ(Snapshot().flows, (FlowTable{{flow_a_, "output:2"}}));
  // A flow is refused whose meter is not there.
  const ApplyResult without = sw().Apply({.flow_puts = {{flow_b_, absl::StrCat("meter:", kFirstMeter)}}});
  EXPECT_EQ(without.flows.code(), absl::StatusCode::kInvalidArgument) << without.flows;
  EXPECT_EQ(Snapshot().flows, (FlowTable{{flow_a_, "output:2"}}));
}

TEST_P(SwitchContract, ReportsThatSomeoneChangedOrRemovedAMeterAndNoneOfOthers) {
  const Meter slow{Meter::Unit::kKilobits, 1000, 100}, fast{Meter::Unit::kKilobits, 9000, 900};
  const std::string with_meter = absl::StrCat("meter:", kFirstMeter, ",output:2");
  ApplyOk({.flow_puts = {{flow_a_, with_meter}}, .meter_puts = {{kFirstMeter, slow}}});
  harness_->PutMeter(5, fast);
  harness_->PutMeter(kFirstMeter, fast);
  EXPECT_TRUE(AwaitSnapshot([&](const SwitchSnapshot& s) {
    return s.meters == MeterTable{{kFirstMeter, fast}};
  }));
  ApplyOk({.meter_puts = {{kFirstMeter, slow}}});
  EXPECT_EQ(Snapshot().meters, (MeterTable{{kFirstMeter, slow}}));
  harness_->RemoveMeter(kFirstMeter);
  EXPECT_TRUE(AwaitSnapshot([&](const SwitchSnapshot& s) { return s.meters.empty() && s.flows.empty(); }));
  ApplyOk({.flow_puts = {{flow_a_, with_meter}}, .meter_puts = {{kFirstMeter, slow}}});
  EXPECT_EQ(Snapshot().meters, (MeterTable{{kFirstMeter, slow}}));
}

TEST_P(SwitchContract, IsUnavailableWhileDisconnectedAndComesBack) {
  harness_->MakeInterface("rep1");
  ApplyOk({.port_adds = {{"rep1", 17}},
           .flow_puts = {{flow_a_, "output:2"}},
           .meter_puts = {{kFirstMeter, {Meter::Unit::kPackets, 1, 1}}}});
  harness_->Disconnect();
  EXPECT_TRUE(observer_.AwaitUnavailable());
  const ApplyResult result = sw().Apply({.port_deletes = {"rep1"}, .flow_puts = {{flow_b_, "drop"}}});
  EXPECT_EQ(result.flows.code(), absl::StatusCode::kUnavailable) << result.flows;
  EXPECT_EQ(result.ports.code(), absl::StatusCode::kUnavailable) << result.ports;
  harness_->ConnectEmpty();
  EXPECT_TRUE(AwaitSnapshot([](const SwitchSnapshot& s) {
    return s.flows.empty() && s.meters.empty() && s.ports.contains("rep1") && s.ports.at("rep1").ofport == 17;
  }));
  ApplyOk({.flow_puts = {{flow_b_, "drop"}}});
  EXPECT_EQ(Snapshot().flows, (FlowTable{{flow_b_, "drop"}}));
}

}  // namespace xpu
