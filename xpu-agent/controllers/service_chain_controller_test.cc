#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "xpu-agent/controllers/controllers_testing.h"
#include "xpu/api/v1alpha1/service_chain.pb.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

const ResourceKind& Chains() { return api::KindOf<api::v1alpha1::ServiceChain>().resource; }

// Networks "blue" and, for the interfaces of a firewall, "fw-in" and "fw-out".
class ServiceChainControllerTest : public ControllersTest {
 protected:
  void StartWithNetworks() {
    Start();
    CreateNetwork("blue", 100);
    CreateNetwork("fw-in", 101, "192.0.2.0/28");
    CreateNetwork("fw-out", 102, "192.0.2.16/28");
    for (const char* name : {"blue", "fw-in", "fw-out"}) WaitForReady(Networks(), name);
  }
  void CreateChain(const std::string& name, const Resource& spec) {
    Resource object = MakeResource(Chains(), Name(name));
    object["spec"] = spec;
    ASSERT_TRUE(store_.Create(Chains(), object).ok());
  }
  static Resource Firewall() {
    return {{"network", "blue"},
            {"functions", Resource::array({{{"name", "fw"}, {"input", "fw-in"}, {"output", "fw-out"}}})}};
  }
  void CreateNetdevOf(const std::string& pod, const std::string& name, int vf, const std::string& network) {
    CreateNetdev(name, vf, network);
    PatchSpec(Netdevs(), name, {{"pod", {{"namespace", "default"}, {"name", pod}}}});
  }
  // The functions of the chain as the agent has them: "<input>-<output>" each.
  std::vector<std::string> FunctionsOf(const std::string& chain) {
    std::vector<std::string> functions;
    const auto chains = opi_.Chains();
    const auto it = chains.find(absl::StrCat("default.", chain));
    if (it == chains.end()) return functions;
    for (const auto& function : it->second.functions()) {
      functions.push_back(absl::StrCat(function.id(), " ", function.input().bridge_port(), " ",
                                       function.output().bridge_port()));
    }
    return functions;
  }
  Resource WaitForUp(const std::string& chain, const std::string& input) {
    return WaitFor(Chains(), chain, [&](const Resource& object) {
      return At(object, "/status/cards/0/functions/0/up") == true &&
             At(object, "/status/cards/0/functions/0/input") == input &&
             GetCondition(object, "Ready").status == "True";
    });
  }
};

TEST_F(ServiceChainControllerTest, TheInterfacesOfAPodAreTheFunctionsPorts) {
  StartWithNetworks();
  CreateNetdevOf("fw-0", "in", 1, "fw-in");
  CreateNetdevOf("fw-0", "out", 2, "fw-out");
  WaitForState("in", "Attached");
  WaitForState("out", "Attached");
  CreateChain("c", Firewall());
  const Resource chain = WaitForUp("c", "in");
  EXPECT_TRUE(HasFinalizer(chain, "xpu.opiproject.org/card0-chain"));
  EXPECT_EQ(At(chain, "/status/cards/0/card"), "card0");
  EXPECT_EQ(At(chain, "/status/cards/0/functions/0/output"), "out");
  EXPECT_EQ(At(chain, "/status/cards/0/confirmedGeneration"), GenerationOf(chain));
  const auto set = opi_.Chains().at("default.c");
  EXPECT_EQ(set.logical_bridge(), "logicalBridges/default.blue");
  EXPECT_THAT(FunctionsOf("c"), ::testing::ElementsAre("fw bridgePorts/host0-1 bridgePorts/host0-2"));
  EXPECT_EQ(set.functions(0).input().claim(), 1);

  ASSERT_TRUE(store_.Delete(Chains(), Name("c")).ok());
  WaitForGone(Chains(), "c");
  EXPECT_THAT(opi_.Chains(), IsEmpty());
}

