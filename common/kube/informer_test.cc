#include "common/kube/informer.h"

#include <functional>
#include <memory>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/kube/fake_store.h"
#include "common/kube/kube_errors.h"
#include "common/kube/metadata.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using Call = FakeStore::Call;
using ::testing::ElementsAre;

const ResourceKind kKind = {"xpu.opiproject.org", "v1alpha1", "Network", "networks"};

class InformerTest : public ::testing::Test {
 protected:
  InformerTest() : thread_([this] { loop_.Run(); }) {}
  ~InformerTest() override {
    loop_.PostAndWait([this] { informer_.reset(); });
    loop_.Stop();
    thread_.join();
  }

  void Start(absl::Duration delay = absl::Milliseconds(1), ListOptions selection = {}) {
    Informer::Options options;
    options.kind = kKind;
    options.selection = std::move(selection);
    options.index = index_;
    options.backoff.initial = delay;
    options.backoff.max = delay;
    Informer::Handler handler;
    handler.added = [this](const ResourceName& name, const Resource&) { Note("added " + name.name); };
    handler.updated = [this](const ResourceName& name, const Resource& before, const Resource& now) {
      Note(absl::StrCat("updated ", name.name, " ", before["spec"].value("mtu", 0), ">",
                        now["spec"].value("mtu", 0)));
    };
    handler.deleted = [this](const ResourceName& name, const Resource& last) {
      Note(absl::StrCat("deleted ", name.name, " ", last["spec"].value("mtu", 0)));
    };
    handler.synced = [this] { Note("synced"); };
    handler.relisted = relisted_;
    loop_.PostAndWait([&] {
      informer_ = std::make_unique<Informer>(loop_, store_, std::move(options), std::move(handler));
    });
  }

  void Note(std::string line) {
    EXPECT_TRUE(loop_.InLoop());
    absl::MutexLock lock(&mu_);
    notes_.push_back(std::move(line));
  }
  // What the handler was told once there are so many lines.
  std::vector<std::string> Notes(size_t count) {
    const auto enough = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return notes_.size() >= count; };
    absl::MutexLock lock(&mu_);
    mu_.AwaitWithTimeout(absl::Condition(&enough), absl::Seconds(20));
    return notes_;
  }

  Resource Put(const std::string& name, int mtu = 1) {
    Resource object = MakeResource(kKind, {"ns", name});
    object["spec"]["mtu"] = mtu;
    auto made = store_.Create(kKind, object);
    EXPECT_TRUE(made.ok()) << made.status();
    return *made;
  }
  void Change(const std::string& name, int mtu) {
    EXPECT_TRUE(store_.Patch(kKind, {"ns", name}, PatchType::kMerge, {{"spec", {{"mtu", mtu}}}}).ok());
  }

  FakeStore store_;
  EventLoop loop_;
  absl::Mutex mu_;
  std::vector<std::string> notes_ ABSL_GUARDED_BY(mu_);
  // Of the next informer.
  std::function<void()> relisted_;
  std::function<std::string(const Resource&)> index_;
  std::unique_ptr<Informer> informer_;
  std::thread thread_;
};

TEST_F(InformerTest, ListsFirstAndThenFollows) {
  Put("blue");
  Put("red");
  Start();
  EXPECT_THAT(Notes(3), ElementsAre("added blue", "added red", "synced"));
  EXPECT_TRUE(informer_->synced());
  Change("blue", 2);
  ASSERT_TRUE(store_.Delete(kKind, {"ns", "red"}).ok());
  Put("green");
  EXPECT_THAT(Notes(6), ElementsAre("added blue", "added red", "synced", "updated blue 1>2", "deleted red 1",
                                    "added green"));
  EXPECT_EQ(informer_->Get({"ns", "blue"}), *store_.Get(kKind, {"ns", "blue"}));
  EXPECT_EQ(informer_->Get({"ns", "red"}), std::nullopt);
  EXPECT_EQ(informer_->Names().size(), 2u);
  EXPECT_EQ(informer_->All().size(), 2u);
  EXPECT_EQ(store_.calls(Call::kList), 1);
  EXPECT_EQ(store_.calls(Call::kWatch), 1);
}

TEST_F(InformerTest, AnEmptyStoreIsSyncedToo) {
  Start();
  EXPECT_THAT(Notes(1), ElementsAre("synced"));
}

