// Many clients at once: nothing is given twice, nothing is lost, and the switch ends as the model says.

#include <atomic>
#include <random>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/opi/opi_names.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/component/agent/agent_testing.h"
#include "xpu-agent/plan/plan.h"

namespace xpu {
namespace {

using testing::AgentOnFakes;

// The switch is exactly what the planner wants for what is in the store.
void ExpectSwitchFitsStore(AgentOnFakes& agent) {
  Model model = agent.store().Load()->model;
  const auto representors = agent.representors().List().value();
  for (const auto& [name, interface] : representors) {
    const int index = agent.representors().Prepare(interface, 0, 0).value().index;
    model.representors[PortFunction::FromPhysPortName(name)->ToPortId()] = {interface,
                                                                            static_cast<uint32_t>(index)};
  }
  auto snapshot = agent.the_switch().Snapshot();
  ASSERT_TRUE(snapshot.ok());
  EXPECT_EQ(PlanToString(MakePlan(model, *snapshot)), "");
}

TEST(AgentConcurrency, RandomBindsAndUnbindsOfManyClientsEndClean) {
  constexpr int kPorts = 16;
  AgentOnFakes agent({.functions = kPorts});
  MakeNetwork(agent.client(), "blue", 10);
  MakeNetwork(agent.client(), "red", 11);
  const FlowTable empty = agent.the_switch().all_flows();
  std::vector<std::thread> hosts;
  for (int vf = 0; vf < kPorts; ++vf) {
    hosts.emplace_back([&agent, vf] {
      std::mt19937 random(static_cast<unsigned>(vf));
      const std::string port = absl::StrCat("host0-", vf);
      for (int64_t claim = 1; claim <= 8; ++claim) {
        if (random() % 2) {
          EXPECT_EQ(agent.client().CreateBridgePort(port, PortSpecOf(vf + 1), claim).status(),
                    absl::OkStatus());
        }
        auto bound = agent.client().BindPort(BindOf(port, random() % 2 ? "blue" : "red", vf + 1, claim));
        EXPECT_EQ(bound.status(), absl::OkStatus());
        EXPECT_EQ(agent.client().UnbindPort(UnbindOf(port, claim, true)), absl::OkStatus());
      }
    });
  }
  std::thread reader([&agent] {
    for (int i = 0; i < 50; ++i) {
      auto bindings = agent.client().ListPortBindings();
      ASSERT_EQ(bindings.status(), absl::OkStatus());
      std::set<std::string> seen;
      for (const auto& binding : *bindings) {
        for (const std::string& address : binding.addresses()) {
          EXPECT_TRUE(seen.insert(absl::StrCat(binding.logical_bridge(), " ", address)).second) << address;
        }
      }
    }
  });
  for (std::thread& host : hosts) host.join();
  reader.join();
  EXPECT_THAT(agent.client().ListBridgePorts().value(), ::testing::IsEmpty());
  EXPECT_EQ(agent.the_switch().all_flows(), empty);
  EXPECT_EQ(agent.the_switch().all_ports().size(), static_cast<size_t>(kPorts));
}

TEST(AgentConcurrency, TwoClientsWithOneClaimAndTwoWishesDoNotBothWin) {
  AgentOnFakes agent;
  MakeNetwork(agent.client(), "blue", 10);
  MakeNetwork(agent.client(), "red", 11);
  for (int64_t claim = 1; claim <= 10; ++claim) {
    std::atomic<int> won = 0;
    std::vector<std::thread> clients;
    for (const char* bridge : {"blue", "red"}) {
      clients.emplace_back([&agent, &won, bridge, claim] {
        absl::Status status = agent.client().BindPort(BindOf("host0-0", bridge, 1, claim)).status();
        if (status.ok()) {
          ++won;
        } else {
          EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists) << status;
        }
      });
    }
    for (std::thread& client : clients) client.join();
    EXPECT_EQ(won, 1);
    ASSERT_EQ(agent.client().UnbindPort(UnbindOf("host0-0", claim, true)), absl::OkStatus());
  }
}

TEST(AgentConcurrency, ARestartInTheMiddleOfManyRequestsLeavesTheSwitchAsTheStoreSays) {
  AgentOnFakes agent;
  MakeNetwork(agent.client(), "blue", 10);
  std::vector<std::thread> hosts;
  for (int vf = 0; vf < 8; ++vf) {
    hosts.emplace_back([&agent, vf] {
      const std::string port = absl::StrCat("host0-", vf);
      for (int64_t claim = 1; claim <= 12; ++claim) {
        // Either may be cut off; nothing is repeated.
        agent.client().BindPort(BindOf(port, "blue", vf + 1, claim)).IgnoreError();
        agent.client().UnbindPort(UnbindOf(port, claim, claim % 3 != 0)).IgnoreError();
      }
    });
  }
  for (int restart = 0; restart < 3; ++restart) {
    agent.Stop();
    agent.Start();
  }
  for (std::thread& host : hosts) host.join();
  agent.Stop();
  agent.Start();
  agent.AwaitConnected();
  ASSERT_TRUE(agent.client().CreateLogicalBridge("settle", BridgeSpecOf(4000)).ok());
  ExpectSwitchFitsStore(agent);
}

}  // namespace
}  // namespace xpu
