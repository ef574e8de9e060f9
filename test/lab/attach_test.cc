// The attacher on a real card: its xPU agent and the journal are in memory, all that the kernel and the card
// do is real.

#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/testing/fault_run.h"
#include "host-agent/testing/world.h"
#include "test/lab/card_world.h"
#include "test/lab/machine_monitor.h"
#include "test/lab/watch.h"

namespace xpu {
namespace {

using testing::Card;
using testing::CardWorld;
using ::testing::IsEmpty;
using testing::MachineMonitor;
using testing::Watch;

constexpr int kVfs = 3;
const MacAddress kMac({0x02, 0, 0, 0, 0, 0x99});

class AttachOnACard : public ::testing::Test {
 protected:
  AttachOnACard() {
    // It is no DPU: the physical function tags.
    world_.endpoint = "";
    Restart();
  }
  void Restart() { agent_ = std::make_unique<Incarnation>(world_); }

  // All that igb takes of a virtual function's settings.
  AttachRequest WithAll(int vf, const std::string& pod) {
    AttachRequest request = agent_->Request(vf, pod);
    request.mac = kMac;
    request.settings = {.vlan = VfSettings::Vlan{.id = 100, .qos = 3}, .spoof_check = false, .trust = true};
    return request;
  }
  void ExpectKept(int vf, const AttachRequest& request) {
    const VfSettings kept = world_.Kept(vf);
    EXPECT_EQ(kept.mac, request.mac);
    EXPECT_EQ(kept.vlan, request.settings.vlan);
    EXPECT_EQ(kept.spoof_check, request.settings.spoof_check);
    EXPECT_EQ(kept.trust, request.settings.trust);
  }
  void Bind(int vf, const std::string& driver) {
    const absl::Status bound = world_.bus().BindDriver(world_.vf(vf), driver);
    ASSERT_TRUE(bound.ok()) << bound;
    // As the bus' monitor has the agent do.
    ASSERT_TRUE(agent_->inventory->Refresh().ok());
  }

