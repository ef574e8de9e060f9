#include "host-agent/testing/fault_run.h"

#include <optional>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

AtRest LookAtRest(World& world) { return {world.AtHome(kFaultVf), world.Kept(kFaultVf)}; }

void ExpectNothingLeft(World& world, const AtRest& at_first, const std::string& pod) {
  EXPECT_THAT(*world.journal.Load(), IsEmpty());
  EXPECT_THAT(world.Ports(), IsEmpty());
  EXPECT_THAT(world.Bindings(), IsEmpty());
  EXPECT_THAT(world.InterfacesOf(pod), IsEmpty());
  EXPECT_THAT(world.ipam.Given(), IsEmpty());
  EXPECT_TRUE(world.Kept(kFaultVf) == at_first.kept) << "the physical function keeps something else";
  const std::optional<Link> now = world.AtHome(kFaultVf);
  ASSERT_EQ(now.has_value(), at_first.link.has_value()) << "the function is not at home";
  if (!now) return;
  EXPECT_EQ(now->name, at_first.link->name);
  EXPECT_EQ(now->mac, at_first.link->mac);
  EXPECT_EQ(now->mtu, at_first.link->mtu);
  EXPECT_EQ(now->alias, at_first.link->alias);
}

void ExpectAttached(World& world, const std::string& pod) {
  const auto rows = world.journal.Load();
  ASSERT_EQ(rows->size(), 1u);
  const ClaimRow& row = rows->front();
  EXPECT_TRUE(row.confirmed);
  EXPECT_EQ(row.state, ClaimState::kAttached);
  EXPECT_FALSE(row.result.empty());
  const std::vector<agent::v1::PortBinding> bindings = world.Bindings();
  ASSERT_EQ(bindings.size(), 1u);
  EXPECT_EQ(bindings[0].claim(), row.claim);
  if (row.attachment->vlan) {
    EXPECT_TRUE(bindings[0].has_vlan());
    EXPECT_EQ(bindings[0].vlan(), *row.attachment->vlan);
  } else {
    EXPECT_EQ(bindings[0].logical_bridge(), "logicalBridges/default." + row.attachment->network);
  }
  // The card lets nothing pass but under what the pod has.
  EXPECT_EQ(static_cast<size_t>(bindings[0].addresses_size()), row.addresses.size());
  EXPECT_EQ(bindings[0].mac_address(), row.mac.ToBytes());
  EXPECT_EQ(world.ipam.Given().size(), row.ipam ? 1u : 0u);
  if (row.vfio) {
    EXPECT_THAT(world.InterfacesOf(pod), IsEmpty());
    return;
  }
  EXPECT_THAT(world.InterfacesOf(pod), ElementsAre("net1"));
  EXPECT_THAT(world.AddressesInPod(pod, "net1"), ::testing::UnorderedElementsAreArray(row.addresses));
  const std::optional<Link> link = world.InPod(pod, "net1");
  EXPECT_TRUE(link && link->up && link->mac == row.mac && link->mtu == row.mtu);
}

bool RunWithFault(World& world, const std::string& pod, const FaultOperation& operation, const Fault& fault,
                  int n, TakenBackBy taken_back_by) {
  const AtRest at_first = LookAtRest(world);
  auto agent = std::make_unique<Incarnation>(world);
  operation.before(*agent, pod);
  // What held when the operation began must hold if it is not there to end it.
  const bool was_attached = !world.Bindings().empty();

  agent->faults.Arm(n, fault.mode, fault.status);
  const absl::Status status = operation.run(*agent, pod);
  const bool fired = agent->faults.fired();
  SCOPED_TRACE(::testing::Message() << "call " << n << ", " << agent->faults.where() << ", answered "
                                    << status);
  agent->faults.Disarm();
  if (!fired) {
    EXPECT_TRUE(status.ok()) << status;
  }
  if (operation.attaches && status.ok()) ExpectAttached(world, pod);
  if (fault.kills()) {
    agent = std::make_unique<Incarnation>(world);
    agent->Recover();
    if (operation.attaches && status.ok()) ExpectAttached(world, pod);
  }
  // Told that its namespace or interface is not there, the agent must believe that the pod is gone.
  const bool told_gone = absl::IsNotFound(fault.status);
  if (std::string(operation.name) == "Recovery" && was_attached && !told_gone) ExpectAttached(world, pod);

  if (taken_back_by == TakenBackBy::kDel) {
    EXPECT_TRUE(agent->Del(kFaultVf, pod).ok());
  } else {
    for (const ClaimRow& row : agent->allocator->Rows()) {
      if (!row.attachment) continue;
      const absl::Status released = agent->attacher->Release(row.function, *row.attachment);
      EXPECT_TRUE(released.ok()) << released;
    }
  }
  agent->SettleAll();
  // What is only claimed is for the kubelet to give to another pod.
  for (const ClaimRow& row : agent->allocator->Rows()) {
    EXPECT_EQ(row.state, ClaimState::kClaimed);
    EXPECT_TRUE(agent->attacher->Unclaim(row.function, row.claim).ok());
  }
  ExpectNothingLeft(world, at_first, pod);

  // And all works as if nothing had been.
  EXPECT_TRUE(agent->Add(kFaultVf, pod).ok());
  ExpectAttached(world, pod);
  EXPECT_TRUE(agent->Del(kFaultVf, pod).ok());
  ExpectNothingLeft(world, at_first, pod);
  return fired;
}

}  // namespace xpu
