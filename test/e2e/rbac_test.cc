// Roles against what the processes really ask: a sandbox with three API servers, every agent and broker
// talking to them through a recorder, the demo, and what the demo leaves out. A role has all that was asked
// and nothing else.

#include <csignal>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "common/api/api.h"
#include "common/kube/change_signal.h"
#include "common/kube/metadata.h"
#include "common/sys/files.h"
#include "control-plane/sandbox/sandbox.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/e2e/demo.h"
#include "test/e2e/request_recorder.h"
#include "test/lib/pair/pair.h"

namespace xpu::testing {
namespace {

const ResourceKind kNetworks = {"xpu.opiproject.org", "v1alpha1", "Network", "networks"};
const ResourceKind kChains = {"xpu.opiproject.org", "v1alpha1", "ServiceChain", "servicechains"};
const ResourceKind kNetdevs = {"xpu.opiproject.org", "v1alpha1", "Netdev", "netdevs"};
const ResourceKind kCards = {"xpu.opiproject.org", "v1alpha1", "Card", "cards"};
const ResourceKind kBlocks = {"xpu.opiproject.org", "v1alpha1", "AddressBlock", "addressblocks"};
const ResourceKind kLeases = {"coordination.k8s.io", "v1", "Lease", "leases"};
const ResourceKind kServices = {"", "v1", "Service", "services"};
const ResourceKind kEvents = {"", "v1", "Event", "events"};
const ResourceKind kSlices = {"discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"};
const ResourceKind kPolicies = {"networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"};

// What the roles in a file of packaging/k8s allow.
std::set<ApiRequest> Allowed(const std::string& file) {
  const std::string path = absl::StrCat(XPU_SOURCE_DIR, "/packaging/k8s/", file);
  const auto documents = api::YamlToJson(ReadFile(path).value(), path);
  EXPECT_TRUE(documents.ok()) << documents.status();
  std::set<ApiRequest> allowed;
  for (const api::YamlDocument& document : *documents) {
    const std::string kind = document.value.value("kind", "");
    if (kind != "Role" && kind != "ClusterRole") continue;
    for (const auto& rule : document.value["rules"]) {
      for (const std::string group : rule["apiGroups"]) {
        for (const std::string resource : rule["resources"]) {
          for (const std::string verb : rule["verbs"]) allowed.insert({verb, group, resource});
        }
      }
    }
  }
  EXPECT_FALSE(allowed.empty()) << path;
  return allowed;
}

// What is on one side only, in words.
std::vector<std::string> Without(const std::set<ApiRequest>& all, const std::set<ApiRequest>& some) {
  std::vector<std::string> rest;
  for (const ApiRequest& request : all) {
    if (!some.contains(request)) rest.push_back(request.ToString());
  }
  return rest;
}

void ExpectSame(const std::set<ApiRequest>& asked, const std::set<ApiRequest>& allowed) {
  EXPECT_THAT(Without(asked, allowed), ::testing::IsEmpty()) << "is asked, and no role allows it";
  EXPECT_THAT(Without(allowed, asked), ::testing::IsEmpty()) << "is allowed, and nobody asks it";
}

class RbacTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto sandbox = Sandbox::Up({.name = "rbac", .clusters = 3, .dir = dir_, .bin_dir = XPU_BIN_DIR});
    ASSERT_TRUE(sandbox.ok()) << sandbox.status();
    sandbox_ = std::make_unique<Sandbox>(*std::move(sandbox));
    auto pair = Pair::Connect(*sandbox_);
    ASSERT_TRUE(pair.ok()) << pair.status();
    pair_ = *std::move(pair);
    const std::vector<std::string> programs = {"xpu-broker-tenant", "xpu-broker-broker", "xpu-agent-0",
                                               "xpu-host-agent"};
    for (const std::string& program : programs) ASSERT_TRUE(sandbox_->Kill(program, SIGTERM).ok());
    // What is there need not be made.
    ASSERT_TRUE(store("infra").Delete(kCards, {"", "card0"}).ok());
    ASSERT_TRUE(store("infra").Delete(kLeases, {"default", "xpu-broker"}).ok());
    for (const std::string& cluster : sandbox_->options().ClusterNames()) {
      const std::string address = sandbox_->layout().api_server(cluster);
      auto recorder = RequestRecorder::Interpose(std::string(absl::StripPrefix(address, "unix:")));
      ASSERT_TRUE(recorder.ok()) << recorder.status();
      recorders_[cluster] = *std::move(recorder);
    }
    for (const std::string& program : programs) {
      const absl::Status started = sandbox_->Start(program);
      ASSERT_TRUE(started.ok()) << started;
    }
  }
  void TearDown() override {
    pair_.reset();
    recorders_.clear();
    EXPECT_TRUE(Sandbox::Down(dir_).ok());
  }

