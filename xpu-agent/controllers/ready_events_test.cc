// Events about what the controllers write into an object's status.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/ctrl/event_recorder.h"
#include "common/kube/change_signal.h"
#include "xpu-agent/controllers/card_status.h"
#include "xpu-agent/controllers/controllers_testing.h"
#include "xpu-agent/controllers/outcome.h"
#include "xpu/api/v1alpha1/service_chain.pb.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

const ResourceKind kEventKind = {"", "v1", "Event", "events"};

// "Type Reason count: message" each, in the order of their making.
std::vector<std::string> EventsAbout(const std::vector<Resource>& events, const std::string& kind,
                                     const std::string& name) {
  std::map<std::string, std::string> by_version;
  for (const Resource& event : events) {
    const Resource& about = event["involvedObject"];
    if (about["kind"] != kind || about["name"] != name) continue;
    by_version[event["metadata"]["uid"]] =
        absl::StrCat(event["type"].get<std::string>(), " ", event["reason"].get<std::string>(), " ",
                     event["count"].get<int>(), ": ", event["message"].get<std::string>());
  }
  std::vector<std::string> texts;
  texts.reserve(by_version.size());
  for (const auto& [uid, text] : by_version) texts.push_back(text);
  return texts;
}

class ReadyEventsTest : public ControllersTest {
 protected:
  std::vector<Resource> AllEvents() { return store_.List(kEventKind, "").value().items; }
  std::vector<std::string> EventsOf(const std::string& kind, const std::string& name) {
    return EventsAbout(AllEvents(), kind, name);
  }
  // Waits until an Event about the object says so.
  void AwaitEvent(const std::string& kind, const std::string& name, const std::string& says) {
    ChangeSignal signal;
    const auto watcher = NotifyOfChanges(store_, kEventKind, signal);
    ASSERT_TRUE(watcher.ok()) << watcher.status();
    EXPECT_TRUE(signal.WaitUntil([&] {
      for (const std::string& text : EventsOf(kind, name)) {
        if (absl::StrContains(text, says)) return true;
      }
      return false;
    })) << kind
        << " " << name << ": " << says;
  }
};

TEST_F(ReadyEventsTest, ANetdevsFailureIsToldAndThatItIsOver) {
  Start();
  CreateNetdev("a", 1, "blue");
  AwaitEvent("Netdev", "a", "Warning NotFound 1: there is no Network default/blue");
  CreateNetwork("blue", 100);
  WaitForState("a", "Attached");
  AwaitEvent("Netdev", "a", "Normal Confirmed 1: card card0 has confirmed it");
  const std::vector<Resource> events = AllEvents();
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(NameOf(events[0]).ns, "default");
  EXPECT_EQ(events[0]["involvedObject"]["uid"], UidOf(store_.Get(Netdevs(), Name("a")).value()));
  EXPECT_EQ(events[0]["source"]["component"], "xpu-agent");
  EXPECT_EQ(events[0]["source"]["host"], "card0");
  // No more than the condition itself says.
  EXPECT_THAT(GetCondition(store_.Get(Netdevs(), Name("a")).value(), "Ready").reason, "Confirmed");
}

TEST_F(ReadyEventsTest, WhatGoesWellHasNoneAndARestartTellsNothingAnew) {
  Start();
  CreateNetwork("blue", 100);
  // News of kinds come in any order.
  WaitForReady(Networks(), "blue");
  for (int vf = 1; vf <= 7; ++vf) CreateNetdev(absl::StrCat("n", vf), vf, vf % 2 == 0 ? "blue" : "");
  for (int vf = 1; vf <= 7; ++vf) WaitForState(absl::StrCat("n", vf), vf % 2 == 0 ? "Attached" : "Isolated");
  CreateNetdev("lost", 8, "none");
  AwaitEvent("Netdev", "lost", "NotFound 1");
  EXPECT_THAT(AllEvents(), SizeIs(1)) << "of those that are well";
  Stop();
  opi_.ForgetAll();
  opi_.BlockCalls("BindPort");
  Start();
  EXPECT_TRUE(opi_.WaitForBlocked("BindPort", 1));
  opi_.ReleaseCalls("BindPort");
  CreateNetdev("lost-too", 9, "none");
  AwaitEvent("Netdev", "lost-too", "NotFound 1");
  EXPECT_THAT(AllEvents(), SizeIs(2));
  EXPECT_THAT(EventsOf("Netdev", "lost"), ElementsAre(HasSubstr("Warning NotFound 1: ")));
}

