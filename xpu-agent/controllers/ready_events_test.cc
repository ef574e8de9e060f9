// Events about what the controllers write into the condition "Ready".

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/ctrl/event_recorder.h"
#include "common/kube/change_signal.h"
#include "xpu-agent/controllers/controllers_testing.h"
#include "xpu-agent/controllers/outcome.h"
#include "xpu/api/v1alpha1/service_chain.pb.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

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
  EXPECT_THAT(
      EventsOf("Network", "blue"),
      ::testing::UnorderedElementsAre("Warning InUse 1: a is in the way", "Warning InUse 1: b is in the way",
                                      "Normal Confirmed 1: card card0 has confirmed it"));
}

}  // namespace
}  // namespace xpu
