#include "common/ctrl/leader_election.h"

#include <atomic>
#include <map>
#include <optional>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "common/kube/cut_store.h"
#include "common/kube/fake_store.h"
#include "common/kube/metadata.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

const ResourceKind kLeases = {"coordination.k8s.io", "v1", "Lease", "leases"};
const ResourceName kLease = {"xpu", "broker"};

// Processes that share one loop, so that what each of them does comes in one order.
class LeaderElectionTest : public ::testing::Test {
 protected:
  ~LeaderElectionTest() override { processes_.clear(); }

  void Start(const std::string& identity) {
    Process& process = processes_[identity];
    process.store = std::make_unique<CutStore>(store_);
    process.election =
        std::make_unique<LeaderElection>(loop_, *process.store,
                                         LeaderElection::Options{.lease = kLease,
                                                                 .identity = identity,
                                                                 .lease_duration = absl::Seconds(2),
                                                                 .renew_deadline = absl::Milliseconds(1500),
                                                                 .renew_period = absl::Milliseconds(100)},
                                         [this, identity](bool leading) {
                                           history_.push_back((leading ? "+" : "-") + identity);
                                           leaders_ += leading ? 1 : -1;
                                           EXPECT_TRUE(deleted_ || leaders_ <= 1);
                                           loop_.Stop();
                                         });
  }
  // Lets the loop run until `done`, which is looked at whenever somebody begins or ends to lead, or says
  // Wake().
  template <class F>
  void RunUntil(F done) {
    bool late = false;
    const EventLoop::Handle watchdog = loop_.After(absl::Seconds(30), [&] {
      late = true;
      loop_.Stop();
    });
    while (!done() && !late) loop_.Run();
    EXPECT_FALSE(late);
  }
  // Until so many processes have seen what there is.
  void RunUntilTheyWatch(int count) {
    store_.SetFaultHook([this](FakeStore::Call, const ResourceKind&, const ResourceName&) {
      Wake();
      return std::optional<FakeStore::Fault>();
    });
    RunUntil([&] { return store_.calls(FakeStore::Call::kWatch) >= count; });
    store_.SetFaultHook(nullptr);
  }
  // Has RunUntil look again; from any thread.
  void Wake() {
    loop_.Post([this] { loop_.Stop(); });
  }
  // Has RunUntil look again at each change of the Lease, as long as what is returned is there.
  std::unique_ptr<ResourceStore::Watcher> WakeAtChanges() {
    const std::string now = store_.List(kLeases, kLease.ns).value().resource_version;
    return store_.Watch(kLeases, kLease.ns, now, {}, {[this](const WatchEvent&) { Wake(); }, {}}).value();
  }
  std::string Leader() const {
    for (const auto& [identity, process] : processes_) {
      if (process.election->leading()) return identity;
    }
    return "";
  }
  std::string Holder() { return store_.Get(kLeases, kLease).value()["spec"]["holderIdentity"]; }

  struct Process {
    std::unique_ptr<CutStore> store;
    std::unique_ptr<LeaderElection> election;
  };
  FakeStore store_;
  EventLoop loop_;
  std::map<std::string, Process> processes_;
  std::vector<std::string> history_;
  int leaders_ = 0;
  // Somebody has deleted the Lease: another may begin before the leader hears of it.
  bool deleted_ = false;
};

TEST_F(LeaderElectionTest, OneLeadsAndWhenItGoesAnotherDoes) {
  for (const char* identity : {"a", "b", "c"}) Start(identity);
  RunUntil([&] { return !Leader().empty(); });
  const std::string first = Leader();
  EXPECT_EQ(Holder(), first);
  --leaders_;
  processes_.erase(first);
  RunUntil([&] { return !Leader().empty(); });
  EXPECT_NE(Leader(), first);
  EXPECT_EQ(Holder(), Leader());
  const Resource lease = store_.Get(kLeases, kLease).value();
  EXPECT_EQ(lease["spec"]["leaseDurationSeconds"], 2);
}