TEST_F(ReadyEventsTest, NetworksAndChainsTellToo) {
  evpn::LogicalBridgeSpec in_the_way;
  in_the_way.set_vlan_id(1);
  in_the_way.set_vni(100);
  ASSERT_TRUE(opi_.CreateLogicalBridge("in-the-way", in_the_way).ok());
  Start();
  CreateNetwork("blue", 100);
  AwaitEvent("Network", "blue", "Warning Conflict 1: card card0: ");
  ASSERT_TRUE(opi_.DeleteLogicalBridge("logicalBridges/in-the-way").ok());
  AwaitEvent("Network", "blue", "Normal Confirmed 1: card card0 has confirmed it");

  CreateNetwork("fw-in", 101, "192.0.2.0/28");
  CreateNetwork("fw-out", 102, "192.0.2.16/28");
  const ResourceKind& chains = api::KindOf<api::v1alpha1::ServiceChain>().resource;
  Resource chain = MakeResource(chains, Name("c"));
  chain["spec"] = {
      {"network", "blue"},
      {"functions", Resource::array({{{"name", "fw"}, {"input", "fw-in"}, {"output", "fw-out"}}})}};
  ASSERT_TRUE(store_.Create(chains, chain).ok());
  AwaitEvent("ServiceChain", "c", "Warning NotFound 1: card card0: function fw: no pod on this card");
  CreateNetdev("in", 1, "fw-in");
  CreateNetdev("out", 2, "fw-out");
  AwaitEvent("ServiceChain", "c", "Normal Confirmed 1: card card0 has confirmed it");
  ASSERT_TRUE(store_.Delete(Netdevs(), Name("out")).ok());
  WaitForGone(Netdevs(), "out");
  // The same again counts up.
  AwaitEvent("ServiceChain", "c", "Warning NotFound 2: card card0: function fw: no pod on this card");
  CreateNetdev("out", 2, "fw-out", /*claim=*/2);
  AwaitEvent("ServiceChain", "c", "Normal Confirmed 2: card card0 has confirmed it");
}

// Two cards, each with a bridge that takes VNI 100, and one that takes VNI 200.
class TwoCardsEventsTest : public ReadyEventsTest {
 protected:
  TwoCardsEventsTest() {
    for (FakeOpiClient* opi : {&opi_, &other_opi_}) {
      for (const uint32_t vni : {100, 200}) {
        evpn::LogicalBridgeSpec in_the_way;
        in_the_way.set_vlan_id(vni);
        in_the_way.set_vni(vni);
        EXPECT_TRUE(opi->CreateLogicalBridge(absl::StrCat("in-the-way-", vni), in_the_way).ok());
      }
    }
  }
  ~TwoCardsEventsTest() override { StopBoth(); }
  void StartBoth() {
    Start();
    other_ = StartFor("card1", other_opi_);
  }
  void StopBoth() {
    Stop();
    other_.reset();
  }
  static void ClearTheWay(FakeOpiClient& opi) {
    ASSERT_TRUE(opi.DeleteLogicalBridge("logicalBridges/in-the-way-100").ok());
  }
  // The hosts that have told of it.
  std::vector<std::string> SourcesOf(const std::string& reason) {
    std::vector<std::string> hosts;
    for (const Resource& event : AllEvents()) {
      if (event["reason"] != reason) continue;
      EXPECT_EQ(event["source"]["component"], "xpu-agent");
      hosts.push_back(event["source"]["host"]);
    }
    return hosts;
  }

  FakeOpiClient other_opi_;
  std::unique_ptr<Controllers> other_;
};

