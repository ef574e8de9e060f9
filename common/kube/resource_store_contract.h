#pragma once

// What every ResourceStore must do, the fake, and the client with any server behind it. Include it in one
// test source, with writers_contract.h, and say
//   INSTANTIATE_TEST_SUITE_P(Mine, ResourceStoreContract, testing::Values(MakeMine));

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/kube/metadata.h"
#include "common/kube/resource_store.h"
#include "common/kube/watch_recorder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {

// A store and what the suite needs to do behind its back.
class ResourceStoreHarness {
 public:
  virtual ~ResourceStoreHarness() = default;
  virtual ResourceStore& store() = 0;
  // Makes every version up to now too old for a watch; for ResourceStoreHistoryContract alone.
  virtual void Compact() {}
};

class ResourceStoreContract
    : public ::testing::TestWithParam<std::function<std::unique_ptr<ResourceStoreHarness>()>> {
 protected:
  static inline const ResourceKind kNetworks = {"xpu.opiproject.org", "v1alpha1", "Network", "networks"};
  static inline const ResourceKind kNamespaces = {"", "v1", "Namespace", "namespaces"};

  void SetUp() override {
    harness_ = GetParam()();
    for (const char* ns : {"default", "team-a"}) {
      const absl::Status made = store().Create(kNamespaces, MakeResource(kNamespaces, {"", ns})).status();
      ASSERT_TRUE(made.ok() || absl::IsAlreadyExists(made)) << made;
    }
  }

  ResourceStore& store() { return harness_->store(); }

  // A valid Network that no other of this test collides with.
  Resource Network(const std::string& name, const std::string& ns = "default") {
    Resource object = MakeResource(kNetworks, {ns, name});
    object["spec"] = {{"vni", next_vni_++}, {"prefixes", Resource::array({"10.0.0.0/24"})}, {"mtu", 1500}};
    return object;
  }
  Resource Put(const Resource& object) {
    absl::StatusOr<Resource> made = store().Create(kNetworks, object);
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? *made : Resource::object();
  }
  Resource Make(const std::string& name) { return Put(Network(name)); }
  Resource ApplyAs(const std::string& manager, const Resource& object) {
    absl::StatusOr<Resource> applied = store().Apply(kNetworks, object, {.field_manager = manager});
    EXPECT_TRUE(applied.ok()) << applied.status();
    return applied.ok() ? *applied : Resource::object();
  }
  Resource Read(const std::string& name) {
    absl::StatusOr<Resource> read = store().Get(kNetworks, {"default", name});
    EXPECT_TRUE(read.ok()) << read.status();
    return read.ok() ? *read : Resource::object();
  }
  ResourceList ListAll(const ListOptions& options = {}, const std::string& ns = "") {
    absl::StatusOr<ResourceList> list = store().List(kNetworks, ns, options);
    EXPECT_TRUE(list.ok()) << list.status();
    return list.ok() ? *list : ResourceList();
  }
  std::vector<std::string> Names(const ListOptions& options = {}, const std::string& ns = "") {
    std::vector<std::string> names;
    for (const Resource& object : ListAll(options, ns).items) names.push_back(NameOf(object).ToString());
    return names;
  }
  std::unique_ptr<ResourceStore::Watcher> Watch(WatchRecorder& recorder, const std::string& version,
                                                const ListOptions& options = {}, const std::string& ns = "") {
    auto watcher = store().Watch(kNetworks, ns, version, options, recorder.callbacks());
    EXPECT_TRUE(watcher.ok()) << watcher.status();
    return watcher.ok() ? *std::move(watcher) : nullptr;
  }

  std::unique_ptr<ResourceStoreHarness> harness_;
  int64_t next_vni_ = 1;
};

// The part of it for which somebody must be able to make the store forget.
class ResourceStoreHistoryContract : public ResourceStoreContract {};

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_P(ResourceStoreContract, CreateFillsInWhatTheServerOwns) {
  const Resource made = Make("blue");
  EXPECT_NE(VersionOf(made), "");
  EXPECT_NE(UidOf(made), "");
  EXPECT_EQ(GenerationOf(made), 1);
  EXPECT_TRUE(made["metadata"].contains("creationTimestamp"));
  EXPECT_EQ(Read("blue"), made);
}

