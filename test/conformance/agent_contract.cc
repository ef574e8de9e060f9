// What agents rely on beside the plain calls: validation, Leases, Events, lists in pages, informers.

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/base/event_loop.h"
#include "common/ctrl/event_recorder.h"
#include "common/ctrl/leader_election.h"
#include "common/kube/informer.h"
#include "common/kube/metadata.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/conformance/foreign_server.h"

namespace xpu::testing {
namespace {

using ::testing::HasSubstr;

const ResourceKind kNetworks = {"xpu.opiproject.org", "v1alpha1", "Network", "networks"};
const ResourceKind kNetdevs = {"xpu.opiproject.org", "v1alpha1", "Netdev", "netdevs"};
const ResourceKind kLeases = {"coordination.k8s.io", "v1", "Lease", "leases"};
const ResourceKind kEvents = {"", "v1", "Event", "events"};
constexpr absl::Duration kPatience = absl::Seconds(60);

class AgentContract : public ::testing::Test {
 protected:
  AgentContract() : thread_([this] { loop_.Run(); }) {}
  ~AgentContract() override {
    loop_.Stop();
    thread_.join();
    const absl::Status cleared = ForeignServer::Get().Clear();
    EXPECT_TRUE(cleared.ok()) << cleared;
  }

  KubeClient& client() { return ForeignServer::Get().client(); }
  static Resource Network(const std::string& name, int vni) {
    Resource object = MakeResource(kNetworks, {"default", name});
    object["spec"] = {{"vni", vni}, {"prefixes", {"10.0.0.0/24"}}};
    return object;
  }
  static Resource Netdev(const std::string& name) {
    Resource object = MakeResource(kNetdevs, {"default", name});
    object["spec"] = {{"host", "node-1"},
                      {"function", "0000:03:00.2"},
                      {"card", "card0"},
                      {"port", "host0-0"},
                      {"claim", 1}};
    return object;
  }
  // Waits for what other threads note.
  template <class F>
  bool Await(F done) {
    absl::MutexLock lock(&mu_);
    return mu_.AwaitWithTimeout(absl::Condition(&done), kPatience);
  }
  void Note(const std::string& what) {
    absl::MutexLock lock(&mu_);
    notes_.push_back(what);
  }
  size_t CountLocked(const std::string& what) const {
    return static_cast<size_t>(std::count(notes_.begin(), notes_.end(), what));
  }