TEST_F(InformerTest, GoesOnFromTheLastVersionAfterTheServerWasAway) {
  Put("blue");
  Start();
  Notes(2);
  ASSERT_TRUE(store_.WaitForWatches(1));
  store_.GoAway();
  ASSERT_TRUE(store_.WaitForCalls(Call::kWatch, 4)) << "it keeps trying";
  EXPECT_TRUE(informer_->Get({"ns", "blue"}).has_value()) << "the copy stays";
  store_.ComeBack();
  Put("red");
  EXPECT_THAT(Notes(3), ElementsAre("added blue", "synced", "added red"));
  EXPECT_EQ(store_.calls(Call::kList), 1) << "nothing was forgotten, so there is nothing to list again";
}

TEST_F(InformerTest, AWatchThatTheServerClosesGoesOn) {
  Start();
  ASSERT_TRUE(store_.WaitForWatches(1));
  Put("blue");
  Notes(2);
  store_.EndWatches(absl::OkStatus());
  Put("red");
  EXPECT_THAT(Notes(3), ElementsAre("synced", "added blue", "added red"));
}

TEST_F(InformerTest, ListsAgainWhenItsVersionIsForgottenAndTellsTheDifference) {
  Put("as it was");
  Put("blue");
  Put("red");
  const std::string old_uid = UidOf(Put("green"));
  Start();
  Notes(5);
  ASSERT_TRUE(store_.WaitForWatches(1));
  // While the watch is away, everything happens.
  store_.SetFaultHook(
      [](Call call, const ResourceKind&, const ResourceName&) -> std::optional<FakeStore::Fault> {
        if (call == Call::kWatch) return FakeStore::Fault{absl::UnavailableError("down")};
        return std::nullopt;
      });
  store_.EndWatches(absl::UnavailableError("down"));
  ASSERT_TRUE(store_.WaitForCalls(Call::kWatch, 2));
  Change("blue", 2);
  ASSERT_TRUE(store_.Delete(kKind, {"ns", "red"}).ok());
  ASSERT_TRUE(store_.Delete(kKind, {"ns", "green"}).ok());
  ASSERT_NE(UidOf(Put("green", 5)), old_uid);
  store_.Compact();
  store_.SetFaultHook(nullptr);
  std::vector<std::string> notes = Notes(9);
  notes.erase(notes.begin(), notes.begin() + 5);
  EXPECT_THAT(notes, ElementsAre("updated blue 1>2", "deleted green 1", "added green", "deleted red 1"));
  EXPECT_EQ(store_.calls(Call::kList), 2);
}

TEST_F(InformerTest, ALaterListIsToldAlsoIfItShowsNothingNew) {
  relisted_ = [this] { Note("relisted"); };
  Put("blue");
  Start();
  ASSERT_TRUE(store_.WaitForWatches(1));
  store_.EndWatches(absl::OutOfRangeError("too old"));
  EXPECT_THAT(Notes(3), ElementsAre("added blue", "synced", "relisted"));
}

TEST_F(InformerTest, AFailedListIsTriedAgain) {
  Put("blue");
  store_.FailNext(Call::kList, {absl::UnavailableError("down")}, 3);
  Start();
  EXPECT_THAT(Notes(2), ElementsAre("added blue", "synced"));
  EXPECT_EQ(store_.calls(Call::kList), 4);
}

TEST_F(InformerTest, AServerThatWantsToBeLeftAloneIsLeftAloneForThatLong) {
  constexpr absl::Duration kAlone = absl::Milliseconds(300);
  store_.FailNext(Call::kList, {FromHttpError(429, "", "GET networks", kAlone)});
  const absl::Time begun = absl::Now();
  Start();
  EXPECT_THAT(Notes(1), ElementsAre("synced"));
  EXPECT_GE(absl::Now() - begun, kAlone) << "the informer's own delay is a millisecond";
}

TEST_F(InformerTest, ABookmarkMovesTheVersionOn) {
  Start();
  ASSERT_TRUE(store_.WaitForWatches(1));
  store_.Compact();
  store_.SendBookmarks();
  store_.EndWatches(absl::OkStatus());
  ASSERT_TRUE(store_.WaitForCalls(Call::kWatch, 2));
  Put("blue");
  EXPECT_THAT(Notes(2), ElementsAre("synced", "added blue"));
  EXPECT_EQ(store_.calls(Call::kList), 1);
}

