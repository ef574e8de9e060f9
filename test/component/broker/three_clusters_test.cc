// The tenant's cluster, a broker API in the middle that both sides reach, and the infra cluster, each a real
// API server; broker processes between them, which are killed.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/event_loop.h"
#include "common/base/test_seed.h"
#include "common/kube/change_signal.h"
#include "common/kube/informer.h"
#include "common/kube/kube_client.h"
#include "common/kube/metadata.h"
#include "common/sys/process.h"
#include "control-plane/apiserver/test_api_server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

const ResourceKind kNetworks = {"xpu.opiproject.org", "v1alpha1", "Network", "networks"};
const ResourceKind kLeases = {"coordination.k8s.io", "v1", "Lease", "leases"};
const ResourceKind kNamespaces = {"", "v1", "Namespace", "namespaces"};

// One API server and what a person sees there.
struct Cluster {
  explicit Cluster(const std::vector<std::string>& namespaces)
      : client(KubeClient::Make({.server = server.endpoint()}).value()) {
    for (const std::string& ns : namespaces) {
      const absl::Status made = client->Create(kNamespaces, MakeResource(kNamespaces, {"", ns})).status();
      EXPECT_TRUE(made.ok() || absl::IsAlreadyExists(made)) << made;
    }
  }
  std::map<std::string, Resource> Networks(const std::string& ns) {
    std::map<std::string, Resource> networks;
    const ResourceList list = client->List(kNetworks, ns).value();
    for (const Resource& network : list.items) {
      networks[NameOf(network).name] = network;
    }
    return networks;
  }

  apiserver::TestApiServer server;
  std::unique_ptr<KubeClient> client;
};

class ThreeClustersTest : public ::testing::Test {
 protected:
  // The servers are in this process, and their clients drop connections.
  static void SetUpTestSuite() { signal(SIGPIPE, SIG_IGN); }

  ThreeClustersTest() : thread_([this] { loop_.Run(); }) {
    char folder[] = "/tmp/xpu-broker-XXXXXX";
    folder_ = mkdtemp(folder);
    Watch(tenant_, kNetworks);
    Watch(infra_, kNetworks);
    Watch(middle_, kLeases);
  }
  ~ThreeClustersTest() override {
    loop_.PostAndWait([this] { informers_.clear(); });
    loop_.Stop();
    thread_.join();
    std::filesystem::remove_all(folder_);
  }

  void Watch(Cluster& cluster, const ResourceKind& kind) {
    const auto changed = [this] { changed_.Notify(); };
    loop_.PostAndWait([&] {
      informers_.push_back(std::make_unique<Informer>(
          loop_, *cluster.client, Informer::Options{.kind = kind},
          Informer::Handler{
              .added = [=](const ResourceName&, const Resource&) { changed(); },
              .updated = [=](const ResourceName&, const Resource&, const Resource&) { changed(); },
              .deleted = [=](const ResourceName&, const Resource&) { changed(); }}));
    });
  }

  // Asks again whenever something has changed in a cluster.
  bool WaitUntil(const std::function<bool()>& done) { return changed_.WaitUntil(done); }

  // A broker process that copies Networks, with the Lease in its target if `lease` is not empty.
  Process Start(const std::string& origin, Cluster& source, const std::string& source_ns, Cluster& target,
                const std::string& target_ns, const std::string& lease = "", const std::string& health = "") {
    const std::string file = absl::StrCat(folder_, "/", origin, ".yaml");
    std::ofstream(file) << "origin: " << origin << "\nsource: {server: \"" << source.server.endpoint()
                        << "\"}\ntarget: {server: \"" << target.server.endpoint() << "\"}\n"
                        << (lease.empty() ? ""
                                          : absl::StrCat("lease: {cluster: target, namespace: ", target_ns,
                                                         ", name: ", lease, ", durationSeconds: 1}\n"))
                        << "policies: [{kinds: [Network], namespaces: [{source: " << source_ns
                        << ", target: " << target_ns << "}]}]\n";
    std::vector<std::string> argv = {XPU_BROKER, "--config", file};
    if (!health.empty()) argv.insert(argv.end(), {"--health", health});
    absl::StatusOr<Process> process =
        Process::Spawn({.argv = argv, .log_file = absl::StrCat(folder_, "/", origin, ".log")});
    EXPECT_TRUE(process.ok()) << process.status();
    return *std::move(process);
  }

  void Put(const std::string& name, int64_t mtu) {
    absl::StatusOr<Resource> network = tenant_.client->Get(kNetworks, {"default", name});
    if (network.ok()) {
      (*network)["metadata"].erase("resourceVersion");
      (*network)["spec"]["mtu"] = mtu;
      network = tenant_.client->Update(kNetworks, *network);
    }
    if (absl::IsNotFound(network.status())) {
      Resource fresh = MakeResource(kNetworks, {"default", name});
      fresh["spec"] = {{"vni", ++vni_}, {"prefixes", {"10.0.0.0/24"}}, {"mtu", mtu}};
      network = tenant_.client->Create(kNetworks, fresh);
    }
    EXPECT_TRUE(network.ok()) << network.status();
  }

  // The infra cluster has what the tenant wants and nothing else.
  bool IsSame() {
    const auto wanted = tenant_.Networks("default");
    const auto there = infra_.Networks("tenant-a");
    if (wanted.size() != there.size()) return false;
    for (const auto& [name, network] : wanted) {
      const auto copy = there.find(name);
      if (copy == there.end() || copy->second["spec"] != network["spec"] || IsBeingDeleted(network))
        return false;
    }
    return true;
  }