  CardWorld world_{kVfs};
  std::unique_ptr<Incarnation> agent_;
};

TEST_F(AttachOnACard, AFunctionGoesIntoAPodAndComesBackAsItWas) {
  const std::string pod = world_.MakePod("web");
  const AtRest home = LookAtRest(world_);
  const auto row = agent_->Add(kFaultVf, pod);
  ASSERT_TRUE(row.ok()) << row.status();
  ExpectAttached(world_, pod);
  EXPECT_FALSE(row->known_by_alias) << "the interface says which function it is of";
  EXPECT_EQ(world_.InPod(pod, "net1")->parent_device, world_.vf(kFaultVf).ToString());
  ASSERT_TRUE(agent_->Del(kFaultVf, pod).ok());
  ExpectNothingLeft(world_, home, pod);
}

TEST_F(AttachOnACard, MacAndVlanAndTheRestGoThroughThePhysicalFunctionAndComeBack) {
  const std::string pod = world_.MakePod("web");
  const AtRest home = LookAtRest(world_);
  const AttachRequest request = WithAll(kFaultVf, pod);
  const auto row = agent_->attacher->Add(request);
  ASSERT_TRUE(row.ok()) << row.status();
  ExpectAttached(world_, pod);
  ExpectKept(kFaultVf, request);
  EXPECT_EQ(world_.InPod(pod, "net1")->mac, kMac);
  const absl::Status checked = agent_->attacher->Check(request, row->result);
  EXPECT_TRUE(checked.ok()) << checked;
  ASSERT_TRUE(agent_->Del(kFaultVf, pod).ok());
  ExpectNothingLeft(world_, home, pod);
}

TEST_F(AttachOnACard, WhatTheDriverDoesNotTakeIsRefusedAndAllIsAsItWas) {
  const std::string pod = world_.MakePod("web");
  const AtRest home = LookAtRest(world_);
  AttachRequest request = WithAll(kFaultVf, pod);
  request.settings.link_state = VfSettings::LinkState::kDisable;
  const absl::Status refused = agent_->attacher->Add(request).status();
  EXPECT_THAT(std::string(refused.message()), ::testing::HasSubstr("link_state")) << refused;
  ExpectNothingLeft(world_, home, pod);
}

TEST_F(AttachOnACard, AFunctionThatVfioHoldsIsAttachedWithoutAnInterface) {
  const std::string pod = world_.MakePod("vm");
  Bind(kFaultVf, "vfio-pci");
  const AtRest home = LookAtRest(world_);
  const AttachRequest request = WithAll(kFaultVf, pod);
  const auto row = agent_->attacher->Add(request);
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_TRUE(row->vfio);
  EXPECT_EQ(row->mac, kMac);
  ExpectAttached(world_, pod);
  ExpectKept(kFaultVf, request);
  ASSERT_TRUE(agent_->Del(kFaultVf, pod).ok());
  ExpectNothingLeft(world_, home, pod);
  Bind(kFaultVf, "igbvf");
  EXPECT_TRUE(world_.AtHome(kFaultVf).has_value());
}

TEST_F(AttachOnACard, TwoFunctionsInTwoPods) {
  const std::string one = world_.MakePod("one");
  const std::string two = world_.MakePod("two");
  ASSERT_TRUE(agent_->Add(0, one).ok());
  ASSERT_TRUE(agent_->Add(2, two).ok());
  EXPECT_NE(world_.InPod(one, "net1")->mac, world_.InPod(two, "net1")->mac);
  EXPECT_TRUE(agent_->Del(0, one).ok());
  EXPECT_TRUE(agent_->Del(2, two).ok());
  EXPECT_THAT(*world_.journal.Load(), IsEmpty());
}

TEST_F(AttachOnACard, TheInterfaceOfAPodThatDiedComesHomeAndIsPutInOrder) {
  const std::string pod = world_.MakePod("web");
  const AtRest home = LookAtRest(world_);
  ASSERT_TRUE(agent_->attacher->Add(WithAll(kFaultVf, pod)).ok());
  Watch watch(world_.bus(), world_.card().netlink());
  world_.RemovePod(pod);
  ASSERT_TRUE(watch.AwaitLink("net1"));
  ASSERT_TRUE(agent_->Del(kFaultVf, pod).ok());
  EXPECT_EQ(world_.AtHome(kFaultVf)->name, home.link->name);
  EXPECT_EQ(world_.AtHome(kFaultVf)->mac, home.link->mac);
  EXPECT_TRUE(world_.Kept(kFaultVf) == home.kept);
  EXPECT_THAT(*world_.journal.Load(), IsEmpty());
}

TEST_F(AttachOnACard, ACardThatIsPulledWhileAttachedLeavesNothingBehind) {
  auto machine = MachineMonitor::Open();
  ASSERT_TRUE(machine.ok()) << machine.status();
  const std::string pod = world_.MakePod("web");
  ASSERT_TRUE(agent_->attacher->Add(WithAll(kFaultVf, pod)).ok());
  Watch watch(world_.bus(), world_.card().netlink());
  const absl::Status pulled = machine->Unplug(Card::kId);
  ASSERT_TRUE(pulled.ok()) << pulled;
  ASSERT_TRUE(watch.AwaitFunctions({}));
  EXPECT_THAT(world_.InterfacesOf(pod), IsEmpty()) << "the interface goes with the card";
  ASSERT_TRUE(agent_->inventory->Refresh().ok());
  const absl::Status del = agent_->Del(kFaultVf, pod);
  EXPECT_TRUE(del.ok()) << del;
  EXPECT_THAT(world_.Bindings(), IsEmpty());
  EXPECT_THAT(world_.Ports(), IsEmpty());

  ASSERT_TRUE(machine->Plug(Card::kId, Card::kSlot, Card::kWire, Card::kMac).ok());
  world_.card().AwaitDriver(watch);
  ASSERT_TRUE(world_.bus().SetNumVfs(world_.pf(), kVfs).ok());
  Restart();
  agent_->Recover();
  agent_->SettleAll();
  EXPECT_THAT(*world_.journal.Load(), IsEmpty());
  // And all works as if nothing had been.
  ASSERT_TRUE(agent_->Add(kFaultVf, pod).ok());
  ExpectAttached(world_, pod);
  EXPECT_TRUE(agent_->Del(kFaultVf, pod).ok());
}

TEST_F(AttachOnACard, AKillAtAnyStepLeavesNothingBehind) {
  const std::string pod = world_.MakePod("web");
  const Fault fault{"KilledAfter", FaultPoint::Mode::kKillAfter, absl::OkStatus()};
  const auto add_with_all = [this](Incarnation& agent, const std::string& path) {
    AttachRequest request = WithAll(kFaultVf, path);
    return agent.attacher->Add(request).status();
  };
  const FaultOperation add{"Add", true, [](Incarnation&, const std::string&) {}, add_with_all};
  const FaultOperation del{
      "Del", false,
      [&](Incarnation& agent, const std::string& path) { ASSERT_TRUE(add_with_all(agent, path).ok()); },
      [](Incarnation& agent, const std::string& path) { return agent.Del(kFaultVf, path); }};
  for (const FaultOperation* operation : {&add, &del}) {
    int n = 0;
    while (RunWithFault(world_, pod, *operation, fault, n + 1,
                        n % 2 == 0 ? TakenBackBy::kDel : TakenBackBy::kGc)) {
      ASSERT_FALSE(HasFailure()) << operation->name << " " << n;
      ++n;
    }
    EXPECT_GT(n, 5) << operation->name;
  }
}

}  // namespace
}  // namespace xpu