TEST_F(ServiceChainControllerTest, WithoutItsNetworkAndItsPodsNothingPasses) {
  Start();
  CreateChain("c", Firewall());
  const Resource chain = WaitForReady(Chains(), "c", "NotFound");
  EXPECT_THAT(GetCondition(chain, "Ready").message,
              HasSubstr("card card0: function fw: no pod on this card"));
  EXPECT_EQ(At(chain, "/status/cards/0/functions/0/up"), false);
  EXPECT_THAT(FunctionsOf("c"), ::testing::ElementsAre("fw  ")) << "there, and without ports";
  for (const auto& [name, vni] : {std::pair("blue", 100), {"fw-in", 101}, {"fw-out", 102}}) {
    CreateNetwork(name, vni);
    WaitForReady(Networks(), name);
  }
  CreateNetdevOf("fw-0", "in", 1, "fw-in");
  CreateNetdevOf("other", "out-of-another", 2, "fw-out");
  CreateNetdevOf("fw-0", "out", 3, "fw-out");
  EXPECT_EQ(At(WaitForUp("c", "in"), "/status/cards/0/functions/0/output"), "out");
}

TEST_F(ServiceChainControllerTest, AnotherPodTakesOver) {
  StartWithNetworks();
  CreateChain("c", Firewall());
  CreateNetdevOf("fw-0", "in0", 1, "fw-in");
  CreateNetdevOf("fw-0", "out0", 2, "fw-out");
  CreateNetdevOf("fw-1", "in1", 3, "fw-in");
  CreateNetdevOf("fw-1", "out1", 4, "fw-out");
  WaitForUp("c", "in0");
  ASSERT_TRUE(store_.Delete(Netdevs(), Name("out0")).ok());
  WaitForUp("c", "in1");
  ASSERT_TRUE(store_.Delete(Netdevs(), Name("in1")).ok());
  WaitForReady(Chains(), "c", "NotFound");
  EXPECT_THAT(FunctionsOf("c"), ::testing::ElementsAre("fw  "));
  PatchSpec(
      Chains(), "c",
      {{"functions",
        Resource::array({{{"name", "fw"}, {"input", "fw-in"}, {"output", "fw-out"}, {"pod", "fw-2"}}})}});
  EXPECT_THAT(GetCondition(WaitForReady(Chains(), "c", "NotFound"), "Ready").message,
              HasSubstr("no pod fw-2"));
}

TEST_F(ServiceChainControllerTest, AFunctionThatCannotBeIsSaidAndCutsTheChain) {
  StartWithNetworks();
  CreateNetdevOf("fw-0", "in", 1, "fw-in");
  CreateNetdevOf("fw-0", "out", 2, "fw-out");
  Resource spec = Firewall();
  spec["functions"].push_back({{"name", "same"}, {"input", "fw-in"}, {"output", "fw-in"}});
  spec["functions"].push_back({{"name", "itself"}, {"input", "fw-in"}, {"output", "blue"}});
  CreateChain("c", spec);
  const Resource chain = WaitForReady(Chains(), "c", "Invalid");
  EXPECT_THAT(GetCondition(chain, "Ready").message, HasSubstr("function same"));
  EXPECT_THAT(At(chain, "/status/cards/0/functions/2/message").get<std::string>(), HasSubstr("Network blue"));
  EXPECT_EQ(FunctionsOf("c").size(), 3u);
  PatchSpec(Chains(), "c", Firewall());
  WaitForUp("c", "in");
}

TEST_F(ServiceChainControllerTest, IsOnTheCardsThatItNames) {
  StartWithNetworks();
  Resource spec = Firewall();
  spec["cards"] = Resource::array({"card1"});
  CreateChain("c", spec);
  FakeOpiClient other;
  const auto controllers = StartFor("card1", other);
  const Resource chain = WaitForReady(Chains(), "c", "NotFound");
  EXPECT_THAT(GetCondition(chain, "Ready").message, HasSubstr("card card1: "));
  EXPECT_THAT(opi_.Chains(), IsEmpty());
  PatchSpec(Chains(), "c", {{"cards", Resource::array({"card0"})}});
  WaitFor(Chains(), "c", [](const Resource& object) {
    return At(object, "/status/cards/0/card") == "card0" && At(object, "/status/cards/1").is_null() &&
           !HasFinalizer(object, "xpu.opiproject.org/card1-chain");
  });
  EXPECT_THAT(other.Chains(), IsEmpty());
  EXPECT_EQ(opi_.Chains().size(), 1u);
}

