// The agent driven by resources, by direct OPI calls, and by both at once: the same result.

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/api/api.h"
#include "common/api/kinds.h"
#include "common/kube/fake_store.h"
#include "common/kube/metadata.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/component/agent/agent_testing.h"
#include "xpu/api/v1alpha1/netdev.pb.h"
#include "xpu/api/v1alpha1/network.pb.h"

namespace xpu {
namespace {

using testing::AgentOnFakes;

const ResourceKind& Networks() { return api::KindOf<api::v1alpha1::Network>().resource; }
const ResourceKind& Netdevs() { return api::KindOf<api::v1alpha1::Netdev>().resource; }

void CreateNetwork(ResourceStore& store, const std::string& name, int vni) {
  Resource object = MakeResource(Networks(), {"default", name});
  object["spec"] = {{"vni", vni}, {"prefixes", {"10.0.0.0/24", "2001:db8::/64"}}, {"mtu", 1500}};
  ASSERT_TRUE(store.Create(Networks(), object).ok());
}

void CreateNetdev(ResourceStore& store, int vf, const std::string& network, int64_t claim) {
  Resource object = MakeResource(Netdevs(), {"default", absl::StrCat("vf", vf)});
  object["spec"] = {{"host", "host-a"},  {"function", absl::StrCat("0000:03:00.", vf)},
                    {"card", "card0"},   {"port", absl::StrCat("host0-", vf)},
                    {"claim", claim},    {"mac", absl::StrCat("02:00:00:00:00:0", vf + 1)},
                    {"network", network}};
  ASSERT_TRUE(store.Create(Netdevs(), object).ok());
}

// Waits until `test` is true of the object, null while it is not there.
Resource WaitFor(FakeStore& store, const ResourceKind& kind, const std::string& name,
                 const std::function<bool(const Resource&)>& test) {
  absl::Mutex mu;
  const ListOptions only{"", "metadata.name=" + name};
  const ResourceList list = store.List(kind, "default", only).value();
  Resource object = list.items.empty() ? Resource() : list.items[0];
  auto seen = [&](const WatchEvent& event) {
    absl::MutexLock lock(&mu);
    object = event.type == WatchEvent::Type::kDeleted ? Resource() : event.object;
  };
  const auto watcher = store.Watch(kind, "default", list.resource_version, only, {seen, nullptr}).value();
  const auto reached = [&] { return test(object); };
  absl::MutexLock lock(&mu);
  EXPECT_TRUE(mu.AwaitWithTimeout(absl::Condition(&reached), absl::Seconds(20))) << object.dump(2);
  return object;
}

Resource WaitForReady(FakeStore& store, const ResourceKind& kind, const std::string& name) {
  return WaitFor(store, kind, name, [](const Resource& object) {
    return !object.is_null() && GetCondition(object, "Ready").status == "True" &&
           GetCondition(object, "Ready").observed_generation == GenerationOf(object);
  });
}

TEST(AgentBothWays, ResourcesAndDirectCallsEndInTheSameFlowsAndAddresses) {
  FakeStore store;
  AgentOnFakes by_resource({.resources = &store});
  CreateNetwork(store, "blue", 100);
  WaitForReady(store, Networks(), "blue");
  CreateNetwork(store, "red", 101);
  WaitForReady(store, Networks(), "red");
  CreateNetdev(store, 0, "blue", 1);
  WaitForReady(store, Netdevs(), "vf0");
  CreateNetdev(store, 1, "red", 1);
  WaitForReady(store, Netdevs(), "vf1");

  AgentOnFakes direct;
  for (const char* name : {"default.blue", "default.red"}) {
    auto model = by_resource.client().GetLogicalBridge(absl::StrCat("logicalBridges/", name));
    ASSERT_EQ(model.status(), absl::OkStatus());
    ASSERT_TRUE(direct.client().CreateLogicalBridge(name, model->spec()).ok());
    agent::v1::Subnets subnets;
    subnets.set_logical_bridge(model->name());
    subnets.add_prefixes("10.0.0.0/24");
    subnets.add_prefixes("2001:db8::/64");
    ASSERT_TRUE(direct.client().SetSubnets(subnets).ok());
  }
  ASSERT_TRUE(direct.client().BindPort(BindOf("host0-0", "default.blue", 1, 1)).ok());
  ASSERT_TRUE(direct.client().BindPort(BindOf("host0-1", "default.red", 2, 1)).ok());

  EXPECT_EQ(by_resource.the_switch().all_flows(), direct.the_switch().all_flows());
  EXPECT_EQ(by_resource.the_switch().all_ports(), direct.the_switch().all_ports());
  auto one = by_resource.client().ListPortBindings().value();
  auto other = direct.client().ListPortBindings().value();
  ASSERT_EQ(one.size(), other.size());
  for (size_t i = 0; i < one.size(); ++i) EXPECT_EQ(one[i].DebugString(), other[i].DebugString());
}

TEST(AgentBothWays, TheResourceOfWhatWasBoundDirectlyChangesNothing) {
  FakeStore store;
  AgentOnFakes agent({.resources = &store});
  CreateNetwork(store, "blue", 100);
  WaitForReady(store, Networks(), "blue");
  auto bound = agent.client().BindPort(BindOf("host0-0", "default.blue", 1, 5));
  ASSERT_EQ(bound.status(), absl::OkStatus());
  const int flow_mods = agent.the_switch().flow_mods();
  CreateNetdev(store, 0, "blue", 5);
  const Resource netdev = WaitForReady(store, Netdevs(), "vf0");
  EXPECT_EQ(agent.the_switch().flow_mods(), flow_mods);
  EXPECT_EQ(netdev["status"]["addresses"],
            Resource(std::vector<std::string>(bound->addresses().begin(), bound->addresses().end())));
  // Released directly, the resource does not bring it back.
  ASSERT_EQ(agent.client().UnbindPort(UnbindOf("host0-0", 5, true)), absl::OkStatus());
  ASSERT_TRUE(store.Delete(Netdevs(), {"default", "vf0"}).ok());
  WaitFor(store, Netdevs(), "vf0", [](const Resource& object) { return object.is_null(); });
  EXPECT_THAT(agent.client().ListBridgePorts().value(), ::testing::IsEmpty());
}

TEST(AgentBothWays, AnAgentThatRestartsGoesOnWithItsResources) {
  FakeStore store;
  AgentOnFakes agent({.resources = &store});
  CreateNetwork(store, "blue", 100);
  CreateNetdev(store, 0, "blue", 1);
  WaitForReady(store, Netdevs(), "vf0");
  const FlowTable flows = agent.the_switch().all_flows();
  agent.Stop();
  // A stop is no reason for a status to change.
  EXPECT_EQ(GetCondition(store.Get(Networks(), {"default", "blue"}).value(), "Ready").status, "True");
  EXPECT_EQ(GetCondition(store.Get(Netdevs(), {"default", "vf0"}).value(), "Ready").status, "True");
  const int flow_mods = agent.the_switch().flow_mods();
  CreateNetdev(store, 1, "blue", 1);
  agent.Start();
  WaitForReady(store, Netdevs(), "vf1");
  EXPECT_GT(agent.the_switch().flow_mods(), flow_mods);
  ASSERT_TRUE(store.Delete(Netdevs(), {"default", "vf1"}).ok());
  WaitFor(store, Netdevs(), "vf1", [](const Resource& object) { return object.is_null(); });
  EXPECT_EQ(agent.the_switch().all_flows(), flows);
}

}  // namespace
}  // namespace xpu
