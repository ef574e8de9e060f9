#include "common/kube/fake_store.h"

#include "common/kube/resource_store_contract.h"
#include "common/kube/writers_contract.h"

namespace xpu {
namespace {

class FakeHarness : public ResourceStoreHarness {
 public:
  ResourceStore& store() override { return store_; }
  void Compact() override { store_.Compact(); }

 private:
  FakeStore store_;
};

std::unique_ptr<ResourceStoreHarness> MakeHarness() { return std::make_unique<FakeHarness>(); }
INSTANTIATE_TEST_SUITE_P(Fake, ResourceStoreContract, testing::Values(&MakeHarness));
INSTANTIATE_TEST_SUITE_P(Fake, ResourceStoreHistoryContract, testing::Values(&MakeHarness));

class FakeStoreTest : public ::testing::Test {
 protected:
  const ResourceKind kind_ = {"xpu.opiproject.org", "v1alpha1", "Network", "networks"};
  const ResourceName name_ = {"default", "blue"};
  const Resource object_ = MakeResource(kind_, name_);
  FakeStore store_;
};

TEST_F(FakeStoreTest, AFaultBeforeTheEffectChangesNothing) {
  store_.FailNext(FakeStore::Call::kCreate, {absl::UnavailableError("down")});
  EXPECT_TRUE(absl::IsUnavailable(store_.Create(kind_, object_).status()));
  EXPECT_TRUE(absl::IsNotFound(store_.Get(kind_, name_).status()));
  EXPECT_TRUE(store_.Create(kind_, object_).ok());
  EXPECT_EQ(store_.calls(FakeStore::Call::kCreate), 2);
}

TEST_F(FakeStoreTest, AFaultAfterTheEffectLosesOnlyTheAnswer) {
  store_.FailNext(FakeStore::Call::kCreate, {absl::DeadlineExceededError("slow"), true});
  EXPECT_TRUE(absl::IsDeadlineExceeded(store_.Create(kind_, object_).status()));
  EXPECT_TRUE(store_.Get(kind_, name_).ok());
  store_.FailNext(FakeStore::Call::kDelete, {absl::UnavailableError("down"), true});
  EXPECT_TRUE(absl::IsUnavailable(store_.Delete(kind_, name_)));
  EXPECT_TRUE(absl::IsNotFound(store_.Get(kind_, name_).status()));
}

TEST_F(FakeStoreTest, TheHookChoosesByCallAndName) {
  store_.SetFaultHook([&](FakeStore::Call call, const ResourceKind&,
                          const ResourceName& name) -> std::optional<FakeStore::Fault> {
    if (call == FakeStore::Call::kGet && name == name_) return FakeStore::Fault{absl::InternalError("no")};
    return std::nullopt;
  });
  ASSERT_TRUE(store_.Create(kind_, object_).ok());
  EXPECT_EQ(store_.Get(kind_, name_).status().code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(absl::IsNotFound(store_.Get(kind_, {"default", "red"}).status()));
}

TEST_F(FakeStoreTest, WhileAwayEverythingIsUnavailableAndWatchesEnd) {
  const std::string version = store_.List(kind_, "")->resource_version;
  WatchRecorder recorder;
  auto watcher = store_.Watch(kind_, "", version, {}, recorder.callbacks());
  ASSERT_TRUE(watcher.ok());
  EXPECT_EQ(store_.running_watches(), 1);
  store_.GoAway();
  EXPECT_TRUE(absl::IsUnavailable(recorder.WaitForEnd().value_or(absl::OkStatus())));
  EXPECT_TRUE(absl::IsUnavailable(store_.Create(kind_, object_).status()));
  EXPECT_EQ(store_.running_watches(), 0);
  store_.ComeBack();
  EXPECT_TRUE(store_.Create(kind_, object_).ok());
}

TEST_F(FakeStoreTest, PausedWatchesGetTheirEventsLater) {
  const std::string version = store_.List(kind_, "")->resource_version;
  WatchRecorder recorder;
  auto watcher = store_.Watch(kind_, "", version, {}, recorder.callbacks());
  ASSERT_TRUE(watcher.ok());
  store_.PauseWatches();
  ASSERT_TRUE(store_.Create(kind_, object_).ok());
  store_.EndWatches(absl::OkStatus());
  store_.ResumeWatches();
  EXPECT_EQ(recorder.WaitForEnd(), absl::OkStatus());
  EXPECT_THAT(WatchRecorder::Lines(recorder.WaitForEvents(1)), ElementsAre("ADDED blue"));
}

TEST_F(FakeStoreTest, TheValidatorMayRefuse) {
  store_.SetValidator([](const ResourceKind&, const Resource&, const Resource* old_object) {
    return old_object == nullptr ? absl::OkStatus() : absl::InvalidArgumentError("spec: immutable");
  });
  const auto made = store_.Create(kind_, object_);
  ASSERT_TRUE(made.ok());
  Resource changed = *made;
  changed["spec"]["x"] = 1;
  EXPECT_TRUE(absl::IsInvalidArgument(store_.Update(kind_, changed).status()));
  EXPECT_TRUE(store_.Update(kind_, *made).ok());
}

TEST_F(FakeStoreTest, EraseTakesNoNoticeOfFinalizers) {
  Resource object = object_;
  AddFinalizer(&object, "a.b/c");
  ASSERT_TRUE(store_.Create(kind_, object).ok());
  store_.Erase(kind_, name_);
  EXPECT_TRUE(absl::IsNotFound(store_.Get(kind_, name_).status()));
}

}  // namespace
}  // namespace xpu