TEST_F(LeaderElectionTest, ALeaderThatIsCutOffStopsBeforeAnotherBegins) {
  Start("a");
  RunUntil([&] { return Leader() == "a"; });
  Start("b");
  processes_["a"].store->Cut();
  RunUntil([&] { return Leader() == "b"; });
  EXPECT_THAT(history_, testing::ElementsAre("+a", "-a", "+b"));
  EXPECT_EQ(store_.Get(kLeases, kLease).value()["spec"]["leaseTransitions"], 1);
  // Back again, it stands in line.
  processes_["a"].store->Mend();
  --leaders_;
  processes_.erase("b");
  RunUntil([&] { return Leader() == "a"; });
}

TEST_F(LeaderElectionTest, AStoreThatIsAwayStopsEverybodyAndLetsOneGoOn) {
  Start("a");
  RunUntil([&] { return Leader() == "a"; });
  store_.GoAway();
  RunUntil([&] { return Leader().empty(); });
  store_.ComeBack();
  RunUntil([&] { return Leader() == "a"; });
}

TEST_F(LeaderElectionTest, ALeaseThatSomebodyDeletesOrTakesIsNoLongerHeld) {
  Start("a");
  RunUntil([&] { return Leader() == "a"; });
  Resource lease = store_.Get(kLeases, kLease).value();
  lease.erase("metadata");
  lease["metadata"] = {{"name", kLease.name}, {"namespace", kLease.ns}};
  lease["spec"]["holderIdentity"] = "a person";
  ASSERT_TRUE(store_.Update(kLeases, lease).ok());
  RunUntil([&] { return Leader().empty(); });
  // Nobody renews it.
  RunUntil([&] { return Leader() == "a"; });
  deleted_ = true;
  const auto watcher = WakeAtChanges();
  ASSERT_TRUE(store_.Delete(kLeases, kLease).ok());
  Start("b");
  RunUntil([&] { return store_.Get(kLeases, kLease).ok() && Holder() == Leader(); });
}

TEST_F(LeaderElectionTest, TheLeaderOfADeletedLeaseGoesOn) {
  Start("a");
  RunUntil([&] { return Leader() == "a"; });
  Start("b");
  RunUntilTheyWatch(2);
  const auto watcher = WakeAtChanges();
  for (int i = 0; i < 20; ++i) {
    const std::string uid = UidOf(store_.Get(kLeases, kLease).value());
    ASSERT_TRUE(store_.Delete(kLeases, kLease).ok());
    RunUntil([&] {
      const absl::StatusOr<Resource> lease = store_.Get(kLeases, kLease);
      return lease.ok() && UidOf(*lease) != uid;
    });
    EXPECT_EQ(Holder(), "a");
  }
  EXPECT_THAT(history_, testing::ElementsAre("+a"));
}

TEST_F(LeaderElectionTest, ADeletedLeaseOfALeaderThatIsGoneIsTakenInTheEnd) {
  Start("a");
  RunUntil([&] { return Leader() == "a"; });
  Start("b");
  RunUntilTheyWatch(2);
  processes_["a"].store->Cut();
  ASSERT_TRUE(store_.Delete(kLeases, kLease).ok());
  RunUntil([&] { return Leader() == "b"; });
  EXPECT_THAT(history_, testing::ElementsAre("+a", "-a", "+b")) << "never two at a time";
}

TEST_F(LeaderElectionTest, WhatOthersWroteIntoTheLeaseIsKept) {
  Resource lease = MakeResource(kLeases, kLease);
  lease["metadata"]["labels"] = {{"team", "net"}};
  lease["spec"] = "nonsense";
  ASSERT_TRUE(store_.Create(kLeases, lease).ok());
  Start("a");
  RunUntil([&] { return Leader() == "a"; });
  EXPECT_EQ(store_.Get(kLeases, kLease).value()["metadata"]["labels"]["team"], "net");
}

}  // namespace
}  // namespace xpu