  Cluster tenant_{{"default"}};
  Cluster middle_{{"tenant-a"}};
  Cluster infra_{{"tenant-a"}};
  std::string folder_;
  EventLoop loop_;
  std::vector<std::unique_ptr<Informer>> informers_;
  ChangeSignal changed_;
  int64_t vni_ = 0;
  std::thread thread_;
};

TEST_F(ThreeClustersTest, ANetworkGoesThroughTheMiddleAndItsStatusComesBack) {
  const Process in = Start("tenant", tenant_, "default", middle_, "tenant-a");
  const Process out = Start("site", middle_, "tenant-a", infra_, "tenant-a");
  Put("blue", 1400);
  ASSERT_TRUE(WaitUntil([&] { return IsSame(); }));
  Resource copy = infra_.Networks("tenant-a")["blue"];
  SetCondition(&copy, {"Ready", "True", "Confirmed", "", GenerationOf(copy)}, absl::Now());
  ASSERT_TRUE(infra_.client->UpdateStatus(kNetworks, copy).ok());
  ASSERT_TRUE(WaitUntil([&] {
    const ConditionValue ready = GetCondition(tenant_.Networks("default")["blue"], "Ready");
    return ready.status == "True" && ready.observed_generation == 1;
  }));
  ASSERT_TRUE(tenant_.client->Delete(kNetworks, {"default", "blue"}).ok());
  ASSERT_TRUE(WaitUntil([&] { return tenant_.Networks("default").empty(); }));
  EXPECT_TRUE(middle_.Networks("").empty());
  EXPECT_TRUE(infra_.Networks("").empty());
}

TEST_F(ThreeClustersTest, BrokersAndServersThatDieLoseNothingAndLeaveNothing) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(absl::StrCat("XPU_TEST_SEED=", seed));
  std::mt19937 random(static_cast<uint32_t>(seed));
  const auto below = [&](uint32_t n) { return static_cast<int>(random() % n); };
  const auto start_in = [&] { return Start("tenant", tenant_, "default", middle_, "tenant-a"); };
  const auto start_out = [&] { return Start("site", middle_, "tenant-a", infra_, "tenant-a"); };
  Process in = start_in();
  Process out = start_out();
  for (int i = 0; i < 80; ++i) {
    const std::string name = absl::StrCat("net", below(6));
    if (below(3) == 0) {
      const absl::Status gone = tenant_.client->Delete(kNetworks, {"default", name});
      EXPECT_TRUE(gone.ok() || absl::IsNotFound(gone)) << gone;
    } else {
      const std::optional<Resource> there = [&]() -> std::optional<Resource> {
        auto networks = tenant_.Networks("default");
        return networks.contains(name) ? std::optional<Resource>(networks[name]) : std::nullopt;
      }();
      // One that is going can still be written; the writer then begins anew when it is gone.
      if (!there || !IsBeingDeleted(*there)) Put(name, 1280 + i);
    }
    switch (below(10)) {
      case 0:
        in = start_in();
        break;
      case 1:
        out = start_out();
        break;
      case 2:
        middle_.server.Restart();
        break;
      default:
        break;
    }
  }
  EXPECT_TRUE(WaitUntil([&] { return IsSame(); }));
  for (const auto& [name, network] : tenant_.Networks("default")) {
    ASSERT_TRUE(tenant_.client->Delete(kNetworks, {"default", name}).ok());
  }
  EXPECT_TRUE(WaitUntil([&] { return tenant_.Networks("").empty(); }));
  EXPECT_TRUE(middle_.Networks("").empty());
  EXPECT_TRUE(infra_.Networks("").empty());
}

TEST_F(ThreeClustersTest, ABrokerTakesOverFromOneThatWasKilled) {
  Process first = Start("tenant", tenant_, "default", middle_, "tenant-a", "xpu-broker");
  const auto holder = [&]() -> std::string {
    const absl::StatusOr<Resource> lease = middle_.client->Get(kLeases, {"tenant-a", "xpu-broker"});
    return lease.ok() ? (*lease)["spec"].value("holderIdentity", "") : "";
  };
  ASSERT_TRUE(WaitUntil([&] { return !holder().empty(); }));
  const std::string was = holder();
  const Process second = Start("tenant", tenant_, "default", middle_, "tenant-a", "xpu-broker");
  const Process out = Start("site", middle_, "tenant-a", infra_, "tenant-a");
  Put("blue", 1400);
  ASSERT_TRUE(WaitUntil([&] { return IsSame(); }));
  EXPECT_EQ(holder(), was);
  ASSERT_TRUE(first.Signal(SIGKILL).ok());
  Put("red", 1400);
  ASSERT_TRUE(WaitUntil([&] { return IsSame() && tenant_.Networks("default").size() == 2; }));
  EXPECT_NE(holder(), was);
}

TEST_F(ThreeClustersTest, AProbeIsToldThatABrokerCopies) {
  const std::string health = absl::StrCat("unix:", folder_, "/health");
  const auto probe = [&] {
    const auto end = RunToEnd({.argv = {XPU_BROKER, "--health", health, "--probe"}},
                              absl::Now() + absl::Seconds(30), size_t{1} << 16);
    EXPECT_TRUE(end.ok()) << end.status();
    return end.ok() ? *end : ProgramEnd();
  };
  EXPECT_EQ(probe().status.code, 1) << "there is nobody";
  const Process in = Start("tenant", tenant_, "default", middle_, "tenant-a", "xpu-broker", health);
  const Process out = Start("site", middle_, "tenant-a", infra_, "tenant-a");
  Put("blue", 1400);
  ASSERT_TRUE(WaitUntil([&] { return IsSame(); }));
  const ProgramEnd end = probe();
  EXPECT_EQ(end.status.code, 0) << end.errors;
  EXPECT_EQ(end.output, "copies\n");
}

}  // namespace
}  // namespace xpu
