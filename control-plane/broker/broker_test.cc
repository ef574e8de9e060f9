#include "control-plane/broker/broker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "absl/synchronization/notification.h"
#include "common/kube/metadata.h"
#include "control-plane/broker/two_clusters_testing.h"

namespace xpu::broker {
namespace {

using ::testing::HasSubstr;

class BrokerTest : public ::testing::Test {
 protected:
  std::optional<Resource> Source(const std::string& name = "blue") {
    return clusters_.Find(clusters_.tenant, "default", name);
  }
  std::optional<Resource> Copy(const std::string& name = "blue") {
    return clusters_.Find(clusters_.infra, "a", name);
  }
  bool HasCopy(int64_t vni, const std::string& name = "blue") {
    const std::optional<Resource> copy = Copy(name);
    return copy.has_value() && (*copy)["spec"]["vni"] == vni;
  }
  void Delete(FakeStore& store, const std::string& ns, const std::string& name = "blue") {
    EXPECT_TRUE(store.Delete(kNetworks, {ns, name}).ok());
  }

  TwoClusters clusters_;
};

TEST_F(BrokerTest, ASpecGoesForthAStatusComesBackAndBothGoTogether) {
  RunningBroker broker(clusters_, TwoClusters::Options());
  clusters_.Write(clusters_.tenant, "default", "blue", 5);
  ASSERT_TRUE(clusters_.WaitUntil([&] { return HasCopy(5); }));
  Resource copy = *Copy();
  copy["status"] = {{"conditions", {{{"type", "Ready"}, {"status", "True"}, {"observedGeneration", 1}}}}};
  ASSERT_TRUE(clusters_.infra.UpdateStatus(kNetworks, copy).ok());
  ASSERT_TRUE(clusters_.WaitUntil([&] { return GetCondition(*Source(), "Ready").status == "True"; }));

  clusters_.Write(clusters_.tenant, "default", "blue", 6);
  ASSERT_TRUE(clusters_.WaitUntil([&] { return HasCopy(6); }));
  Delete(clusters_.tenant, "default");
  ASSERT_TRUE(clusters_.WaitUntil([&] { return !Source(); }));
  EXPECT_FALSE(Copy());
}

TEST_F(BrokerTest, ASourceStaysUntilTheTargetsAgentsLetItsCopyGo) {
  RunningBroker broker(clusters_, TwoClusters::Options());
  clusters_.Write(clusters_.tenant, "default", "blue", 5);
  ASSERT_TRUE(clusters_.WaitUntil([&] { return HasCopy(5); }));
  Resource copy = *Copy();
  AddFinalizer(&copy, "infra/agent");
  ASSERT_TRUE(clusters_.infra.Update(kNetworks, copy).ok());
  Delete(clusters_.tenant, "default");
  ASSERT_TRUE(clusters_.WaitUntil([&] { return IsBeingDeleted(*Copy()); }));
  EXPECT_TRUE(Source());
  copy = *Copy();
  RemoveFinalizer(&copy, "infra/agent");
  ASSERT_TRUE(clusters_.infra.Update(kNetworks, copy).ok());
  ASSERT_TRUE(clusters_.WaitUntil([&] { return !Source(); }));
}

TEST_F(BrokerTest, WhatHappensWhileTheBrokerIsAwayIsMadeUpFor) {
  {
    RunningBroker broker(clusters_, TwoClusters::Options());
    for (const char* name : {"gone", "torn", "again", "changed"}) {
      clusters_.Write(clusters_.tenant, "default", name, 5);
      ASSERT_TRUE(clusters_.WaitUntil([&] { return HasCopy(5, name); }));
    }
  }
  Delete(clusters_.tenant, "default", "gone");
  // A person who takes finalizers away by hand.
  clusters_.tenant.Erase(kNetworks, {"default", "torn"});
  clusters_.tenant.Erase(kNetworks, {"default", "again"});
  clusters_.Write(clusters_.tenant, "default", "again", 5);
  clusters_.Write(clusters_.tenant, "default", "changed", 7);
  clusters_.tenant.Compact();
  clusters_.infra.Compact();
  const std::string uid = UidOf(*Source("again"));
  ASSERT_NE(MarksOf(*Copy("again")).uid, uid);

  RunningBroker broker(clusters_, TwoClusters::Options());
  ASSERT_TRUE(clusters_.WaitUntil([&] {
    const auto again = Copy("again");
    return !Source("gone") && !Copy("gone") && !Copy("torn") && HasCopy(7, "changed") && again.has_value() &&
           MarksOf(*again).uid == uid;
  }));
}

TEST_F(BrokerTest, OnlyWhatPolicyNamesIsCopied) {
  BrokerOptions options = TwoClusters::Options();
  options.config.syncs[0].label_selector = "share=yes";
  RunningBroker broker(clusters_, options);
  clusters_.Write(clusters_.tenant, "default", "secret", 1);
  clusters_.Write(clusters_.tenant, "other", "blue", 2);
  Resource blue = clusters_.Write(clusters_.tenant, "default", "blue", 5);
  blue["metadata"]["labels"] = {{"share", "yes"}};
  ASSERT_TRUE(clusters_.tenant.Update(kNetworks, blue).ok());
  ASSERT_TRUE(clusters_.WaitUntil([&] { return HasCopy(5); }));

  // Not named any more: the copy goes, the source is let go.
  blue = *Source();
  blue["metadata"]["labels"] = Resource::object();
  ASSERT_TRUE(clusters_.tenant.Update(kNetworks, blue).ok());
  ASSERT_TRUE(clusters_.WaitUntil(
      [&] { return !Copy() && !HasFinalizer(*Source(), "xpu.opiproject.org/broker-tenant-a"); }));
  EXPECT_EQ(clusters_.infra.List(kNetworks, "")->items.size(), 0u);
  EXPECT_FALSE(HasFinalizer(*Source("secret"), "xpu.opiproject.org/broker-tenant-a"));
}

TEST_F(BrokerTest, ADrainedNamespaceKeepsNothing) {
  {
    RunningBroker broker(clusters_, TwoClusters::Options());
    clusters_.Write(clusters_.tenant, "default", "blue", 5);
    ASSERT_TRUE(clusters_.WaitUntil([&] { return HasCopy(5); }));
  }
  BrokerOptions options = TwoClusters::Options();
  options.config.syncs[0].namespaces[0].drain = true;
  RunningBroker broker(clusters_, options);
  ASSERT_TRUE(clusters_.WaitUntil(
      [&] { return !Copy() && !HasFinalizer(*Source(), "xpu.opiproject.org/broker-tenant-a"); }));
}

TEST_F(BrokerTest, AnObjectOfSomebodyElseIsLeftAloneAndTheOwnerIsTold) {
  clusters_.Write(clusters_.infra, "a", "blue", 99);
  clusters_.Write(clusters_.tenant, "default", "blue", 5);
  RunningBroker broker(clusters_, TwoClusters::Options());
  const ResourceKind events = {"", "v1", "Event", "events"};
  ASSERT_TRUE(clusters_.WaitUntil([&] { return !clusters_.tenant.List(events, "")->items.empty(); }));
  const Resource event = clusters_.tenant.List(events, "")->items[0];
  EXPECT_EQ(event["reason"], "NotCopied");
  EXPECT_THAT(event["message"].get<std::string>(), HasSubstr("another Network a/blue, which is no copy"));
  EXPECT_EQ((*Copy())["spec"]["vni"], 99);
  Delete(clusters_.infra, "a");
  ASSERT_TRUE(clusters_.WaitUntil([&] { return HasCopy(5); }));
}

TEST_F(BrokerTest, TwoTenantsWithTheSameNamesDoNotMeet) {
  TwoClusters other;
  BrokerOptions options = TwoClusters::Options();
  options.config.origin.name = options.config.syncs[0].origin.name = "tenant-b";
  // By mistake both go into one namespace: who came first has the name.
  clusters_.Write(clusters_.tenant, "default", "blue", 5);
  clusters_.Write(other.tenant, "default", "blue", 6);
  clusters_.Write(other.tenant, "default", "red", 7);
  auto first = std::make_unique<RunningBroker>(clusters_, TwoClusters::Options());
  ASSERT_TRUE(clusters_.WaitUntil([&] { return HasCopy(5); }));
  CutStore shared(clusters_.infra);
  EventLoop loop;
  std::thread second([&] {
    EXPECT_TRUE(RunBroker(options, {.loop = loop, .source = other.to_tenant, .target = shared}).ok());
  });
  const ResourceKind events = {"", "v1", "Event", "events"};
  EXPECT_TRUE(other.WaitUntil([&] { return !other.tenant.List(events, "")->items.empty(); }));
  EXPECT_TRUE(HasCopy(5));
  EXPECT_EQ(MarksOf(*Copy()).origin, "tenant-a");
  // It goes with its own tenant only.
  Delete(clusters_.tenant, "default");
  EXPECT_TRUE(clusters_.WaitUntil([&] { return !Source(); }));
  EXPECT_FALSE(Source("red"));
  loop.Stop();
  second.join();
}

TEST_F(BrokerTest, OfTwoBrokersTheOneWithTheLeaseWorks) {
  BrokerOptions options = TwoClusters::Options();
  options.config.lease =
      LeasePlace{.in_source = false, .name = {"a", "xpu-broker"}, .duration = absl::Seconds(2)};
  std::atomic<int> working = 0;
  const auto changed = [&](bool copies) {
    working += copies ? 1 : -1;
    EXPECT_LE(working, 1);
  };
  auto first = std::make_unique<RunningBroker>(clusters_, options, changed);
  clusters_.Write(clusters_.tenant, "default", "blue", 5);
  ASSERT_TRUE(clusters_.WaitUntil([&] { return HasCopy(5); }));
  options.identity = "broker-2";
  RunningBroker second(clusters_, options, changed);
  clusters_.Write(clusters_.tenant, "default", "blue", 6);
  ASSERT_TRUE(clusters_.WaitUntil([&] { return HasCopy(6); }));
  first.reset();
  clusters_.Write(clusters_.tenant, "default", "blue", 7);
  ASSERT_TRUE(clusters_.WaitUntil([&] { return HasCopy(7); }));
}

// A partition in the middle of a write: what the old leader has sent comes when another has finished with the
// object.
class BrokerFencingTest : public BrokerTest {
 protected:
  BrokerFencingTest() {
    clusters_.ListenTo(second_to_tenant_);
    clusters_.ListenTo(second_to_infra_);
    options_.config.lease =
        LeasePlace{.in_source = true, .name = {"default", "xpu-broker"}, .duration = absl::Milliseconds(300)};
  }