TEST_F(TwoCardsEventsTest, EachTellsOfItsOwnPartOfANetwork) {
  // It must never be said that all is well while it is not.
  absl::Mutex mu;
  std::vector<std::string> well_with;
  const auto watcher = store_.Watch(Networks(), "", store_.List(Networks(), "").value().resource_version, {},
                                    {[&](const WatchEvent& event) {
                                       if (GetCondition(event.object, "Ready").status != "True") return;
                                       absl::MutexLock lock(&mu);
                                       for (const char* card : {"card0", "card1"}) {
                                         if (!ProblemOnCard(event.object, card).is_null())
                                           well_with.push_back(event.object.dump());
                                       }
                                     },
                                     [](const absl::Status&) {}});
  ASSERT_TRUE(watcher.ok());
  StartBoth();
  CreateNetwork("blue", 100);
  AwaitEvent("Network", "blue", "Warning Conflict 1: card card0: ");
  AwaitEvent("Network", "blue", "Warning Conflict 1: card card1: ");
  Resource network = WaitFor(Networks(), "blue", [](const Resource& object) {
    return ReadyOnCard(object, "card0").reason == "Conflict" &&
           ReadyOnCard(object, "card1").reason == "Conflict";
  });
  EXPECT_EQ(GetCondition(network, "Ready").reason, "Conflict");
  ClearTheWay(opi_);
  AwaitEvent("Network", "blue", "Normal Confirmed 1: card card0 has confirmed it");
  // The word passes to the card that is left, whose it may have been.
  network = WaitFor(Networks(), "blue",
                    [](const Resource& object) { return ReadyOnCard(object, "card0").status == "True"; });
  EXPECT_THAT(GetCondition(network, "Ready").message, ::testing::StartsWith("card card1: "));
  ClearTheWay(other_opi_);
  AwaitEvent("Network", "blue", "Normal Confirmed 1: card card1 has confirmed it");
  WaitForReady(Networks(), "blue");
  StopBoth();
  EXPECT_THAT(AllEvents(), SizeIs(4));
  EXPECT_THAT(SourcesOf("Conflict"), UnorderedElementsAre("card0", "card1"));
  EXPECT_THAT(SourcesOf("Confirmed"), UnorderedElementsAre("card0", "card1"));
  absl::MutexLock lock(&mu);
  EXPECT_THAT(well_with, IsEmpty());
}

TEST_F(TwoCardsEventsTest, ARestartAndAnotherCardsNewsTellNothingAnew) {
  StartBoth();
  CreateNetwork("blue", 100);
  AwaitEvent("Network", "blue", "Warning Conflict 1: card card0: ");
  AwaitEvent("Network", "blue", "Warning Conflict 1: card card1: ");
  StopBoth();
  StartBoth();
  ClearTheWay(opi_);
  AwaitEvent("Network", "blue", "Normal Confirmed 1: card card0 has confirmed it");
  // One after the other: who has told of this has looked at the other, too.
  CreateNetwork("red", 200);
  AwaitEvent("Network", "red", "Warning Conflict 1: card card0: ");
  AwaitEvent("Network", "red", "Warning Conflict 1: card card1: ");
  EXPECT_THAT(EventsOf("Network", "blue"),
              UnorderedElementsAre(HasSubstr("Warning Conflict 1: card card0: "),
                                   HasSubstr("Warning Conflict 1: card card1: "),
                                   HasSubstr("Normal Confirmed 1: card card0 ")));
}

TEST_F(TwoCardsEventsTest, AnAgentsSilenceIsNotToldOfWhatItHasConfirmedWhateverAnotherCardSays) {
  ClearTheWay(opi_);
  StartBoth();
  CreateNetwork("blue", 100);
  AwaitEvent("Network", "blue", "Warning Conflict 1: card card1: ");
  WaitFor(Networks(), "blue", [](const Resource& object) {
    return ReadyOnCard(object, "card0").status == "True" && ReadyOnCard(object, "card1").status == "False";
  });
  opi_.FailCall("SetSubnets", 1, absl::UnavailableError("gone for a moment"));
  PatchSpec(Networks(), "blue", {{"mtu", 1400}});
  WaitFor(Networks(), "blue", [](const Resource& object) {
    return ReadyOnCard(object, "card0").observed_generation == 2 &&
           ReadyOnCard(object, "card1").observed_generation == 2;
  });
  StopBoth();
  EXPECT_THAT(EventsOf("Network", "blue"), ElementsAre(HasSubstr("Warning Conflict 1: card card1: ")));
}

