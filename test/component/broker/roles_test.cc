// Two tenants that use the same names, a card and their brokers, each with the credentials of packaging/k8s
// and no others: what each is allowed is enough, and what is not its business is refused.

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/api/api.h"
#include "common/kube/change_signal.h"
#include "common/kube/credentials.h"
#include "common/kube/kube_client.h"
#include "common/kube/metadata.h"
#include "common/opi/fake_opi_client.h"
#include "common/sys/files.h"
#include "control-plane/apiserver/test_api_server.h"
#include "control-plane/broker/broker.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/controllers/controllers.h"

namespace xpu {
namespace {

// In the tenants' clusters.
constexpr char kNamespace[] = "tenant-a";

const ResourceKind& Kind(const std::string& name) { return api::FindByName(name)->resource; }

// The documents of a file of packaging/k8s, with another tenant's name in them.
std::vector<Resource> Manifests(const std::string& file, const std::string& tenant = "tenant-a") {
  const std::string path = absl::StrCat(XPU_MANIFESTS, "/", file);
  const std::string text = absl::StrReplaceAll(ReadFile(path).value(), {{"tenant-a", tenant}});
  const std::vector<api::YamlDocument> documents = api::YamlToJson(text, path).value();
  std::vector<Resource> objects;
  objects.reserve(documents.size());
  for (const api::YamlDocument& document : documents) objects.push_back(document.value);
  return objects;
}

// An API server, and who may do what on it.
class Cluster {
 public:
  Cluster() {
    // The user that the manifests of the source name; others are ServiceAccounts.
    EXPECT_TRUE(WriteFileAtomic(folder_.path() + "/tokens", "broker-token,xpu-broker,1\n", 0600).ok());
    apiserver::ApiServerOptions options;
    options.token_file = folder_.path() + "/tokens";
    server_ = std::make_unique<apiserver::TestApiServer>(options);
    admin_ = KubeClient::Make({.server = server_->endpoint()}).value();
    Make("namespaces", {"", "kube-system"}, {});
  }

  KubeClient& admin() { return *admin_; }
  void Make(const std::string& kind, const ResourceName& name, const Resource& rest) {
    Resource object = MakeResource(Kind(kind), name);
    if (!rest.is_null()) object.update(rest);
    const absl::Status made = admin_->Create(Kind(kind), object).status();
    EXPECT_TRUE(made.ok()) << made;
  }
  // Accounts and what they may do; of workloads an API server without nodes knows nothing.
  void Apply(const std::vector<Resource>& manifests) {
    static const std::set<std::string> kinds = {"Namespace",   "ServiceAccount", "Role",
                                                "ClusterRole", "RoleBinding",    "ClusterRoleBinding"};
    for (const Resource& object : manifests) {
      if (!kinds.contains(object["kind"])) continue;
      const absl::Status made = admin_->Create(Kind(object["kind"]), object).status();
      EXPECT_TRUE(made.ok()) << object.dump() << made;
    }
  }
  std::unique_ptr<KubeClient> AsToken(const std::string& token) {
    return KubeClient::Make({.server = server_->endpoint(),
                             .credentials = MakeFileCredentials({.text = {.token = token}})})
        .value();
  }
  std::unique_ptr<KubeClient> AsAccount(const std::string& ns, const std::string& account) {
    const ResourceName name = {ns, account + "-token"};
    Resource wanted = MakeResource(Kind("secrets"), name);
    wanted["metadata"]["annotations"] = {{"kubernetes.io/service-account.name", account}};
    wanted["type"] = "kubernetes.io/service-account-token";
    EXPECT_TRUE(admin_->Create(Kind("secrets"), wanted).ok());
    std::string token;
    const Resource secret = admin_->Get(Kind("secrets"), name).value();
    EXPECT_TRUE(absl::Base64Unescape(secret["data"].value("token", ""), &token)) << secret.dump();
    return AsToken(token);
  }