  // The first write of that sort to a Network of the infra cluster stays on its way until LetGo().
  void HoldUp(FakeStore::Call call) {
    clusters_.infra.SetFaultHook(
        [this, call](FakeStore::Call seen, const ResourceKind& kind, const ResourceName&) {
          if (seen == call && kind == kNetworks && !held_up_.exchange(true)) {
            on_its_way_.Notify();
            arrive_.WaitForNotification();
          }
          return std::optional<FakeStore::Fault>();
        });
  }
  // The first broker hears of the tenant's cluster, where the Lease is, no more, and the second leads.
  void FailOver() {
    ASSERT_TRUE(on_its_way_.WaitForNotificationWithTimeout(absl::Seconds(30)));
    clusters_.to_tenant.Cut();
    BrokerOptions options = options_;
    options.identity = "broker-2";
    second_ =
        std::make_unique<RunningBroker>(second_to_tenant_, second_to_infra_, options, [this](bool copies) {
          if (copies) leads_.Notify();
        });
    ASSERT_TRUE(leads_.WaitForNotificationWithTimeout(absl::Seconds(30)));
  }

  BrokerOptions options_ = TwoClusters::Options();
  CutStore second_to_tenant_{clusters_.tenant};
  CutStore second_to_infra_{clusters_.infra};
  std::atomic<bool> held_up_ = false;
  absl::Notification on_its_way_, arrive_, leads_;
  std::unique_ptr<RunningBroker> second_;
};

TEST_F(BrokerFencingTest, ACopyThatIsMadeTooLateGoesAgain) {
  HoldUp(FakeStore::Call::kCreate);
  RunningBroker first(clusters_, options_);
  clusters_.Write(clusters_.tenant, "default", "blue", 5);
  FailOver();
  Delete(clusters_.tenant, "default");
  EXPECT_TRUE(clusters_.WaitUntil([&] { return !Source(); }));
  const int deletions = clusters_.infra.calls(FakeStore::Call::kDelete);
  arrive_.Notify();
  EXPECT_TRUE(clusters_.infra.WaitForCalls(FakeStore::Call::kDelete, deletions + 1)) << "it was made";
  EXPECT_TRUE(clusters_.WaitUntil([&] { return !Copy(); }));
  EXPECT_FALSE(Source());
}

TEST_F(BrokerFencingTest, AnOlderSpecificationDoesNotReplaceANewerOne) {
  HoldUp(FakeStore::Call::kUpdate);
  auto first = std::make_unique<RunningBroker>(clusters_, options_);
  clusters_.Write(clusters_.tenant, "default", "blue", 5);
  EXPECT_TRUE(clusters_.WaitUntil([&] { return HasCopy(5); }));
  clusters_.Write(clusters_.tenant, "default", "blue", 6);
  FailOver();
  clusters_.Write(clusters_.tenant, "default", "blue", 7);
  EXPECT_TRUE(clusters_.WaitUntil([&] { return HasCopy(7); }));
  arrive_.Notify();
  // It is over when its broker is.
  first.reset();
  EXPECT_TRUE(HasCopy(7));
}

}  // namespace
}  // namespace xpu::broker