  ResourceStore& store(const std::string& cluster) { return pair_->store(cluster); }

  // Waits for a state of a kind in a cluster.
  void Await(const std::string& cluster, const ResourceKind& kind,
             const std::function<bool(const std::vector<Resource>&)>& done) {
    ChangeSignal signal;
    const auto watcher = NotifyOfChanges(store(cluster), kind, signal);
    ASSERT_TRUE(watcher.ok()) << watcher.status();
    EXPECT_TRUE(signal.WaitUntil([&] { return done(store(cluster).List(kind, "").value().items); }))
        << kind.plural << " in " << cluster;
  }
  void AwaitNone(const std::string& cluster, const ResourceKind& kind) {
    Await(cluster, kind, [](const std::vector<Resource>& items) { return items.empty(); });
  }

  void Demo() {
    std::string text;
    DemoReport report([&text](const std::string& piece) { text += piece; });
    const absl::Status status = RunDemo(*sandbox_, XPU_SOURCE_DIR "/examples", /*keep=*/false, report);
    EXPECT_TRUE(status.ok() && report.Close()) << status << text;
  }

  // An object that is made, changed, given a status on the cards' side, and taken away.
  void ComeAndGo(const ResourceKind& kind, const Resource& object,
                 const std::function<void(Resource*)>& change, const Resource& status) {
    auto made = store("tenant").Create(kind, object);
    ASSERT_TRUE(made.ok()) << made.status();
    Await("infra", kind, [](const std::vector<Resource>& items) { return items.size() == 1; });
    change(&*made);
    (*made)["metadata"].erase("resourceVersion");
    // The broker holds it by now.
    (*made)["metadata"]["finalizers"] =
        store("tenant").Get(kind, NameOf(*made)).value()["metadata"]["finalizers"];
    ASSERT_TRUE(store("tenant").Update(kind, *made).ok());
    for (const char* cluster : {"broker", "infra"}) {
      Await(cluster, kind, [&](const std::vector<Resource>& items) {
        return items.size() == 1 && items[0].value("spec", Resource()) == made->value("spec", Resource()) &&
               items[0].value("ports", Resource()) == made->value("ports", Resource());
      });
    }
    if (!status.is_null()) {
      Resource copy = store("infra").List(kind, "default").value().items[0];
      copy["metadata"].erase("resourceVersion");
      copy["status"] = status;
      ASSERT_TRUE(store("infra").UpdateStatus(kind, copy).ok());
      Await("tenant", kind, [&](const std::vector<Resource>& items) {
        return items.size() == 1 && items[0].value("status", Resource()) == status;
      });
    }
    ASSERT_TRUE(store("tenant").Delete(kind, NameOf(*made)).ok());
    AwaitNone("tenant", kind);
  }

  bool AgentHasAsked(const std::string& request) {
    for (const ApiRequest& asked : recorders_["infra"]->RequestsOf("xpu-agent")) {
      if (asked.ToString() == request) return true;
    }
    return false;
  }
  // A chain on the cards' side, which somebody else changes until the agent has met that and reads it again,
  // and has told twice that the same function has no pod.
  void ChainComesAndGoes() {
    Resource chain = MakeResource(kChains, {"default", "inspect"});
    chain["spec"] = {{"network", "blue"},
                     {"functions", Resource::array({{{"name", "fw"}, {"input", "in"}, {"output", "out"}}})}};
    ASSERT_TRUE(store("infra").Create(kChains, chain).ok());
    const absl::Time deadline = absl::Now() + absl::Minutes(2);
    while (!AgentHasAsked("get servicechains.xpu.opiproject.org") || !AgentHasAsked("patch events.")) {
      ASSERT_LT(absl::Now(), deadline);
      for (const char* input : {"in", "inside"}) {
        chain["spec"]["functions"][0]["input"] = input;
        ASSERT_TRUE(
            store("infra").Patch(kChains, NameOf(chain), PatchType::kMerge, {{"spec", chain["spec"]}}).ok());
      }
    }
    ASSERT_TRUE(store("infra").Delete(kChains, NameOf(chain)).ok());
    AwaitNone("infra", kChains);
  }

  const TemporaryDirectory folder_ = *TemporaryDirectory::Make();
  const std::string dir_ = folder_.path() + "/s";
  std::unique_ptr<Sandbox> sandbox_;
  std::unique_ptr<Pair> pair_;
  std::map<std::string, std::unique_ptr<RequestRecorder>> recorders_;
};