  // Waits until `done` is true of the object, null if it is not there.
  void Await(const std::string& kind, const ResourceName& name,
             const std::function<bool(const Resource&)>& done) {
    ChangeSignal signal;
    const auto watcher = NotifyOfChanges(*admin_, Kind(kind), signal);
    ASSERT_TRUE(watcher.ok()) << watcher.status();
    Resource last;
    EXPECT_TRUE(signal.WaitUntil([&] {
      last = admin_->Get(Kind(kind), name).value_or(Resource());
      return done(last);
    })) << kind
        << " " << name.ToString() << ": " << last.dump();
  }
  void AwaitReady(const std::string& kind, const ResourceName& name) {
    Await(kind, name, [](const Resource& object) { return GetCondition(object, "Ready").status == "True"; });
  }
  void AwaitGone(const std::string& kind, const ResourceName& name) {
    Await(kind, name, [](const Resource& object) { return object.is_null(); });
  }

 private:
  TemporaryDirectory folder_ = TemporaryDirectory::Make().value();
  std::unique_ptr<apiserver::TestApiServer> server_;
  std::unique_ptr<KubeClient> admin_;
};

// A tenant's cluster, with its host agent's and its broker's credentials, and the broker itself.
struct Tenant {
  // `kinds`: those of its policy, all of the manifest's if it is empty.
  Tenant(const std::string& tenant, Cluster& infra, const std::string& kinds = "") : name(tenant) {
    cluster.Make("namespaces", {"", kNamespace}, {});
    cluster.Make("namespaces", {"", "private"}, {});
    cluster.Apply(Manifests("broker/source/rbac.yaml"));
    cluster.Apply(Manifests("host/host-agent.yaml"));
    source = cluster.AsToken("broker-token");
    host = cluster.AsAccount("kube-system", "xpu-host-agent");
    infra.Apply(Manifests("broker/target/namespace.yaml", tenant));
    infra.Apply(Manifests("broker/target/rbac.yaml", tenant));
    target = infra.AsAccount(tenant, "xpu-broker");
    for (const Resource& object : Manifests("broker/target/deployment.yaml", tenant)) {
      if (object["kind"] != "ConfigMap") continue;
      // The tenant has not heard of the others, and calls its namespace as it likes.
      std::string text =
          absl::StrReplaceAll(object["data"]["broker.yaml"].get<std::string>(),
                              {{absl::StrCat("source: ", tenant), absl::StrCat("source: ", kNamespace)}});
      if (!kinds.empty()) {
        const size_t begin = text.find("kinds: [");
        text.replace(begin, text.find(']', begin) - begin, absl::StrCat("kinds: [", kinds));
      }
      options.config = broker::ReadBrokerConfig(text, "broker.yaml").value();
    }
    options.identity = tenant + "-1";
    options.retry = {.initial = absl::Milliseconds(1), .max = absl::Milliseconds(50)};
    thread = std::thread([this] {
      const absl::Status status =
          broker::RunBroker(options, {.loop = loop, .source = *source, .target = *target});
      EXPECT_TRUE(status.ok()) << status;
    });
  }
  ~Tenant() {
    loop.Stop();
    thread.join();
  }

  const std::string name;
  Cluster cluster;
  std::unique_ptr<KubeClient> host, source, target;
  broker::BrokerOptions options;
  EventLoop loop;
  std::thread thread;
};

Resource NetworkSpec(int vni) {
  return {{"spec", {{"vni", vni}, {"prefixes", Resource::array({"10.0.0.0/24"})}, {"mtu", 1500}}}};
}
// What a host agent writes for function `number` of the card.
Resource NetdevOf(int number) {
  Resource netdev = MakeResource(Kind("netdevs"), {kNamespace, "web-0"});
  netdev["spec"] = {{"host", "host-a"}, {"function", absl::StrCat("0000:03:00.", number)},
                    {"card", "card0"},  {"port", absl::StrCat("host0-", number)},
                    {"claim", 1},       {"mac", absl::StrCat("02:00:00:00:00:0", number)},
                    {"network", "blue"}};
  return netdev;
}

class RolesTest : public ::testing::Test {
 protected:
  RolesTest() {
    infra_.Apply(Manifests("dpu/xpu-agent.yaml"));
    card_ = infra_.AsAccount("kube-system", "xpu-agent");
    for (const char* name : {"tenant-a", "tenant-b"})
      tenants_.push_back(std::make_unique<Tenant>(name, infra_));
  }
  void StartCard() {
    ControllerOptions options;
    options.card = "card0";
    options.vtep = IpAddress::Parse("192.0.2.1").value();
    options.keep_blocks = absl::ZeroDuration();
    options.count_after = absl::ZeroDuration();
    options.backoff = {.initial = absl::Milliseconds(1), .max = absl::Milliseconds(50)};
    controllers_ = Controllers::Start(options, *card_, opi_).value();
  }

