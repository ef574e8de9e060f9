#include "host-agent/record/recorder.h"

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "common/api/api.h"
#include "common/kube/cut_store.h"
#include "common/kube/fake_store.h"
#include "common/kube/metadata.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/alloc/fake_journal.h"
#include "host-agent/record/netdev_record.h"
#include "host-agent/testing/store_view.h"
#include "xpu/api/v1alpha1/netdev.pb.h"

namespace xpu {
namespace {

const ResourceKind& Kind() { return api::KindOf<api::v1alpha1::Netdev>(); }
FunctionId Function(int n) { return PciAddress{0, 3, 0, static_cast<uint8_t>(n)}; }

ClaimRow Draft(int n) {
  ClaimRow row;
  row.function = Function(n);
  row.card = "card0";
  row.port = "host0-" + std::to_string(n);
  row.mac = *MacAddress::FromBytes(std::string("\x02\0\0\0\0", 5) + static_cast<char>(n));
  return row;
}

Attachment ForPod(const std::string& name, const std::string& ns = "tenant") {
  return {.container_id = "c-" + name,
          .ifname = "net1",
          .pod_namespace = "pods",
          .pod_name = name,
          .network_namespace = ns,
          .network = "blue"};
}

ResourceName Named(int n, const std::string& ns) { return {ns, "node1-0000-03-00-" + std::to_string(n)}; }

class RecorderTest : public ::testing::Test {
 protected:
  RecorderTest() {
    store_.SetValidator([](const ResourceKind& kind, const Resource& object, const Resource* old_object) {
      const api::KindInfo* info = api::FindKind(kind.ApiVersion(), kind.kind);
      return api::ToStatus(api::Validate(*info, object, old_object), api::Describe(object));
    });
    allocator_ = *Allocator::Open(journal_);
    allocator_->Observe([this](const FunctionId& function) {
      if (recorder_ != nullptr) recorder_->RowChanged(function);
    });
    thread_ = std::thread([this] { loop_.Run(); });
  }
  ~RecorderTest() override {
    StopRecorder();
    loop_.Stop();
    thread_.join();
  }

  void StartRecorder() { StartRecorder(store_); }
  void StartRecorder(ResourceStore& store) {
    loop_.PostAndWait([this, &store] {
      recorder_ = std::make_unique<Recorder>(
          Recorder::Options{.host = "node1",
                            .backoff = {.initial = absl::Milliseconds(1), .max = absl::Milliseconds(5)}},
          loop_, store, *allocator_);
    });
  }
  void StopRecorder() {
    loop_.PostAndWait([this] { recorder_.reset(); });
  }
  ClaimRow Attach(int n, const std::string& pod, const std::string& ns = "tenant") {
    ClaimRow draft = Draft(n);
    draft.attachment = ForPod(pod, ns);
    const ClaimRow row = *allocator_->Begin(draft);
    return *allocator_->Confirm(row.function, row.claim,
                                {{*InterfaceAddress::Parse("10.0.0.5/24")}, {}, 1500});
  }
  void Free(const ClaimRow& row) {
    ASSERT_TRUE(allocator_->Undo(row.function, row.claim).ok());
    ASSERT_TRUE(allocator_->Undone(row.function, row.claim, {.host = true, .dpu = true}).ok());
  }
  static std::function<bool(const StoreView::Objects&)> Exactly(const std::vector<ResourceName>& names) {
    return [names](const StoreView::Objects& objects) {
      std::vector<ResourceName> there;
      for (const auto& [name, object] : objects) there.push_back(name);
      return there == names;
    };
  }