TEST_F(InformerTest, SeesOnlyItsSelection) {
  Put("blue");
  Put("red");
  Start(absl::Milliseconds(1), {"", "metadata.name=red"});
  EXPECT_THAT(Notes(2), ElementsAre("added red", "synced"));
  Put("green");
  Change("red", 2);
  EXPECT_THAT(Notes(3), ElementsAre("added red", "synced", "updated red 1>2"));
}

TEST_F(InformerTest, FindsByItsIndexWhatThereIsNow) {
  const auto having = [this](const std::string& value) {
    std::vector<std::string> names;
    for (const Resource& object : informer_->Having(value)) names.push_back(NameOf(object).name);
    return names;
  };
  index_ = [](const Resource& object) { return absl::StrCat(object["spec"].value("mtu", 0)); };
  Put("blue", 1);
  Put("red", 1);
  Put("green", 2);
  Start();
  Notes(4);
  EXPECT_THAT(having("1"), ElementsAre("blue", "red"));
  EXPECT_THAT(having("2"), ElementsAre("green"));
  EXPECT_THAT(having("3"), ElementsAre());
  Change("red", 2);
  Change("green", 3);
  ASSERT_TRUE(store_.Delete(kKind, {"ns", "blue"}).ok());
  Notes(7);
  EXPECT_THAT(having("1"), ElementsAre());
  EXPECT_THAT(having("2"), ElementsAre("red"));
  EXPECT_THAT(having("3"), ElementsAre("green"));
  ASSERT_EQ(informer_->Having("2").size(), 1u);
  EXPECT_EQ(informer_->Having("2")[0], *store_.Get(kKind, {"ns", "red"}));
}

TEST_F(InformerTest, WithoutAnIndexNothingIsFoundByIt) {
  Put("blue");
  Start();
  Notes(2);
  EXPECT_THAT(informer_->Having(""), ElementsAre());
}

TEST_F(InformerTest, StopsWhileItWaitsForItsNextTry) {
  store_.GoAway();
  Start(absl::Hours(1));
  ASSERT_TRUE(store_.WaitForCalls(Call::kList, 1));
  loop_.PostAndWait([this] { informer_.reset(); });
  EXPECT_EQ(store_.calls(Call::kList), 1);
}

// More than may wait for the loop at a time.
TEST_F(InformerTest, ALoopThatIsBehindHoldsTheStoreBackAndMissesNothing) {
  Start();
  Notes(1);
  ASSERT_TRUE(store_.WaitForWatches(1));
  constexpr int kObjects = 600;
  loop_.PostAndWait([&] {
    for (int i = 0; i < kObjects; ++i) Put(absl::StrCat("n", i));
  });
  const std::vector<std::string> notes = Notes(kObjects + 1);
  ASSERT_EQ(notes.size(), kObjects + 1u);
  EXPECT_EQ(notes.back(), absl::StrCat("added n", kObjects - 1));
}

TEST_F(InformerTest, GoesAlsoWhileTheStoreIsHeldBack) {
  Start();
  Notes(1);
  ASSERT_TRUE(store_.WaitForWatches(1));
  loop_.PostAndWait([&] {
    for (int i = 0; i < 600; ++i) Put(absl::StrCat("n", i));
    informer_.reset();
  });
  EXPECT_EQ(store_.running_watches(), 0);
}

TEST_F(InformerTest, TheCopyIsWithoutWhoWroteWhat) {
  Resource object = MakeResource(kKind, {"ns", "blue"});
  object["metadata"]["managedFields"] = {{{"manager", "kubectl"}}};
  ASSERT_TRUE(store_.Create(kKind, object).ok());
  Start();
  Notes(2);
  EXPECT_FALSE((*informer_->Get({"ns", "blue"}))["metadata"].contains("managedFields"));
}

TEST_F(InformerTest, AHandlerMayEndTheInformer) {
  Put("blue");
  Put("red");
  Informer::Options options;
  options.kind = kKind;
  Informer::Handler handler;
  handler.added = [this](const ResourceName& name, const Resource&) {
    informer_.reset();
    Note("added " + name.name);
  };
  handler.synced = [this] { Note("synced"); };
  loop_.PostAndWait([&] { informer_ = std::make_unique<Informer>(loop_, store_, options, handler); });
  EXPECT_THAT(Notes(1), ElementsAre("added blue"));
  loop_.PostAndWait([] {});
  EXPECT_THAT(Notes(1), ElementsAre("added blue"));
}

}  // namespace
}  // namespace xpu
