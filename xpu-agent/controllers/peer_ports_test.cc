// Ports of other cards: from Netdevs and Cards to the OPI agent.
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/base/mac_address.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/controllers/controllers.h"
#include "xpu-agent/controllers/controllers_testing.h"
#include "xpu/api/v1alpha1/card.pb.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::UnorderedElementsAre;

class PeerPortsTest : public ControllersTest {
 protected:
  void SetUp() override {
    CreateNetwork("blue", 100);
    CreateNetwork("red", 200);
    StartWithTunnels();
  }
  void StartWithTunnels() {
    ControllerOptions options;
    options.card = "card0";
    options.vtep = IpAddress::Parse("192.0.2.1").value();
    options.backoff.initial = absl::Milliseconds(1);
    options.backoff.max = absl::Milliseconds(20);
    controllers_ = Controllers::Start(options, store_, opi_).value();
  }

  static const ResourceKind& Cards() { return api::KindOf<api::v1alpha1::Card>().resource; }
  // Another card, which is ready.
  void CreateCard(const std::string& name, const std::string& vtep) {
    ASSERT_TRUE(store_.Create(Cards(), MakeResource(Cards(), {"", name})).ok());
    SetCard(name, vtep, "True");
  }
  void SetCard(const std::string& name, const std::string& vtep, const std::string& ready) {
    Resource card = store_.Get(Cards(), {"", name}).value();
    card["status"]["vtep"] = vtep;
    SetCondition(&card, {.type = "Ready", .status = ready, .reason = "Test", .message = ""},
                 absl::UnixEpoch());
    ASSERT_TRUE(store_.UpdateStatus(Cards(), card).ok());
  }
  // A Netdev of another card, which its own agent has attached.
  void CreatePeer(const std::string& name, const std::string& card, const std::string& network, int number) {
    Resource object = MakeResource(Netdevs(), Name(name));
    object["spec"] = {{"host", "host-b"},  {"function", absl::StrCat("0000:04:00.", number)},
                      {"card", card},      {"port", absl::StrCat("host0-", number)},
                      {"claim", 1},        {"mac", Mac(number)},
                      {"network", network}};
    object = store_.Create(Netdevs(), object).value();
    object["status"] = {{"state", "Attached"},
                        {"claim", 1},
                        {"mac", Mac(number)},
                        {"addresses", {absl::StrCat("10.0.0.", number, "/24")}}};
    ASSERT_TRUE(store_.UpdateStatus(Netdevs(), object).ok());
  }
  static std::string Mac(int number) { return absl::StrCat("02:00:00:00:01:0", number); }

  // What the agent knows of that network once `test` holds of it.
  std::map<std::string, agent::v1::RemotePort> Await(
      const std::string& network,
      const std::function<bool(const std::map<std::string, agent::v1::RemotePort>&)>& test) {
    const auto ports = opi_.AwaitRemotePorts("default." + network, test);
    EXPECT_TRUE(test(ports)) << ports.size() << " ports";
    return ports;
  }
  std::map<std::string, agent::v1::RemotePort> AwaitCount(const std::string& network, size_t count) {
    return Await(network, [count](const auto& ports) { return ports.size() == count; });
  }
};

TEST_F(PeerPortsTest, PutsWhereItsTunnelsEndIntoItsCardAndMakesItAgain) {
  const auto told = [](const Resource& card) {
    return At(card, "/status/vtep") == "192.0.2.1" && GetCondition(card, "Ready").status == "True";
  };
  const auto wait = [&] { WaitForIn("", Cards(), "card0", told); };
  wait();
  ASSERT_TRUE(store_.Delete(Cards(), {"", "card0"}).ok());
  wait();
  SetCard("card0", "192.0.2.99", "Unknown");
  wait();
}

TEST_F(PeerPortsTest, TellsOfThePortsOfOtherCardsInNetworksThatHaveOneHere) {
  CreateCard("card1", "192.0.2.2");
  CreatePeer("far-blue", "card1", "blue", 1);
  CreatePeer("far-red", "card1", "red", 2);
  CreateNetdev("near", 1, "blue");
  const auto ports = AwaitCount("blue", 1);
  ASSERT_THAT(ports, ElementsAre(Key("far-blue")));
  const agent::v1::RemotePort& port = ports.at("far-blue");
  EXPECT_EQ(port.mac_address(), MacAddress::Parse(Mac(1))->ToBytes());
  EXPECT_THAT(port.addresses(), ElementsAre("10.0.0.1"));
  EXPECT_EQ(port.vtep(), "192.0.2.2");
  EXPECT_THAT(opi_.RemotePorts("default.red"), IsEmpty());

  CreatePeer("late", "card1", "blue", 3);
  AwaitCount("blue", 2);
  ASSERT_TRUE(store_.Delete(Netdevs(), Name("far-blue")).ok());
  EXPECT_THAT(AwaitCount("blue", 1), ElementsAre(Key("late")));
}