TEST_F(ServiceChainControllerTest, SaysWhenARepresentorOfAFunctionGoesAndComesBack) {
  agent::v1::PortStates states;
  for (int vf = 0; vf < 4; ++vf) {
    agent::v1::PortState& state = *states.add_ports();
    state.set_port(absl::StrCat("host0-", vf));
    state.set_healthy(true);
  }
  opi_.SetPortStates(states);
  StartWithNetworks();
  CreateNetdevOf("fw-0", "in", 1, "fw-in");
  CreateNetdevOf("fw-0", "out", 2, "fw-out");
  CreateChain("c", Firewall());
  WaitForUp("c", "in");
  const auto set_healthy = [&](int vf, const std::string& reason) {
    states.mutable_ports(vf)->set_healthy(reason.empty());
    states.mutable_ports(vf)->set_reason(reason);
    opi_.SetPortStates(states);
  };
  set_healthy(2, "its representor is gone");
  const auto is_down_for = [&](const std::string& reason) {
    return [reason](const Resource& object) {
      return At(object, "/status/cards/0/functions/0/up") == false &&
             absl::StrContains(GetCondition(object, "Ready").message, reason);
    };
  };
  WaitFor(Chains(), "c", is_down_for("its representor is gone"));
  set_healthy(2, "it is there, but down");
  WaitFor(Chains(), "c", is_down_for("it is there, but down"));
  set_healthy(2, "");
  WaitForUp("c", "in");

  // Without chains nobody is listened to, and the next chain is told of what it has missed.
  ASSERT_TRUE(store_.Delete(Chains(), Name("c")).ok());
  WaitForGone(Chains(), "c");
  set_healthy(1, "its representor is gone");
  CreateChain("d", Firewall());
  WaitFor(Chains(), "d", is_down_for("its representor is gone"));
  set_healthy(1, "");
  WaitForUp("d", "in");
}

TEST_F(ServiceChainControllerTest, ANetworkHasOneChain) {
  StartWithNetworks();
  CreateChain("a", Firewall());
  WaitForReady(Chains(), "a", "NotFound");
  CreateChain("b", Firewall());
  EXPECT_THAT(GetCondition(WaitForReady(Chains(), "b", "Conflict"), "Ready").message,
              HasSubstr("has the chain default.a"));
  ASSERT_TRUE(store_.Delete(Chains(), Name("a")).ok());
  WaitForGone(Chains(), "a");
  WaitForReady(Chains(), "b", "NotFound");
}

TEST_F(ServiceChainControllerTest, AnAgentThatForgotIsToldAgain) {
  StartWithNetworks();
  CreateNetdevOf("fw-0", "in", 1, "fw-in");
  CreateNetdevOf("fw-0", "out", 2, "fw-out");
  CreateChain("c", Firewall());
  WaitForUp("c", "in");
  Stop();
  // A stop is no reason for a status to change, and what was set stays set.
  EXPECT_EQ(GetCondition(store_.Get(Chains(), Name("c")).value(), "Ready").status, "True");
  EXPECT_EQ(opi_.Chains().size(), 1u);
  opi_.ForgetAll();
  opi_.BlockCalls("SetChain");
  Start();
  EXPECT_TRUE(opi_.WaitForBlocked("SetChain", 1));
  opi_.ReleaseCalls("SetChain");
  // The call that is under way is waited for.
  Stop();
  EXPECT_EQ(opi_.Chains().size(), 1u);
}

}  // namespace
}  // namespace xpu