TEST_P(ResourceStoreContract, CreateOfAnExistingNameIsAlreadyExists) {
  Make("blue");
  EXPECT_TRUE(absl::IsAlreadyExists(store().Create(kNetworks, Network("blue")).status()));
  EXPECT_TRUE(store().Create(kNetworks, Network("blue", "team-a")).ok()) << "names are per namespace";
}

TEST_P(ResourceStoreContract, CreateDoesNotTakeStatus) {
  Resource object = Network("blue");
  object["status"]["cards"] = Resource::array({{{"card", "card0"}}});
  EXPECT_FALSE(Put(object).contains("status"));
}

TEST_P(ResourceStoreContract, WhatIsNotThereIsNotFound) {
  const ResourceName nothing = {"default", "nothing"};
  EXPECT_TRUE(absl::IsNotFound(store().Get(kNetworks, nothing).status()));
  EXPECT_TRUE(absl::IsNotFound(store().Update(kNetworks, Network("nothing")).status()));
  EXPECT_TRUE(absl::IsNotFound(store().UpdateStatus(kNetworks, Network("nothing")).status()));
  EXPECT_TRUE(
      absl::IsNotFound(store().Patch(kNetworks, nothing, PatchType::kMerge, Resource::object()).status()));
  EXPECT_TRUE(absl::IsNotFound(store().Delete(kNetworks, nothing)));
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_P(ResourceStoreContract, UpdateWithAnOldVersionIsAborted) {
  const Resource first = Make("blue");
  Resource second = first;
  second["spec"]["mtu"] = 1400;
  const auto updated = store().Update(kNetworks, second);
  ASSERT_TRUE(updated.ok()) << updated.status();
  EXPECT_NE(VersionOf(*updated), VersionOf(first));
  EXPECT_EQ((*updated)["spec"]["mtu"], 1400);

  Resource stale = first;
  stale["spec"]["mtu"] = 1300;
  EXPECT_TRUE(absl::IsAborted(store().Update(kNetworks, stale).status()));
  stale["status"]["cards"] = Resource::array({{{"card", "card0"}}});
  EXPECT_TRUE(absl::IsAborted(store().UpdateStatus(kNetworks, stale).status()));
  EXPECT_EQ(Read("blue"), *updated);
}

TEST_P(ResourceStoreContract, UpdateOfAnotherObjectOfThatNameIsAborted) {
  Resource first = Make("blue");
  ASSERT_TRUE(store().Delete(kNetworks, {"default", "blue"}).ok());
  Make("blue");
  first["metadata"].erase("resourceVersion");
  first["spec"]["mtu"] = 1300;
  EXPECT_FALSE(store().Update(kNetworks, first).ok()) << "the uid is another's";
}

TEST_P(ResourceStoreContract, SpecAndStatusAreWrittenApart) {
  Resource object = Make("blue");
  object["status"]["cards"] = Resource::array({{{"card", "card0"}, {"ports", 2}}});
  object["spec"]["mtu"] = 1300;
  auto written = store().UpdateStatus(kNetworks, object);
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ((*written)["spec"]["mtu"], 1500);
  EXPECT_EQ((*written)["status"], object["status"]);
  EXPECT_EQ(GenerationOf(*written), 1) << "status makes no generation";

  object = *written;
  object["spec"]["mtu"] = 1400;
  object["status"]["cards"][0]["ports"] = 9;
  written = store().Update(kNetworks, object);
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ((*written)["status"]["cards"][0]["ports"], 2);
  EXPECT_EQ((*written)["spec"]["mtu"], 1400);
  EXPECT_EQ(GenerationOf(*written), 2);
}

TEST_P(ResourceStoreContract, MetadataMakesNoGeneration) {
  Resource object = Make("blue");
  object["metadata"]["labels"] = {{"app", "demo"}};
  const auto written = store().Update(kNetworks, object);
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(GenerationOf(*written), 1);
  EXPECT_NE(VersionOf(*written), VersionOf(object));
}

TEST_P(ResourceStoreContract, WritingNothingNewChangesNothing) {
  const Resource object = Make("blue");
  const auto updated = store().Update(kNetworks, object);
  ASSERT_TRUE(updated.ok()) << updated.status();
  EXPECT_EQ(*updated, object);
  const auto patched =
      store().Patch(kNetworks, {"default", "blue"}, PatchType::kMerge, {{"spec", {{"mtu", 1500}}}});
  ASSERT_TRUE(patched.ok()) << patched.status();
  EXPECT_EQ(*patched, object);
}

TEST_P(ResourceStoreContract, MergePatchSetsAndRemoves) {
  Resource object = Network("blue");
  object["metadata"]["labels"] = {{"app", "demo"}, {"tier", "one"}};
  Put(object);
  const auto patched =
      store().Patch(kNetworks, {"default", "blue"}, PatchType::kMerge,
                    {{"metadata", {{"labels", {{"tier", nullptr}}}}}, {"spec", {{"mtu", 1400}}}});
  ASSERT_TRUE(patched.ok()) << patched.status();
  EXPECT_EQ((*patched)["metadata"]["labels"], Resource({{"app", "demo"}}));
  EXPECT_EQ((*patched)["spec"]["mtu"], 1400);
  EXPECT_EQ(GenerationOf(*patched), 2);
  EXPECT_EQ(Read("blue"), *patched);
}

TEST_P(ResourceStoreContract, MergePatchWithAnOldVersionIsAborted) {
  const Resource first = Make("blue");
  const ResourceName name = {"default", "blue"};
  ASSERT_TRUE(store().Patch(kNetworks, name, PatchType::kMerge, {{"spec", {{"mtu", 1400}}}}).ok());
  const Resource patch = {{"metadata", {{"resourceVersion", VersionOf(first)}}}, {"spec", {{"mtu", 1300}}}};
  EXPECT_TRUE(absl::IsAborted(store().Patch(kNetworks, name, PatchType::kMerge, patch).status()));
  EXPECT_EQ(Read("blue")["spec"]["mtu"], 1400);
}

TEST_P(ResourceStoreContract, JsonPatchIsAppliedWhole) {
  Make("blue");
  const ResourceName name = {"default", "blue"};
  auto patched = store().Patch(kNetworks, name, PatchType::kJson, Resource::parse(R"([
      {"op": "test", "path": "/spec/mtu", "value": 1500},
      {"op": "replace", "path": "/spec/mtu", "value": 1400},
      {"op": "add", "path": "/spec/prefixes/-", "value": "10.0.1.0/24"}])"));
  ASSERT_TRUE(patched.ok()) << patched.status();
  EXPECT_EQ((*patched)["spec"]["prefixes"], Resource::array({"10.0.0.0/24", "10.0.1.0/24"}));

  patched = store().Patch(kNetworks, name, PatchType::kJson, Resource::parse(R"([
      {"op": "replace", "path": "/spec/mtu", "value": 1300},
      {"op": "test", "path": "/spec/mtu", "value": 1}])"));
  EXPECT_TRUE(absl::IsInvalidArgument(patched.status())) << patched.status();
  EXPECT_EQ(Read("blue")["spec"]["mtu"], 1400);
}

TEST_P(ResourceStoreContract, DeleteRemovesAndANewObjectIsAnother) {
  const Resource first = Make("blue");
  ASSERT_TRUE(store().Delete(kNetworks, {"default", "blue"}).ok());
  EXPECT_TRUE(absl::IsNotFound(store().Get(kNetworks, {"default", "blue"}).status()));
  EXPECT_NE(UidOf(Make("blue")), UidOf(first));
}

TEST_P(ResourceStoreContract, FinalizersKeepAnObjectUntilTheyAreGone) {
  Resource object = Network("blue");
  AddFinalizer(&object, "xpu.opiproject.org/one");
  AddFinalizer(&object, "xpu.opiproject.org/two");
  Put(object);
  const ResourceName name = {"default", "blue"};
  ASSERT_TRUE(store().Delete(kNetworks, name).ok());
  Resource doomed = Read("blue");
  EXPECT_TRUE(IsBeingDeleted(doomed));
  EXPECT_TRUE(store().Delete(kNetworks, name).ok()) << "asking again is no error";

  Resource more = doomed;
  AddFinalizer(&more, "xpu.opiproject.org/three");
  EXPECT_TRUE(absl::IsInvalidArgument(store().Update(kNetworks, more).status()));

  RemoveFinalizer(&doomed, "xpu.opiproject.org/one");
  auto updated = store().Update(kNetworks, doomed);
  ASSERT_TRUE(updated.ok()) << updated.status();
  EXPECT_TRUE(IsBeingDeleted(Read("blue")));
  doomed = *updated;
  RemoveFinalizer(&doomed, "xpu.opiproject.org/two");
  updated = store().Update(kNetworks, doomed);
  ASSERT_TRUE(updated.ok()) << updated.status();
  EXPECT_TRUE(absl::IsNotFound(store().Get(kNetworks, name).status()));
}

TEST_P(ResourceStoreContract, ListsAreSortedAndSelected) {
  Resource green = Network("green");
  green["metadata"]["labels"] = {{"app", "demo"}};
  Put(green);
  Resource red = Network("red", "team-a");
  red["metadata"]["labels"] = {{"app", "demo"}, {"tier", "one"}};
  Put(red);
  Make("blue");
  EXPECT_THAT(Names(), ElementsAre("default/blue", "default/green", "team-a/red"));
  EXPECT_THAT(Names({}, "default"), ElementsAre("default/blue", "default/green"));
  EXPECT_THAT(Names({.label_selector = "app=demo"}), ElementsAre("default/green", "team-a/red"));
  EXPECT_THAT(Names({.label_selector = "app=demo,tier!=one"}), ElementsAre("default/green"));
  EXPECT_THAT(Names({.field_selector = "metadata.name=red"}), ElementsAre("team-a/red"));
  EXPECT_THAT(Names({.label_selector = "app=demo"}, "team-a"), ElementsAre("team-a/red"));
  EXPECT_THAT(Names({.label_selector = "app=other"}), IsEmpty());
}

TEST_P(ResourceStoreContract, ASelectorThatCannotBeReadIsInvalid) {
  EXPECT_TRUE(absl::IsInvalidArgument(store().List(kNetworks, "", {.label_selector = "a in b"}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(store().List(kNetworks, "", {.field_selector = "what"}).status()));
}

TEST_P(ResourceStoreContract, AKindIsSelectedByTheFieldsThatItDeclaresAndNoOther) {
  const ResourceKind blocks = {"xpu.opiproject.org", "v1alpha1", "AddressBlock", "addressblocks"};
  for (const char* card : {"card0", "card1"}) {
    Resource block = MakeResource(blocks, {"default", absl::StrCat("block-", card)});
    block["spec"] = {{"network", "blue"}, {"prefix", "10.0.0.0/28"}, {"card", card}};
    ASSERT_TRUE(store().Create(blocks, block).ok());
  }
  const auto selected = store().List(blocks, "", {.field_selector = "spec.card=card1,spec.network=blue"});
  ASSERT_TRUE(selected.ok()) << selected.status();
  ASSERT_EQ(selected->items.size(), 1u);
  EXPECT_EQ(NameOf(selected->items[0]).name, "block-card1");
  EXPECT_TRUE(
      absl::IsInvalidArgument(store().List(blocks, "", {.field_selector = "spec.prefix=x"}).status()));
  EXPECT_TRUE(
      absl::IsInvalidArgument(store().List(kNetworks, "", {.field_selector = "spec.card=x"}).status()));

  WatchRecorder recorder;
  auto watcher = store().Watch(blocks, "", selected->resource_version, {.field_selector = "spec.card=card1"},
                               recorder.callbacks());
  ASSERT_TRUE(watcher.ok()) << watcher.status();
  ASSERT_TRUE(store().Delete(blocks, {"default", "block-card0"}).ok());
  ASSERT_TRUE(store().Delete(blocks, {"default", "block-card1"}).ok());
  EXPECT_THAT(WatchRecorder::Lines(recorder.WaitForEvents(1)), ElementsAre("DELETED block-card1"));
}

TEST_P(ResourceStoreContract, ADeletionIsOfTheObjectThatWasMeant) {
  const ResourceName name = {"default", "blue"};
  const Resource first = Make("blue");
  ASSERT_TRUE(store().Delete(kNetworks, name, {.uid = UidOf(first)}).ok());
  const Resource second = Make("blue");
  EXPECT_TRUE(absl::IsAborted(store().Delete(kNetworks, name, {.uid = UidOf(first)})));
  EXPECT_TRUE(absl::IsAborted(store().Delete(kNetworks, name, {.resource_version = VersionOf(first)})));
  EXPECT_EQ(Read("blue"), second);
  EXPECT_TRUE(
      store().Delete(kNetworks, name, {.uid = UidOf(second), .resource_version = VersionOf(second)}).ok());
}

TEST_P(ResourceStoreContract, AnObjectOfAnotherKindIsInvalid) {
  Resource object = Network("blue");
  object["kind"] = "Netdev";
  EXPECT_TRUE(absl::IsInvalidArgument(store().Create(kNetworks, object).status()));
  Make("blue");
  EXPECT_TRUE(absl::IsInvalidArgument(store().Update(kNetworks, object).status()));
}

TEST_P(ResourceStoreContract, AWatchTellsEveryChangeSinceItsVersionInOrder) {
  Make("before");
  const std::string version = ListAll().resource_version;
  Make("missed");
  WatchRecorder recorder;
  auto watcher = Watch(recorder, version);
  Resource object = Make("blue");
  object["spec"]["mtu"] = 1400;
  object = *store().Update(kNetworks, object);
  object["status"]["cards"] = Resource::array({{{"card", "card0"}}});
  object = *store().UpdateStatus(kNetworks, object);
  ASSERT_TRUE(store().Delete(kNetworks, {"default", "blue"}).ok());
  const std::vector<WatchEvent> events = recorder.WaitForEvents(5);
  ASSERT_THAT(WatchRecorder::Lines(events),
              ElementsAre("ADDED missed", "ADDED blue", "MODIFIED blue", "MODIFIED blue", "DELETED blue"));
  EXPECT_EQ(events[3].object, object);
  EXPECT_EQ(events[4].object["status"], object["status"]) << "the last state is shown";
  EXPECT_NE(VersionOf(events[4].object), VersionOf(object)) << "a deletion has a version of its own";

  // From the version of any event, a watch goes on after it.
  WatchRecorder later;
  auto second = Watch(later, VersionOf(events[3].object));
  EXPECT_THAT(WatchRecorder::Lines(later.WaitForEvents(1)), ElementsAre("DELETED blue"));
  WatchRecorder last;
  auto third = Watch(last, VersionOf(events[4].object));
  Make("green");
  EXPECT_THAT(WatchRecorder::Lines(last.WaitForEvents(1)), ElementsAre("ADDED green"));
}

TEST_P(ResourceStoreContract, AWatchTellsTheStepsOfADeletionWithFinalizers) {
  Resource object = Network("blue");
  AddFinalizer(&object, "xpu.opiproject.org/one");
  Put(object);
  WatchRecorder recorder;
  auto watcher = Watch(recorder, ListAll().resource_version);
  ASSERT_TRUE(store().Delete(kNetworks, {"default", "blue"}).ok());
  ASSERT_TRUE(
      store()
          .Patch(kNetworks, {"default", "blue"}, PatchType::kMerge, {{"metadata", {{"finalizers", nullptr}}}})
          .ok());
  const std::vector<WatchEvent> events = recorder.WaitForEvents(2);
  ASSERT_THAT(WatchRecorder::Lines(events), ElementsAre("MODIFIED blue", "DELETED blue"));
  EXPECT_TRUE(IsBeingDeleted(events[0].object));
}

TEST_P(ResourceStoreContract, AWatchSeesOnlyItsNamespaceAndSelection) {
  const std::string version = ListAll().resource_version;
  WatchRecorder in_team;
  auto team = Watch(in_team, version, {}, "team-a");
  WatchRecorder labelled;
  auto demo = Watch(labelled, version, {.label_selector = "app=demo"});
  WatchRecorder named;
  auto field = Watch(named, version, {.field_selector = "metadata.name=red"});

  Resource blue = Make("blue");
  Put(Network("red", "team-a"));
  const auto label = [&](const Resource& value) {
    ASSERT_TRUE(store()
                    .Patch(kNetworks, {"default", "blue"}, PatchType::kMerge,
                           {{"metadata", {{"labels", {{"app", value}}}}}})
                    .ok());
  };
  label("demo");
  ASSERT_TRUE(
      store().Patch(kNetworks, {"default", "blue"}, PatchType::kMerge, {{"spec", {{"mtu", 1400}}}}).ok());
  label(nullptr);
  label("demo");
  ASSERT_TRUE(store().Delete(kNetworks, {"default", "blue"}).ok());

  // An object that comes into the selection is added, one that leaves it is deleted.
  EXPECT_THAT(WatchRecorder::Lines(labelled.WaitForEvents(5)),
              ElementsAre("ADDED blue", "MODIFIED blue", "DELETED blue", "ADDED blue", "DELETED blue"));
  EXPECT_THAT(WatchRecorder::Lines(in_team.WaitForEvents(1)), ElementsAre("ADDED red"));
  EXPECT_THAT(WatchRecorder::Lines(named.WaitForEvents(1)), ElementsAre("ADDED red"));
}

TEST_P(ResourceStoreHistoryContract, AWatchFromAForgottenVersionIsOutOfRange) {
  Make("blue");
  const std::string version = ListAll().resource_version;
  Make("green");
  harness_->Compact();
  WatchRecorder recorder;
  auto watcher = store().Watch(kNetworks, "", version, {}, recorder.callbacks());
  const absl::Status end = watcher.ok() ? recorder.WaitForEnd().value_or(absl::OkStatus()) : watcher.status();
  EXPECT_TRUE(absl::IsOutOfRange(end)) << end;

  WatchRecorder fresh;
  auto second = Watch(fresh, ListAll().resource_version);
  Make("red");
  EXPECT_THAT(WatchRecorder::Lines(fresh.WaitForEvents(1)), ElementsAre("ADDED red"));
}

TEST_P(ResourceStoreContract, AWatchWithoutAVersionIsInvalid) {
  WatchRecorder recorder;
  const auto watcher = store().Watch(kNetworks, "", "", {}, recorder.callbacks());
  EXPECT_TRUE(absl::IsInvalidArgument(watcher.status())) << watcher.status();
}

TEST_P(ResourceStoreContract, ListAndWatchTogetherMissNothingWhileOthersWrite) {
  constexpr int kObjects = 40;
  std::atomic<int> made = 0;
  std::thread writer([&] {
    for (int i = 0; i < kObjects; ++i) {
      if (store().Create(kNetworks, Network(absl::StrCat("n", i))).ok()) ++made;
    }
  });
  const ResourceList list = ListAll();
  WatchRecorder recorder;
  auto watcher = Watch(recorder, list.resource_version);
  std::map<std::string, int> seen;
  for (const Resource& object : list.items) ++seen[NameOf(object).name];
  for (const WatchEvent& event : recorder.WaitForEvents(kObjects - list.items.size())) {
    ++seen[NameOf(event.object).name];
  }
  writer.join();
  EXPECT_EQ(made, kObjects);
  EXPECT_EQ(seen.size(), static_cast<size_t>(kObjects));
  for (const auto& [name, times] : seen) EXPECT_EQ(times, 1) << name;
}

TEST_P(ResourceStoreContract, OfWritersWithTheSameVersionOneWins) {
  Resource object = Make("blue");
  std::atomic<int> won = 0;
  std::atomic<int> lost = 0;
  std::vector<std::thread> writers;
  for (int i = 0; i < 4; ++i) {
    writers.emplace_back([&, i] {
      Resource mine = object;
      mine["spec"]["mtu"] = 1400 + i;
      const absl::Status status = store().Update(kNetworks, mine).status();
      if (status.ok()) ++won;
      if (absl::IsAborted(status)) ++lost;
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(won, 1);
  EXPECT_EQ(lost, 3);
}

TEST_P(ResourceStoreContract, AnEndedWatchIsSilent) {
  std::atomic<bool> gone = false;
  std::atomic<bool> called_after = false;
  const std::string version = ListAll().resource_version;
  auto watcher = store().Watch(kNetworks, "", version, {},
                               {[&](const WatchEvent&) {
                                  if (gone) called_after = true;
                                },
                                [&](const absl::Status&) {
                                  if (gone) called_after = true;
                                }});
  ASSERT_TRUE(watcher.ok()) << watcher.status();
  Make("blue");
  watcher->reset();
  gone = true;
  // What the store tells others has been told to everyone.
  WatchRecorder recorder;
  auto other = Watch(recorder, version);
  Make("green");
  EXPECT_EQ(recorder.WaitForEvents(2).size(), 2u);
  EXPECT_FALSE(called_after);
}

TEST_P(ResourceStoreContract, ACallbackMayUseTheStore) {
  const std::string version = ListAll().resource_version;
  absl::Mutex mu;
  absl::StatusOr<Resource> read = absl::UnknownError("not called");
  bool done = false;
  auto watcher = store().Watch(kNetworks, "", version, {},
                               {[&](const WatchEvent& event) {
                                  if (event.type != WatchEvent::Type::kAdded) return;
                                  auto got = store().Get(kNetworks, NameOf(event.object));
                                  absl::MutexLock lock(&mu);
                                  read = std::move(got);
                                  done = true;
                                },
                                nullptr});
  ASSERT_TRUE(watcher.ok()) << watcher.status();
  const Resource made = Make("blue");
  {
    absl::MutexLock lock(&mu);
    ASSERT_TRUE(mu.AwaitWithTimeout(absl::Condition(&done), absl::Seconds(20)));
  }
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, made);
}

}  // namespace xpu