  EventLoop loop_;
  std::thread thread_;
  absl::Mutex mu_;
  std::vector<std::string> notes_;
};

TEST_F(AgentContract, WhatTheKindForbidsIsInvalidAndNamed) {
  Resource network = Network("blue", 1);
  network["spec"]["prefixes"] = {"10.0.0.0/24", "nonsense"};
  const absl::Status refused = client().Create(kNetworks, network).status();
  EXPECT_TRUE(absl::IsInvalidArgument(refused)) << refused;
  // Kubernetes 1.20 does not say which of them.
  EXPECT_THAT(refused.message(), HasSubstr("spec.prefixes"));
  network = Network("blue", -1);
  EXPECT_THAT(client().Create(kNetworks, network).status().message(), HasSubstr("spec.vni"));
}

TEST_F(AgentContract, FieldsThatMayNotChangeDoNot) {
  auto netdev = client().Create(kNetdevs, Netdev("n"));
  ASSERT_TRUE(netdev.ok()) << netdev.status();
  (*netdev)["spec"]["claim"] = 2;
  netdev = client().Update(kNetdevs, *netdev);
  ASSERT_TRUE(netdev.ok()) << netdev.status();
  (*netdev)["spec"]["card"] = "card1";
  const absl::Status refused = client().Update(kNetdevs, *netdev).status();
  EXPECT_TRUE(absl::IsInvalidArgument(refused) || absl::IsPermissionDenied(refused))
      << refused << "; before Kubernetes 1.25, which has no rules in CEL, this takes xpu-webhook";
  EXPECT_THAT(refused.message(), HasSubstr("spec"));
}

TEST_F(AgentContract, NothingIsMadeInANamespaceThatIsNotThere) {
  Resource network = Network("blue", 1);
  network["metadata"]["namespace"] = "no-such-namespace";
  EXPECT_TRUE(absl::IsNotFound(client().Create(kNetworks, network).status()));
}

TEST_F(AgentContract, PagesOfAListAreOneList) {
  for (int i = 0; i < 7; ++i)
    ASSERT_TRUE(client().Create(kNetworks, Network(absl::StrCat("n", i), i + 1)).ok());
  const std::string path = "/apis/xpu.opiproject.org/v1alpha1/namespaces/default/networks?limit=3";
  std::vector<std::string> names;
  std::set<std::string> versions;
  std::string next;
  do {
    const auto page = client().GetPath(next.empty() ? path : absl::StrCat(path, "&continue=", next));
    ASSERT_TRUE(page.ok()) << page.status();
    ASSERT_LE((*page)["items"].size(), 3u);
    for (const Resource& item : (*page)["items"]) names.push_back(NameOf(item).name);
    versions.insert(VersionOf(*page));
    next = (*page)["metadata"].value("continue", "");
    // Somebody writes between the pages.
    if (names.size() == 3) {
      ASSERT_TRUE(client().Create(kNetworks, Network("m", 99)).ok());
    }
  } while (!next.empty());
  EXPECT_THAT(names, ::testing::ElementsAre("n0", "n1", "n2", "n3", "n4", "n5", "n6"));
  EXPECT_EQ(versions.size(), 1u) << "a watch from there misses nothing";
}

TEST_F(AgentContract, AnInformerFollowsWhatOthersDo) {
  ASSERT_TRUE(client().Create(kNetworks, Network("before", 1)).ok());
  const auto other = ForeignServer::Get().Connect();
  ASSERT_TRUE(other.ok()) << other.status();
  std::unique_ptr<Informer> informer;
  loop_.PostAndWait([&] {
    informer = std::make_unique<Informer>(
        loop_, **other, Informer::Options{.kind = kNetworks},
        Informer::Handler{
            .added = [this](const ResourceName& n, const Resource&) { Note("added " + n.name); },
            .updated = [this](const ResourceName& n, const Resource&,
                              const Resource&) { Note("updated " + n.name); },
            .deleted = [this](const ResourceName& n, const Resource&) { Note("deleted " + n.name); },
            .synced = [this] { Note("synced"); }});
  });
  ASSERT_TRUE(Await([&] { return CountLocked("synced") == 1; }));
  auto made = client().Create(kNetworks, Network("blue", 2));
  ASSERT_TRUE(made.ok()) << made.status();
  (*made)["spec"]["mtu"] = 1400;
  ASSERT_TRUE(client().Update(kNetworks, *made).ok());
  ASSERT_TRUE(client().Delete(kNetworks, {"default", "blue"}).ok());
  ASSERT_TRUE(Await([&] { return CountLocked("deleted blue") == 1; }));
  loop_.PostAndWait([&] { informer.reset(); });
  absl::MutexLock lock(&mu_);
  EXPECT_THAT(notes_,
              ::testing::ElementsAre("added before", "synced", "added blue", "updated blue", "deleted blue"));
}

TEST_F(AgentContract, OfTwoThatWantALeaseOneLeadsAndThenTheOther) {
  const ResourceName lease = {"default", "xpu-conformance"};
  (void)client().Delete(kLeases, lease);
  const auto other = ForeignServer::Get().Connect();
  ASSERT_TRUE(other.ok()) << other.status();
  std::unique_ptr<LeaderElection> first, second;
  const auto start = [&](const std::string& identity, ResourceStore& store) {
    return std::make_unique<LeaderElection>(
        loop_, store, LeaderElection::Options{.lease = lease, .identity = identity},
        [this, identity](bool leads) { Note((leads ? "+" : "-") + identity); });
  };
  loop_.PostAndWait([&] { first = start("first", client()); });
  ASSERT_TRUE(Await([&] { return CountLocked("+first") == 1; }));
  loop_.PostAndWait([&] { second = start("second", **other); });
  // Gives the Lease back, so that nobody waits for it to expire.
  loop_.PostAndWait([&] { first.reset(); });
  EXPECT_TRUE(Await([&] { return CountLocked("+second") == 1; }));
  EXPECT_EQ(client().Get(kLeases, lease).value()["spec"]["holderIdentity"], "second");
  loop_.PostAndWait([&] { second.reset(); });
  EXPECT_TRUE(client().Delete(kLeases, lease).ok());
}

TEST_F(AgentContract, WhatIsSaidTwiceIsOneEventThatCounts) {
  const auto network = client().Create(kNetworks, Network("blue", 1));
  ASSERT_TRUE(network.ok()) << network.status();
  ResourceName event;
  const auto version = client().List(kEvents, "default", {}).value().resource_version;
  const auto watcher =
      client().Watch(kEvents, "default", version, {},
                     {[&](const WatchEvent& seen) {
                        if (seen.object.value("reason", "") != "Conformance") return;
                        absl::MutexLock lock(&mu_);
                        event = NameOf(seen.object);
                        notes_.push_back(absl::StrCat("count ", seen.object.value("count", 0)));
                      },
                      {}});
  ASSERT_TRUE(watcher.ok()) << watcher.status();
  {
    EventRecorder recorder({.component = "xpu-conformance", .host = "here"}, client());
    recorder.Record(*network, EventRecorder::Type::kNormal, "Conformance", "the same thing");
    ASSERT_TRUE(Await([&] { return CountLocked("count 1") == 1; }));
    recorder.Record(*network, EventRecorder::Type::kNormal, "Conformance", "the same thing");
    EXPECT_TRUE(Await([&] { return CountLocked("count 2") == 1; }));
  }
  EXPECT_TRUE(client().Delete(kEvents, event).ok());
}

}  // namespace
}  // namespace xpu::testing