TEST_F(RbacTest, EachProcessAsksForWhatItsRoleAllowsAndForNothingElse) {
  Demo();
  const ResourceList networks = store("tenant").List(kNetworks, "").value();
  for (const Resource& network : networks.items) {
    ASSERT_TRUE(store("tenant").Delete(kNetworks, NameOf(network)).ok());
  }
  for (const ResourceKind& kind : {kNetworks, kNetdevs}) AwaitNone("tenant", kind);
  AwaitNone("infra", kBlocks);

  ChainComesAndGoes();

  Resource service = MakeResource(kServices, {"default", "web"});
  service["spec"] = {{"ports", {{{"port", 80}}}}};
  ComeAndGo(kServices, service, [](Resource* o) { (*o)["spec"]["ports"][0]["port"] = 81; },
            {{"loadBalancer", {{"ingress", {{{"ip", "192.0.2.7"}}}}}}});
  Resource slice = MakeResource(kSlices, {"default", "web-1"});
  slice["addressType"] = "IPv4";
  slice["endpoints"] = Resource::array();
  slice["ports"] = {{{"port", 80}}};
  ComeAndGo(
      kSlices, slice, [](Resource* o) { (*o)["ports"][0]["port"] = 81; }, nullptr);
  Resource policy = MakeResource(kPolicies, {"default", "web"});
  policy["spec"] = {{"podSelector", Resource::object()}, {"policyTypes", {"Ingress"}}};
  ComeAndGo(
      kPolicies, policy,
      [](Resource* o) {
        (*o)["spec"]["policyTypes"] = {"Ingress", "Egress"};
      },
      nullptr);

  // What cannot be copied is told of, and counted.
  Resource taken = MakeResource(kNetworks, {"default", "taken"});
  taken["spec"] = {{"vni", 77}, {"prefixes", {"10.0.0.0/24"}}};
  ASSERT_TRUE(store("broker").Create(kNetworks, taken).ok());
  taken["spec"]["vni"] = 78;
  ASSERT_TRUE(store("tenant").Create(kNetworks, taken).ok());
  Await("tenant", kEvents, [](const std::vector<Resource>& events) {
    return events.size() == 1 && events[0].value("reason", "") == "NotCopied" &&
           events[0].value("count", 0) > 1;
  });

  ExpectSame(recorders_["tenant"]->RequestsOf("xpu-host-agent"), Allowed("host/host-agent.yaml"));
  ExpectSame(recorders_["infra"]->RequestsOf("xpu-agent"), Allowed("dpu/xpu-agent.yaml"));
  ExpectSame(recorders_["tenant"]->RequestsOf("xpu-broker"), Allowed("broker/source/rbac.yaml"));
  ExpectSame(recorders_["infra"]->RequestsOf("xpu-broker"), Allowed("broker/target/rbac.yaml"));
  std::set<ApiRequest> both = Allowed("broker/source/rbac.yaml");
  both.merge(Allowed("broker/target/rbac.yaml"));
  EXPECT_THAT(Without(recorders_["broker"]->RequestsOf("xpu-broker"), both), ::testing::IsEmpty());
  // Each knows its own side alone.
  for (const char* cluster : {"broker", "infra"}) {
    EXPECT_THAT(recorders_[cluster]->RequestsOf("xpu-host-agent"), ::testing::IsEmpty());
  }
  for (const char* cluster : {"tenant", "broker"}) {
    EXPECT_THAT(recorders_[cluster]->RequestsOf("xpu-agent"), ::testing::IsEmpty());
  }
}

TEST(ApiRequestTest, ReadsUrlsAsAnAuthorizerDoes) {
  const auto text = [](const std::string& method, const std::string& target) {
    return ReadApiRequest(method, target).ToString();
  };
  const std::string base = "/apis/xpu.opiproject.org/v1alpha1/namespaces/default/netdevs";
  EXPECT_EQ(text("GET", base), "list netdevs.xpu.opiproject.org");
  EXPECT_EQ(text("GET", base + "?watch=true&x=y"), "watch netdevs.xpu.opiproject.org");
  EXPECT_EQ(text("GET", base + "/a"), "get netdevs.xpu.opiproject.org");
  EXPECT_EQ(text("PUT", base + "/a/status"), "update netdevs/status.xpu.opiproject.org");
  EXPECT_EQ(text("DELETE", base + "/a"), "delete netdevs.xpu.opiproject.org");
  EXPECT_EQ(text("PATCH", "/api/v1/namespaces/default/events/e"), "patch events.");
  EXPECT_EQ(text("POST", "/api/v1/namespaces"), "create namespaces.");
  EXPECT_EQ(text("GET", "/api/v1/namespaces/default"), "get namespaces.");
  EXPECT_EQ(ReadApiRequest("GET", "/healthz").verb, "");
}

}  // namespace
}  // namespace xpu::testing