  Cluster infra_;
  std::unique_ptr<KubeClient> card_;
  std::vector<std::unique_ptr<Tenant>> tenants_;
  FakeOpiClient opi_;
  std::unique_ptr<Controllers> controllers_;
};

TEST_F(RolesTest, AreEnoughForTwoTenantsWithTheSameNamesOnOneCard) {
  const ResourceName blue = {kNamespace, "blue"};
  const ResourceName web = {kNamespace, "web-0"};
  StartCard();
  for (size_t i = 0; i < tenants_.size(); ++i) {
    Tenant& tenant = *tenants_[i];
    const int number = static_cast<int>(i) + 1;
    // Before its Network: the card tells of what is missing.
    const absl::Status written = tenant.host->Create(Kind("netdevs"), NetdevOf(number)).status();
    EXPECT_TRUE(written.ok()) << written;
    tenant.cluster.Await("netdevs", web, [](const Resource& object) {
      return GetCondition(object, "Ready").reason == "NotFound";
    });
    tenant.cluster.Make("networks", blue, NetworkSpec(100 * number));
    tenant.cluster.Make("services", {kNamespace, "web"},
                        {{"spec", {{"clusterIP", "None"}, {"ports", Resource::array({{{"port", 80}}})}}}});
    tenant.cluster.Make("endpointslices", {kNamespace, "web"},
                        {{"addressType", "IPv4"}, {"endpoints", Resource::array()}});
    tenant.cluster.Make("networkpolicies", {kNamespace, "web"},
                        {{"spec", {{"podSelector", Resource::object()}}}});
  }
  for (size_t i = 0; i < tenants_.size(); ++i) {
    Tenant& tenant = *tenants_[i];
    const int number = static_cast<int>(i) + 1;
    tenant.cluster.AwaitReady("networks", blue);
    tenant.cluster.AwaitReady("netdevs", web);
    EXPECT_EQ(infra_.admin().Get(Kind("networks"), {tenant.name, "blue"}).value()["spec"]["vni"],
              100 * number);
    EXPECT_EQ(infra_.admin().Get(Kind("netdevs"), {tenant.name, "web-0"}).value()["spec"]["port"],
              absl::StrCat("host0-", number));
    for (const char* kind : {"services", "endpointslices", "networkpolicies"})
      infra_.Await(kind, {tenant.name, "web"}, [](const Resource& object) { return !object.is_null(); });
    Resource service = infra_.admin().Get(Kind("services"), {tenant.name, "web"}).value();
    service["status"] = {{"loadBalancer", {{"ingress", Resource::array({{{"hostname", tenant.name}}})}}}};
    ASSERT_TRUE(infra_.admin().UpdateStatus(Kind("services"), service).ok());
    tenant.cluster.Await("services", {kNamespace, "web"}, [&](const Resource& object) {
      return object.value("status", Resource()) == service["status"];
    });
  }
  for (size_t i = 0; i < tenants_.size(); ++i) {
    Tenant& tenant = *tenants_[i];
    ASSERT_TRUE(tenant.host->Delete(Kind("netdevs"), web).ok());
    ASSERT_TRUE(tenant.cluster.admin().Delete(Kind("networks"), blue).ok());
    for (const char* kind : {"services", "endpointslices", "networkpolicies"})
      ASSERT_TRUE(tenant.cluster.admin().Delete(Kind(kind), {kNamespace, "web"}).ok());
    tenant.cluster.AwaitGone("netdevs", web);
    tenant.cluster.AwaitGone("networks", blue);
    for (const char* kind : {"services", "endpointslices", "networkpolicies"}) {
      tenant.cluster.AwaitGone(kind, {kNamespace, "web"});
      EXPECT_TRUE(absl::IsNotFound(infra_.admin().Get(Kind(kind), {tenant.name, "web"}).status()));
    }
    EXPECT_TRUE(absl::IsNotFound(infra_.admin().Get(Kind("networks"), {tenant.name, "blue"}).status()));
    // Of one only: the other tenant's are all there still.
    const ResourceName others = {tenants_[1]->name, "web-0"};
    EXPECT_EQ(infra_.admin().Get(Kind("netdevs"), others).ok(), i == 0);
  }
}

TEST_F(RolesTest, OfAPolicyThatNamesOneKindNoOtherIsTouched) {
  Tenant tenant("tenant-c", infra_, "Network");
  ASSERT_TRUE(tenant.host->Create(Kind("netdevs"), NetdevOf(1)).ok());
  tenant.cluster.Make("services", {kNamespace, "web"}, {{"spec", {{"clusterIP", "None"}}}});
  for (const char* name : {"blue", "red"}) {
    tenant.cluster.Make("networks", {kNamespace, name}, NetworkSpec(name == std::string("red") ? 8 : 7));
    infra_.Await("networks", {"tenant-c", name}, [](const Resource& object) { return !object.is_null(); });
  }
  for (const char* kind : {"netdevs", "services"}) {
    EXPECT_TRUE(infra_.admin().List(Kind(kind), "tenant-c").value().items.empty()) << kind;
    const ResourceList sources = tenant.cluster.admin().List(Kind(kind), kNamespace).value();
    EXPECT_EQ(sources.items.size(), 1u) << kind;
    for (const Resource& object : sources.items)
      EXPECT_FALSE(object["metadata"].contains("finalizers")) << object.dump();
  }
}

TEST_F(RolesTest, AllowNothingElse) {
  const auto refused = [](const absl::Status& status, const char* what) {
    EXPECT_TRUE(absl::IsPermissionDenied(status)) << what << ": " << status;
  };
  const auto create = [](KubeClient& as, const std::string& kind, const ResourceName& name) {
    return as.Create(Kind(kind), MakeResource(Kind(kind), name)).status();
  };
  Tenant& a = *tenants_[0];
  // A tenant's broker at the cards sees its own namespace, and writes no status there: that is the cards'.
  EXPECT_TRUE(a.target->List(Kind("networks"), "tenant-a").ok());
  refused(a.target->List(Kind("networks"), "tenant-b").status(), "another tenant's");
  refused(a.target->List(Kind("networks"), "").status(), "all tenants'");
  refused(create(*a.target, "networks", {"tenant-b", "blue"}), "another tenant's");
  refused(a.target->List(Kind("secrets"), "tenant-a").status(), "secrets");
  refused(a.target->List(Kind("cards"), "").status(), "cards");
  refused(a.target->Get(Kind("leases"), {"tenant-a", "another"}).status(), "others' leases");
  infra_.Make("networks", {"tenant-a", "red"}, NetworkSpec(7));
  Resource red = infra_.admin().Get(Kind("networks"), {"tenant-a", "red"}).value();
  refused(a.target->UpdateStatus(Kind("networks"), red).status(), "the target's status");
  // At the tenant's it makes nothing and takes nothing away, and sees what policy names.
  EXPECT_TRUE(a.source->List(Kind("networks"), kNamespace).ok());
  refused(a.source->List(Kind("networks"), "private").status(), "another namespace");
  refused(create(*a.source, "networks", {kNamespace, "green"}), "making");
  a.cluster.Make("networks", {kNamespace, "green"}, NetworkSpec(8));
  refused(a.source->Delete(Kind("networks"), {kNamespace, "green"}), "taking away");
  refused(a.source->List(Kind("secrets"), kNamespace).status(), "secrets");
  // A host agent keeps Netdevs, and a card's agent writes what cards write.
  refused(a.host->List(Kind("networks"), kNamespace).status(), "networks");
  refused(a.host->List(Kind("secrets"), kNamespace).status(), "secrets");
  const Resource netdev = a.host->Create(Kind("netdevs"), NetdevOf(1)).value();
  refused(a.host->UpdateStatus(Kind("netdevs"), netdev).status(), "a Netdev's status");
  refused(create(*card_, "networks", {"tenant-a", "green"}), "making");
  refused(card_->Delete(Kind("networks"), {"tenant-a", "red"}), "taking away");
  refused(card_->List(Kind("secrets"), "tenant-a").status(), "secrets");
  refused(card_->List(Kind("services"), "tenant-a").status(), "services");
  refused(card_->Delete(Kind("cards"), {"", "card1"}), "another card");
}

}  // namespace
}  // namespace xpu
