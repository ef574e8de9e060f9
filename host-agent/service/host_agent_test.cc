#include "host-agent/service/host_agent.h"

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/api/api.h"
#include "common/kube/fake_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/service/agent_under_test.h"
#include "host-agent/service/function_watch.h"
#include "host-agent/testing/store_view.h"
#include "xpu/api/v1alpha1/netdev.pb.h"

namespace xpu {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
namespace pb = hostagent::v1;

bool AllHealthy(const pb::WatchFunctionsResponse& list) {
  return list.functions_size() == 3 && std::all_of(list.functions().begin(), list.functions().end(),
                                                   [](const pb::Function& f) { return f.healthy(); });
}

class HostAgentTest : public ::testing::Test {
 protected:
  // Waits for the journal to be empty: what is finished by itself tells nobody.
  void WaitUntilAllIsFree() {
    StoreView::Objects none;
    ASSERT_TRUE(netdevs_.WaitFor([](const StoreView::Objects& objects) { return objects.empty(); }));
  }

  FakeWorld world_;
  FakeStore store_;
  StoreView netdevs_{store_, api::KindOf<api::v1alpha1::Netdev>()};
  AgentUnderTest agent_{world_, &store_};
};

TEST_F(HostAgentTest, WatchersSeeTheFunctionsAndTheirHealth) {
  FunctionWatch watch(agent_.agent());
  FunctionWatch second(agent_.agent());
  ASSERT_TRUE(watch.WaitFor(AllHealthy));
  ASSERT_TRUE(second.WaitFor(AllHealthy));
  world_.kernel.UnplugLink(world_.AtHome(1)->mac);
  const auto unhealthy = [](const pb::WatchFunctionsResponse& list) {
    return list.functions_size() == 3 && !list.functions(1).healthy() && !list.functions(1).reason().empty();
  };
  EXPECT_TRUE(watch.WaitFor(unhealthy));
  EXPECT_TRUE(second.WaitFor(unhealthy));
}

TEST_F(HostAgentTest, APodThatComesAndGoesDoesNotChangeHealth) {
  FunctionWatch watch(agent_.agent());
  ASSERT_TRUE(watch.WaitFor(AllHealthy));
  const std::string pod = world_.MakePod("web");
  ASSERT_FALSE(agent_.Add(0, pod).has_error());
  ASSERT_FALSE(agent_.Del(pod).has_error());
  // Comes after all that the pod's life has caused.
  world_.kernel.UnplugLink(world_.AtHome(1)->mac);
  ASSERT_TRUE(
      watch.WaitFor([](const pb::WatchFunctionsResponse& list) { return !list.functions(1).healthy(); }));
  EXPECT_THAT(watch.were_unhealthy(), ElementsAre(world_.vf(1).ToString()));
}

TEST_F(HostAgentTest, WatchersSeeHowTheCardsRepresentorsAre) {
  FunctionWatch watch(agent_.agent());
  ASSERT_TRUE(watch.WaitFor(AllHealthy));
  agent_.SetUnhealthyPorts({"host0-1"});
  ASSERT_TRUE(watch.WaitFor([](const pb::WatchFunctionsResponse& list) {
    return list.functions(0).healthy() && !list.functions(1).healthy() &&
           list.functions(1).reason().find("the representor has no carrier") != std::string::npos;
  }));
  agent_.SetUnhealthyPorts({});
  EXPECT_TRUE(watch.WaitFor(AllHealthy));
}

TEST_F(HostAgentTest, WatchersSeeThatNothingIsHeardOfTheCard) {
  FunctionWatch watch(agent_.agent());
  ASSERT_TRUE(watch.WaitFor(AllHealthy));
  world_.opi.SetConnected(false);
  ASSERT_TRUE(watch.WaitFor([](const pb::WatchFunctionsResponse& list) {
    return std::none_of(list.functions().begin(), list.functions().end(),
                        [](const pb::Function& function) { return function.healthy(); });
  }));
  world_.opi.SetConnected(true);
  EXPECT_TRUE(watch.WaitFor(AllHealthy));
}

TEST_F(HostAgentTest, StoppingEndsTheWatches) {
  FunctionWatch watch(agent_.agent());
  ASSERT_TRUE(watch.WaitFor(AllHealthy));
  agent_.Stop();
  EXPECT_TRUE(watch.WaitForEnd());
}

TEST_F(HostAgentTest, AllocateClaimsAndTellsTheContainerItsFunctions) {
  const std::string first = world_.vf(0).ToString(), second = world_.vf(1).ToString();
  const auto environment = agent_.Allocate({second, first});
  ASSERT_TRUE(environment.ok()) << environment.status();
  EXPECT_THAT(*environment, ElementsAre(std::pair(std::string("XPU_FUNCTIONS"), first + "," + second)));
  const std::vector<pb::Claim> claims = agent_.Claims();
  ASSERT_THAT(claims, SizeIs(2));
  EXPECT_EQ(claims[0].function(), first);
  EXPECT_EQ(claims[0].state(), "claimed");
  EXPECT_THAT(world_.Ports(), SizeIs(2));
  EXPECT_THAT(world_.Bindings(), IsEmpty());
  EXPECT_TRUE(agent_.Allocate({first}).ok()) << "the kubelet may give it to another container";
}

TEST_F(HostAgentTest, AllocateRefusesWhatItCannotGive) {
  using Code = absl::StatusCode;
  EXPECT_EQ(agent_.Allocate({"eth0"}).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(agent_.Allocate({}).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(agent_.Allocate({"0000:77:00.0"}).status().code(), Code::kNotFound);
  ASSERT_FALSE(agent_.Add(1, world_.MakePod("web")).has_error());
  const absl::Status busy = agent_.Allocate({world_.vf(1).ToString()}).status();
  EXPECT_EQ(busy.code(), Code::kFailedPrecondition);
  EXPECT_THAT(std::string(busy.message()), HasSubstr("pod default/web"));
  world_.opi.SetConnected(false);
  EXPECT_EQ(agent_.Allocate({world_.vf(2).ToString()}).status().code(), Code::kUnavailable);
}

TEST_F(HostAgentTest, AllocateIsAllOrNone) {
  const std::string pod = world_.MakePod("web");
  ASSERT_FALSE(agent_.Add(1, pod).has_error());
  EXPECT_FALSE(agent_.Allocate({world_.vf(0).ToString(), world_.vf(1).ToString()}).ok());
  // In turn after what the refusal has begun.
  ASSERT_TRUE(agent_.Allocate({world_.vf(0).ToString()}).ok());
  EXPECT_FALSE(agent_.Allocate({world_.vf(0).ToString(), world_.vf(1).ToString()}).ok());
  EXPECT_THAT(agent_.Claims(), SizeIs(2)) << "a claim that was there before stays";
}

TEST_F(HostAgentTest, AddAnswersTheResultAndDelNothing) {
  const std::string pod = world_.MakePod("web");
  const pb::CniResponse added = agent_.Add(0, pod, {{"cniVersion", "0.4.0"}});
  ASSERT_TRUE(added.has_result()) << added.error().msg();
  const json result = json::parse(added.result());
  EXPECT_EQ(result["cniVersion"], "0.4.0");
  EXPECT_EQ(result["interfaces"][0]["name"], "net1");
  EXPECT_EQ(result["interfaces"][0]["sandbox"], pod);
  EXPECT_EQ(result["ips"][0]["address"], "10.0.0.2/24");
  EXPECT_EQ(result["ips"][0]["gateway"], "10.0.0.1");
  EXPECT_EQ(result["ips"][1]["version"], "6");
  EXPECT_EQ(result["routes"].size(), 2u);

  const std::vector<pb::Claim> claims = agent_.Claims();
  ASSERT_THAT(claims, SizeIs(1));
  EXPECT_EQ(claims[0].state(), "attached");
  EXPECT_EQ(claims[0].pod_name(), "web");
  EXPECT_EQ(claims[0].network(), "default/blue");
  EXPECT_THAT(claims[0].addresses(), ElementsAre("10.0.0.2/24", "2001:db8::2/64"));

  const pb::CniResponse deleted = agent_.Del(pod);
  EXPECT_TRUE(deleted.has_result());
  EXPECT_EQ(deleted.result(), "");
  EXPECT_THAT(agent_.Claims(), IsEmpty());
  EXPECT_THAT(world_.Ports(), IsEmpty());
}

TEST_F(HostAgentTest, ErrorsAreCniErrorsInTheVersionThatWasAsked) {
  const std::string pod = world_.MakePod("web");
  pb::CniResponse response = agent_.Add(0, pod, {{"cniVersion", "0.4.0"}, {"network", "green"}});
  ASSERT_TRUE(response.has_error());
  EXPECT_EQ(response.error().code(), 103u);
  EXPECT_EQ(response.error().cni_version(), "0.4.0");
  EXPECT_THAT(response.error().msg(), HasSubstr("green"));
  response = agent_.Add(0, pod, {{"cniVersion", "7.0.0"}});
  EXPECT_EQ(response.error().code(), 1u);
  response = agent_.Add(0, pod, {{"colour", "blue"}});
  EXPECT_EQ(response.error().code(), 7u);
  response = agent_.Add(0, "/run/netns/none");
  EXPECT_EQ(response.error().code(), 4u);
  EXPECT_THAT(agent_.Claims(), IsEmpty());
  EXPECT_THAT(world_.Ports(), IsEmpty());
}

TEST_F(HostAgentTest, DelNeedsNoConfigurationAndNoNamespace) {
  const std::string pod = world_.MakePod("web");
  ASSERT_FALSE(agent_.Add(0, pod).has_error());
  world_.RemovePod(pod);
  EXPECT_FALSE(agent_.Del(pod).has_error());
  EXPECT_THAT(agent_.Claims(), IsEmpty());
  EXPECT_FALSE(agent_.Del("/run/netns/never-there").has_error());
  EXPECT_EQ(agent_.Del("/run/netns/bad name").error().code(), 4u);
}

TEST_F(HostAgentTest, DelGivesBackAClaimWhoseAddNeverCame) {
  const auto config = [&](int vf) {
    return nlohmann::json{{"cniVersion", "1.0.0"},
                          {"name", "blue"},
                          {"type", "xpu-cni"},
                          {"deviceID", world_.vf(vf).ToString()}}
        .dump();
  };
  ASSERT_TRUE(agent_.Allocate({world_.vf(0).ToString()}).ok());
  // Of another function, without one, and not readable: nothing to find the claim by.
  for (const std::string& other : {config(1), std::string(), std::string("{")}) {
    EXPECT_FALSE(agent_.Del("/run/netns/web", other).has_error());
    EXPECT_THAT(agent_.Claims(), SizeIs(1));
  }
  EXPECT_FALSE(agent_.Del("/run/netns/web", config(0)).has_error());
  EXPECT_THAT(agent_.Claims(), IsEmpty());
  EXPECT_THAT(world_.Ports(), IsEmpty());
}

TEST_F(HostAgentTest, DelWithTheFunctionOfAnotherPodLeavesThatPodAlone) {
  const std::string pod = world_.MakePod("web");
  const auto added = agent_.Add(0, pod);
  ASSERT_FALSE(added.has_error());
  EXPECT_FALSE(agent_
                   .Del("/run/netns/other", nlohmann::json{{"cniVersion", "1.0.0"},
                                                           {"name", "blue"},
                                                           {"type", "xpu-cni"},
                                                           {"deviceID", world_.vf(0).ToString()}}
                                                .dump())
                   .has_error());
  ASSERT_THAT(agent_.Claims(), SizeIs(1));
  EXPECT_EQ(agent_.Claims()[0].state(), "attached");
}

TEST_F(HostAgentTest, DelWaitsForTheAddThatIsUnderWay) {
  const std::string pod = world_.MakePod("web");
  world_.opi.BlockCalls("BindPort");
  std::thread add([&] { EXPECT_FALSE(agent_.Add(0, pod).has_error()); });
  ASSERT_TRUE(world_.opi.WaitForBlocked("BindPort", 1));
  std::thread del([&] { EXPECT_FALSE(agent_.Del(pod).has_error()); });
  world_.opi.ReleaseCalls("BindPort");
  add.join();
  del.join();
  // Whichever came first.
  EXPECT_FALSE(agent_.Del(pod).has_error());
  EXPECT_THAT(agent_.Claims(), IsEmpty());
  EXPECT_THAT(world_.Ports(), IsEmpty());
}

TEST_F(HostAgentTest, AFunctionThatHangsDoesNotHoldUpAnother) {
  const std::string web = world_.MakePod("web");
  // Only claimed, so that nothing binds it again when the card is first compared with the journal.
  ASSERT_TRUE(agent_.Allocate({world_.vf(1).ToString()}).ok());
  world_.opi.BlockCalls("BindPort");
  std::thread add([&] { EXPECT_FALSE(agent_.Add(0, web).has_error()); });
  ASSERT_TRUE(world_.opi.WaitForBlocked("BindPort", 1));
  EXPECT_FALSE(agent_
                   .Del("/run/netns/db", nlohmann::json{{"cniVersion", "1.0.0"},
                                                        {"name", "blue"},
                                                        {"type", "xpu-cni"},
                                                        {"deviceID", world_.vf(1).ToString()}}
                                             .dump())
                   .has_error());
  EXPECT_TRUE(agent_.Allocate({world_.vf(2).ToString()}).ok());
  world_.opi.ReleaseCalls("BindPort");
  add.join();
}

TEST_F(HostAgentTest, ARestartKeepsPodsAndFinishesWhatWasLeft) {
  const std::string web = world_.MakePod("web"), db = world_.MakePod("db");
  ASSERT_FALSE(agent_.Add(0, web).has_error());
  ASSERT_FALSE(agent_.Add(1, db).has_error());
  world_.opi.SetConnected(false);
  ASSERT_FALSE(agent_.Del(db).has_error());
  agent_.Stop();
  world_.opi.SetConnected(true);
  agent_.Start();
  ASSERT_TRUE(netdevs_.WaitFor([](const StoreView::Objects& objects) { return objects.size() == 1; }));
  // The card is told on its own time; a claim of the same function waits for it.
  ASSERT_TRUE(agent_.Allocate({world_.vf(1).ToString()}).ok());
  EXPECT_THAT(world_.Bindings(), SizeIs(1));
  EXPECT_TRUE(world_.InPod(web, "net1").has_value());
}

TEST_F(HostAgentTest, AnInterfaceThatComesBackIsPutInOrderByItself) {
  const std::string pod = world_.MakePod("web");
  const Link home = *world_.AtHome(0);
  ASSERT_FALSE(agent_.Add(0, pod).has_error());
  const auto elsewhere = world_.kernel.AddNamespace("/elsewhere");
  const auto move = [&](const std::shared_ptr<NetNamespace>& from, const std::shared_ptr<NetNamespace>& to) {
    LinkChange change;
    change.net_namespace = to;
    const auto netlink = *world_.netlinks().Open(from);
    return netlink->ChangeLink(netlink->GetLink("net1")->ifindex, change);
  };
  ASSERT_TRUE(move(*world_.namespaces().Open(pod), elsewhere).ok());
  FunctionWatch watch(agent_.agent());
  ASSERT_FALSE(agent_.Del(pod).has_error());
  ASSERT_TRUE(watch.WaitFor([](const pb::WatchFunctionsResponse& list) {
    return list.functions_size() == 3 && !list.functions(0).healthy();
  }));
  ASSERT_TRUE(move(elsewhere, world_.kernel.root()).ok());
  ASSERT_TRUE(watch.WaitFor(AllHealthy));
  EXPECT_THAT(agent_.Claims(), IsEmpty());
  EXPECT_EQ(world_.AtHome(0)->name, home.name);
  EXPECT_EQ(world_.AtHome(0)->mtu, home.mtu);
}

TEST_F(HostAgentTest, ThePodsInterfaceIsRecordedAsANetdev) {
  const std::string pod = world_.MakePod("web");
  ASSERT_FALSE(agent_.Add(0, pod).has_error());
  ASSERT_TRUE(netdevs_.WaitFor([](const StoreView::Objects& objects) { return objects.size() == 1; }));
  EXPECT_EQ(netdevs_.Get().begin()->first, (ResourceName{"default", "node1-0000-03-00-2"}));
  ASSERT_FALSE(agent_.Del(pod).has_error());
  WaitUntilAllIsFree();
}

TEST_F(HostAgentTest, PodsComeAndGoWhileTheApiServerIsAway) {
  store_.GoAway();
  const std::string pod = world_.MakePod("web");
  EXPECT_FALSE(agent_.Add(0, pod).has_error());
  EXPECT_FALSE(agent_.Del(pod).has_error());
}

TEST(RunHostAgent, RefusesOptionsThatCannotBe) {
  FakeWorld world;
  EventLoop loop;
  const HostAgentDeps deps{.loop = loop,
                           .bus = world.bus(),
                           .netlinks = world.netlinks(),
                           .namespaces = world.namespaces(),
                           .journal = world.journal,
                           .open_card = [](const std::string& endpoint) {
                             return absl::InvalidArgumentError(endpoint + " is no address");
                           }};
  for (const char* node : {"", "Node", "a_b", "-a", "a."}) {
    EXPECT_EQ(RunHostAgent({.node = node, .listen = "unix:/x"}, deps).code(),
              absl::StatusCode::kInvalidArgument);
  }
  const HostAgentOptions twice{.node = "a",
                               .cards = {{"c", world.pf(), "unix:/x"}, {"d", world.pf(), "unix:/y"}},
                               .listen = "unix:/x"};
  EXPECT_EQ(RunHostAgent(twice, deps).code(), absl::StatusCode::kInvalidArgument);
  const HostAgentOptions endpoint{.node = "a", .cards = {{"c", world.pf(), "nonsense"}}, .listen = "unix:/x"};
  EXPECT_THAT(std::string(RunHostAgent(endpoint, deps).message()), HasSubstr("nonsense"));
  const HostAgentOptions socket{.node = "a", .listen = "unix:/nowhere/at/all.sock"};
  EXPECT_FALSE(RunHostAgent(socket, deps).ok());
  for (const char* listen : {"", "unix:relative", "127.0.0.1:1"}) {
    EXPECT_THAT(std::string(RunHostAgent({.node = "a", .listen = listen}, deps).message()),
                HasSubstr("unix:/path"));
  }
}

}  // namespace
}  // namespace xpu