TEST_F(TwoCardsEventsTest, EachTellsOfItsOwnPartOfAChain) {
  StartBoth();
  CreateNetwork("green", 300);
  CreateNetwork("fw-in", 301, "192.0.2.0/28");
  CreateNetwork("fw-out", 302, "192.0.2.16/28");
  const ResourceKind& chains = api::KindOf<api::v1alpha1::ServiceChain>().resource;
  Resource chain = MakeResource(chains, Name("c"));
  chain["spec"] = {
      {"network", "green"},
      {"functions", Resource::array({{{"name", "fw"}, {"input", "fw-in"}, {"output", "fw-out"}}})}};
  for (const char* network : {"green", "fw-in", "fw-out"}) {
    WaitFor(Networks(), network, [](const Resource& object) {
      return ReadyOnCard(object, "card0").status == "True" && ReadyOnCard(object, "card1").status == "True";
    });
  }
  ASSERT_TRUE(store_.Create(chains, chain).ok());
  AwaitEvent("ServiceChain", "c", "Warning NotFound 1: card card0: function fw: no pod on this card");
  AwaitEvent("ServiceChain", "c", "Warning NotFound 1: card card1: function fw: no pod on this card");
  CreateNetdev("in", 1, "fw-in");
  CreateNetdev("out", 2, "fw-out");
  AwaitEvent("ServiceChain", "c", "Normal Confirmed 1: card card0 has confirmed it");
  const Resource left = WaitFor(
      chains, "c", [](const Resource& object) { return ReadyOnCard(object, "card0").status == "True"; });
  EXPECT_THAT(GetCondition(left, "Ready").message, ::testing::StartsWith("card card1: function fw: "));
  StopBoth();
  // Meanwhile the card may have said what of the pod was missing still.
  EXPECT_THAT(SourcesOf("NotFound"), UnorderedElementsAre("card0", "card1"));
  EXPECT_THAT(SourcesOf("Confirmed"), ElementsAre("card0"));
}

TEST_F(ReadyEventsTest, AStatusWaitsForNoEvent) {
  store_.SetFaultHook(
      [](FakeStore::Call, const ResourceKind& kind, const ResourceName&) -> std::optional<FakeStore::Fault> {
        if (kind.plural != kEventKind.plural) return std::nullopt;
        return FakeStore::Fault{absl::PermissionDeniedError("no Events for this card")};
      });
  Start();
  CreateNetdev("a", 1, "blue");
  WaitForReady(Netdevs(), "a", "NotFound");
  CreateNetwork("blue", 100);
  WaitForState("a", "Attached");
  WaitForReady(Networks(), "blue");
  Stop();
  store_.SetFaultHook(nullptr);
  EXPECT_THAT(AllEvents(), IsEmpty());
}

TEST_F(ReadyEventsTest, OnlyWhatTheConditionSaysAnewIsTold) {
  const Resource object = CreateNetwork("blue", 100);
  EventRecorder recorder({.component = "xpu-agent", .host = "card0"}, store_);
  const auto tell = [&](const ConditionValue& was, const ConditionValue& is) {
    TellOfReady(recorder, "card0", object, was, is);
  };
  const ConditionValue none;
  const ConditionValue well = {"Ready", "True", "Confirmed", "", 1};
  const ConditionValue bad = {"Ready", "False", "InUse", "a is in the way", 1};
  ConditionValue later = bad;
  later.observed_generation = 2;
  ConditionValue other = later;
  other.message = "b is in the way";
  tell(none, well);
  tell(well, well);
  tell(none, none);
  tell(none, bad);
  tell(bad, bad);
  tell(bad, later);
  tell(later, other);
  tell(other, well);
  AwaitEvent("Network", "blue", "Normal Confirmed 1: card card0 has confirmed it");
  EXPECT_THAT(EventsOf("Network", "blue"),
              UnorderedElementsAre("Warning InUse 1: a is in the way", "Warning InUse 1: b is in the way",
                                   "Normal Confirmed 1: card card0 has confirmed it"));
}

}  // namespace
}  // namespace xpu