TEST_F(PeerPortsTest, ForgetsThePortsOfANetworkWhoseLastPortHereGoes) {
  CreateCard("card1", "192.0.2.2");
  CreatePeer("far", "card1", "blue", 1);
  CreateNetdev("near", 1, "blue");
  AwaitCount("blue", 1);
  ASSERT_TRUE(store_.Delete(Netdevs(), Name("near")).ok());
  AwaitCount("blue", 0);
  // And knows them again when one comes.
  CreateNetdev("again", 2, "blue");
  AwaitCount("blue", 1);
}

TEST_F(PeerPortsTest, TellsOfNetworksThatThoseOfThisCardAreRoutedTo) {
  const auto route = [&](const std::string& network, const std::string& vrf, const std::string& gateway) {
    PatchSpec(Networks(), network, {{"vrf", vrf}, {"gateways", {gateway}}});
  };
  CreateNetwork("green", 300, "10.2.0.0/24");
  CreateCard("card1", "192.0.2.2");
  CreatePeer("far-red", "card1", "red", 2);
  CreatePeer("far-green", "card1", "green", 3);
  CreateNetdev("near", 1, "blue");
  AwaitCount("blue", 0);
  route("blue", "tenant", "10.0.0.254");
  route("green", "tenant", "10.2.0.254");
  EXPECT_THAT(AwaitCount("green", 1), ElementsAre(Key("far-green")));
  EXPECT_THAT(opi_.RemotePorts("default.red"), IsEmpty());
  CreatePeer("late", "card1", "green", 4);
  AwaitCount("green", 2);
  // Into another domain and back, and when the last port that could reach it goes.
  route("green", "other", "10.2.0.254");
  AwaitCount("green", 0);
  route("green", "tenant", "10.2.0.254");
  AwaitCount("green", 2);
  ASSERT_TRUE(store_.Delete(Netdevs(), Name("near")).ok());
  AwaitCount("green", 0);
}

TEST_F(PeerPortsTest, TakesACardOutThatIsGoneOrNotReadyAndFollowsOneThatMoves) {
  CreateCard("card1", "192.0.2.2");
  CreateCard("card2", "192.0.2.3");
  CreatePeer("a", "card1", "blue", 1);
  CreatePeer("b", "card2", "blue", 2);
  CreatePeer("c", "no-such-card", "blue", 3);
  CreateNetdev("near", 1, "blue");
  AwaitCount("blue", 2);

  SetCard("card1", "192.0.2.2", "Unknown");
  EXPECT_THAT(AwaitCount("blue", 1), ElementsAre(Key("b")));
  SetCard("card1", "192.0.2.77", "True");
  const auto moved = Await("blue", [](const auto& ports) { return ports.size() == 2; });
  EXPECT_EQ(moved.at("a").vtep(), "192.0.2.77");
  SetCard("card1", "192.0.2.78", "True");
  Await("blue",
        [](const auto& ports) { return ports.contains("a") && ports.at("a").vtep() == "192.0.2.78"; });
  ASSERT_TRUE(store_.Delete(Cards(), {"", "card2"}).ok());
  EXPECT_THAT(AwaitCount("blue", 1), ElementsAre(Key("a")));
  const auto drained =
      store_.Patch(Cards(), {"", "card1"}, PatchType::kMerge, {{"spec", {{"drained", true}}}});
  ASSERT_TRUE(drained.ok()) << drained.status();
  AwaitCount("blue", 0);
}

TEST_F(PeerPortsTest, TellsAnAgentThatForgotAndOneThatRefusedAgain) {
  CreateCard("card1", "192.0.2.2");
  CreatePeer("a", "card1", "blue", 1);
  CreateNetdev("near", 1, "blue");
  AwaitCount("blue", 1);
  opi_.FailCall("UpdateRemotePorts", 1, absl::UnavailableError("busy"));
  CreatePeer("b", "card1", "blue", 2);
  EXPECT_THAT(AwaitCount("blue", 2), UnorderedElementsAre(Key("a"), Key("b")));
  opi_.SetConnected(false);
  opi_.ForgetAll();
  opi_.SetConnected(true);
  AwaitCount("blue", 2);
}

TEST_F(PeerPortsTest, ARestartNeverTellsOfLessThanThereIs) {
  CreateCard("card1", "192.0.2.2");
  CreatePeer("a", "card1", "blue", 1);
  CreatePeer("b", "card1", "blue", 2);
  CreateNetdev("near", 1, "blue");
  AwaitCount("blue", 2);
  Stop();
  opi_.BlockCalls("UpdateRemotePorts");
  StartWithTunnels();
  ASSERT_TRUE(opi_.WaitForBlocked("UpdateRemotePorts", 1));
  const size_t before = opi_.RemotePortUpdates().size();
  opi_.ReleaseCalls("UpdateRemotePorts");
  CreatePeer("c", "card1", "blue", 3);
  AwaitCount("blue", 3);
  const auto updates = opi_.RemotePortUpdates();
  ASSERT_GT(updates.size(), before);
  EXPECT_TRUE(updates[before].replace());
  EXPECT_GE(updates[before].set_size(), 2);
}

}  // namespace
}  // namespace xpu