  FakeStore store_;
  FakeJournal journal_;
  std::unique_ptr<Allocator> allocator_;
  EventLoop loop_;
  std::unique_ptr<Recorder> recorder_;
  std::thread thread_;
};

TEST_F(RecorderTest, RecordsAClaimInTheDefaultNamespace) {
  StoreView view(store_, Kind());
  StartRecorder();
  const ClaimRow row = *allocator_->Begin(Draft(2));
  ASSERT_TRUE(view.WaitFor(Exactly({Named(2, "default")})));
  const auto netdev = api::Decode<api::v1alpha1::Netdev>(view.Get().begin()->second);
  ASSERT_TRUE(netdev.ok()) << netdev.status();
  EXPECT_EQ(netdev->spec().host(), "node1");
  EXPECT_EQ(netdev->spec().function(), "0000:03:00.2");
  EXPECT_EQ(netdev->spec().card(), "card0");
  EXPECT_EQ(netdev->spec().port(), "host0-2");
  EXPECT_EQ(netdev->spec().claim(), row.claim);
  EXPECT_EQ(netdev->spec().mac(), row.mac.ToString());
  EXPECT_EQ(netdev->spec().network(), "");
}

TEST_F(RecorderTest, AnAttachmentIsRecordedWithItsNetwork) {
  StoreView view(store_, Kind());
  StartRecorder();
  Attach(2, "web");
  ASSERT_TRUE(view.WaitFor(Exactly({Named(2, "tenant")})));
  const auto netdev = api::Decode<api::v1alpha1::Netdev>(view.Get().begin()->second);
  ASSERT_TRUE(netdev.ok()) << netdev.status();
  EXPECT_EQ(netdev->spec().network(), "blue");
  EXPECT_THAT(netdev->spec().addresses(), ::testing::ElementsAre("10.0.0.5"));
  EXPECT_EQ(netdev->spec().pod().name(), "web");
  EXPECT_EQ(netdev->spec().pod().namespace_(), "pods");
  EXPECT_EQ(netdev->spec().pod().container_id(), "c-web");
}

TEST_F(RecorderTest, LabelsSayWhatTheFieldsSayAndThoseOfOthersStay) {
  ClaimRow row = Draft(2);
  row.claim = 7;
  const Resource claimed = NetdevFor("node1", row).value();
  row.attachment = ForPod("web");
  const Resource attached = NetdevFor("node1", row).value();
  EXPECT_EQ(attached["metadata"]["labels"], (Resource{{"xpu.opiproject.org/host", "node1"},
                                                      {"xpu.opiproject.org/card", "card0"},
                                                      {"xpu.opiproject.org/network", "blue"}}));

  // As a host agent wrote it that knew one of them only.
  Resource there = attached;
  there["metadata"]["labels"] = {{"xpu.opiproject.org/host", "node1"}, {"team", "red"}};
  EXPECT_FALSE(SaysTheSame(there, attached));
  TakeLabels(attached, &there);
  EXPECT_TRUE(SaysTheSame(there, attached));
  EXPECT_EQ(there["metadata"]["labels"]["team"], "red");

  TakeLabels(claimed, &there);
  EXPECT_EQ(there["metadata"]["labels"], (Resource{{"xpu.opiproject.org/host", "node1"},
                                                   {"xpu.opiproject.org/card", "card0"},
                                                   {"team", "red"}}));
}

TEST_F(RecorderTest, WhatAnOperatorLimitsStaysAsLongAsTheClaim) {
  ClaimRow row = Draft(2);
  row.claim = 7;
  const Resource record = *NetdevFor("node1", row);
  Resource limited = record;
  limited["spec"]["bandwidth"] = {{"egressRate", 1000000}};
  EXPECT_TRUE(SaysTheSame(limited, record));
  EXPECT_EQ(SpecFor(limited, record), limited["spec"]);
  row.claim = 8;
  const Resource next = *NetdevFor("node1", row);
  EXPECT_FALSE(SaysTheSame(limited, next));
  EXPECT_EQ(SpecFor(limited, next), next["spec"]);
}

TEST_F(RecorderTest, WhatAPodAsksForIsRecordedBesideWhatAnOperatorLimits) {
  ClaimRow row = Draft(2);
  row.claim = 7;
  row.state = ClaimState::kAttached;
  row.attachment = ForPod("web", "tenant");
  EXPECT_FALSE((*NetdevFor("node1", row))["spec"].contains("podBandwidth"));
  row.attachment->bandwidth = {.ingress = {.rate = 10'000'000, .burst = 5}, .egress = {.rate = 20'000'000}};
  const Resource record = *NetdevFor("node1", row);
  const nlohmann::json expected = {
      {"ingressRate", 10'000'000}, {"ingressBurst", 5}, {"egressRate", 20'000'000}};
  EXPECT_EQ(record["spec"]["podBandwidth"], expected);
  Resource limited = record;
  limited["spec"]["bandwidth"] = {{"egressRate", 1'000'000}};
  EXPECT_TRUE(SaysTheSame(limited, record));
}

TEST_F(RecorderTest, ASubfunctionInTheNetworkOfAVlanIsRecordedInTheDefaultNamespace) {
  StoreView view(store_, Kind());
  StartRecorder();
  ClaimRow draft = Draft(0);
  draft.function = FunctionId(PciAddress{0, 3, 0, 0}, 88);
  draft.vfio = true;
  draft.attachment = ForPod("web", "");
  draft.attachment->network.clear();
  draft.attachment->vlan = 0;
  const ClaimRow row = *allocator_->Begin(draft);
  ASSERT_TRUE(
      allocator_->Confirm(row.function, row.claim, {{*InterfaceAddress::Parse("10.0.0.5/24")}, {}, 1500})
          .ok());
  ASSERT_TRUE(view.WaitFor(Exactly({{"default", "node1-0000-03-00-0-sf88"}})));
  const auto netdev = api::Decode<api::v1alpha1::Netdev>(view.Get().begin()->second);
  ASSERT_TRUE(netdev.ok()) << netdev.status();
  EXPECT_EQ(netdev->spec().function(), "0000:03:00.0-sf88");
  EXPECT_EQ(netdev->spec().network(), "");
  EXPECT_TRUE(netdev->spec().has_vlan());
  EXPECT_EQ(netdev->spec().vlan(), 0);
  EXPECT_TRUE(netdev->spec().vfio());
  EXPECT_THAT(netdev->spec().addresses(), ::testing::ElementsAre("10.0.0.5/24"));
}

TEST_F(RecorderTest, WhatIsUndoneIsRecordedNoMore) {
  StoreView view(store_, Kind());
  StartRecorder();
  const ClaimRow row = Attach(2, "web");
  ASSERT_TRUE(view.WaitFor(Exactly({Named(2, "tenant")})));
  Free(row);
  EXPECT_TRUE(view.WaitFor(Exactly({})));
}

TEST_F(RecorderTest, TheRecordMovesToTheNamespaceOfTheNetwork) {
  StoreView view(store_, Kind());
  StartRecorder();
  const ClaimRow row = *allocator_->Begin(Draft(2));
  ASSERT_TRUE(view.WaitFor(Exactly({Named(2, "default")})));
  ClaimRow attached = row;
  attached.attachment = ForPod("web");
  ASSERT_TRUE(allocator_->Attach(attached).ok());
  ASSERT_TRUE(allocator_->Confirm(row.function, row.claim, {}).ok());
  EXPECT_TRUE(view.WaitFor(Exactly({Named(2, "tenant")})));
}

TEST_F(RecorderTest, StartsFromWhatIsThere) {
  const ClaimRow row = Attach(2, "web");
  ClaimRow gone = Draft(3);
  gone.claim = 7;
  ClaimRow others = Draft(4);
  others.claim = 7;
  ASSERT_TRUE(store_.Create(Kind(), *NetdevFor("node1", gone)).ok());
  ASSERT_TRUE(store_.Create(Kind(), *NetdevFor("node2", others)).ok());
  StoreView view(store_, Kind());
  StartRecorder();
  EXPECT_TRUE(view.WaitFor(Exactly({{"default", "node2-0000-03-00-4"}, Named(2, "tenant")})));
}

TEST_F(RecorderTest, ARestartWritesNothingNew) {
  Attach(2, "web");
  StoreView view(store_, Kind());
  StartRecorder();
  ASSERT_TRUE(view.WaitFor(Exactly({Named(2, "tenant")})));
  StopRecorder();
  const std::string version = VersionOf(view.Get().begin()->second);
  StartRecorder();
  // A second function is written after all that there was has been looked at.
  Attach(3, "db");
  ASSERT_TRUE(view.WaitFor(Exactly({Named(2, "tenant"), Named(3, "tenant")})));
  EXPECT_EQ(VersionOf(view.Get().at(Named(2, "tenant"))), version);
}

TEST_F(RecorderTest, WhatSomebodyDeletesOrChangesIsPutRight) {
  StoreView view(store_, Kind());
  StartRecorder();
  Attach(2, "web");
  ASSERT_TRUE(view.WaitFor(Exactly({Named(2, "tenant")})));
  const std::string uid = UidOf(view.Get().begin()->second);
  ASSERT_TRUE(store_.Delete(Kind(), Named(2, "tenant")).ok());
  ASSERT_TRUE(view.WaitFor([&](const StoreView::Objects& objects) {
    return objects.size() == 1 && UidOf(objects.begin()->second) != uid;
  }));
  ASSERT_TRUE(
      store_.Patch(Kind(), Named(2, "tenant"), PatchType::kMerge, {{"spec", {{"network", "red"}}}}).ok());
  EXPECT_TRUE(view.WaitFor([&](const StoreView::Objects& objects) {
    return objects.size() == 1 && objects.begin()->second["spec"]["network"] == "blue" &&
           GenerationOf(objects.begin()->second) > 2;
  }));
}

TEST_F(RecorderTest, WaitsForTheEndOfARecordThatSomebodyStillNeeds) {
  StoreView view(store_, Kind());
  StartRecorder();
  const ClaimRow first = Attach(2, "web");
  ASSERT_TRUE(view.WaitFor(Exactly({Named(2, "tenant")})));
  ASSERT_TRUE(store_
                  .Patch(Kind(), Named(2, "tenant"), PatchType::kMerge,
                         {{"metadata", {{"finalizers", {"xpu.opiproject.org/port"}}}}})
                  .ok());
  Free(first);
  ASSERT_TRUE(view.WaitFor([](const StoreView::Objects& objects) {
    return objects.size() == 1 && IsBeingDeleted(objects.begin()->second);
  }));
  const ClaimRow second = Attach(2, "db");
  ASSERT_TRUE(
      store_.Patch(Kind(), Named(2, "tenant"), PatchType::kMerge, {{"metadata", {{"finalizers", nullptr}}}})
          .ok());
  EXPECT_TRUE(view.WaitFor([&](const StoreView::Objects& objects) {
    return objects.size() == 1 && objects.begin()->second["spec"]["claim"] == second.claim &&
           !IsBeingDeleted(objects.begin()->second);
  }));
}

TEST_F(RecorderTest, AChangedCardMakesANewRecord) {
  ClaimRow old = Draft(2);
  old.card = "card9";
  old.claim = 7;
  ASSERT_TRUE(store_.Create(Kind(), *NetdevFor("node1", old)).ok());
  ASSERT_TRUE(allocator_->Begin(Draft(2)).ok());
  StoreView view(store_, Kind());
  StartRecorder();
  EXPECT_TRUE(view.WaitFor([](const StoreView::Objects& objects) {
    return objects.size() == 1 && objects.begin()->second["spec"]["card"] == "card0";
  }));
}

TEST_F(RecorderTest, MakesUpForWhatItMissedWhileTheServerWasAway) {
  const ClaimRow before = Attach(2, "web");
  StoreView* view = new StoreView(store_, Kind());
  StartRecorder();
  ASSERT_TRUE(view->WaitFor(Exactly({Named(2, "tenant")})));
  delete view;
  store_.GoAway();
  Free(before);
  Attach(3, "db");
  EXPECT_TRUE(store_.WaitForCalls(FakeStore::Call::kCreate, 2)) << "it should have tried";
  store_.ComeBack();
  StoreView after(store_, Kind());
  EXPECT_TRUE(after.WaitFor(Exactly({Named(3, "tenant")})));
}

TEST_F(RecorderTest, MakesUpForARecordThatCameAndWentWhileItsWatchWasLost) {
  CutStore way(store_);
  std::atomic<bool> first = true;
  way.OnWrite([&] {
    if (!first.exchange(false)) return;
    store_.Erase(Kind(), Named(2, "tenant"));
    store_.Compact();
    store_.EndWatches(absl::OutOfRangeError("forgotten"));
    store_.ResumeWatches();
  });
  store_.PauseWatches();
  // Before the recorder is there, so that nothing but the list can tell it to look again.
  Attach(2, "web");
  StartRecorder(way);
  EXPECT_TRUE(store_.WaitForCalls(FakeStore::Call::kCreate, 2));
  StoreView view(store_, Kind());
  EXPECT_TRUE(view.WaitFor(Exactly({Named(2, "tenant")})));
  StopRecorder();
}

TEST_F(RecorderTest, ARecordThatIsRefusedDoesNotHoldUpTheOthers) {
  store_.SetFaultHook([](FakeStore::Call call, const ResourceKind&,
                         const ResourceName& name) -> std::optional<FakeStore::Fault> {
    if (call != FakeStore::Call::kCreate || name.name != Named(2, "").name) return std::nullopt;
    return FakeStore::Fault{absl::InvalidArgumentError("no"), false};
  });
  StoreView view(store_, Kind());
  StartRecorder();
  Attach(2, "web");
  Attach(3, "db");
  ASSERT_TRUE(view.WaitFor(Exactly({Named(3, "tenant")})));
  store_.SetFaultHook(nullptr);
  EXPECT_TRUE(view.WaitFor(Exactly({Named(2, "tenant"), Named(3, "tenant")})));
}

TEST_F(RecorderTest, AnAnswerThatGotLostIsNoHarm) {
  store_.FailNext(FakeStore::Call::kCreate, {absl::UnavailableError("cut"), true}, 1);
  store_.FailNext(FakeStore::Call::kDelete, {absl::UnavailableError("cut"), true}, 1);
  StoreView view(store_, Kind());
  StartRecorder();
  const ClaimRow row = Attach(2, "web");
  ASSERT_TRUE(view.WaitFor(Exactly({Named(2, "tenant")})));
  Free(row);
  EXPECT_TRUE(view.WaitFor(Exactly({})));
}

}  // namespace
}  // namespace xpu
