// A ServiceChain, from the resource to packets: the agent's controllers, OPI services and flows, with a
// network function that is a Linux bridge in a namespace of its own.

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/api/api.h"
#include "common/kube/fake_store.h"
#include "common/kube/metadata.h"
#include "common/sys/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/component/agent/agent_on_ovs.h"
#include "test/component/agent/agent_testing.h"
#include "xpu/api/v1alpha1/netdev.pb.h"
#include "xpu/api/v1alpha1/network.pb.h"
#include "xpu/api/v1alpha1/service_chain.pb.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;
using testing::TestNetns;
using testing::TestOvs;

template <typename T>
const ResourceKind& KindFor() {
  return api::KindOf<T>().resource;
}
const ResourceKind& Networks() { return KindFor<api::v1alpha1::Network>(); }
const ResourceKind& Netdevs() { return KindFor<api::v1alpha1::Netdev>(); }
const ResourceKind& Chains() { return KindFor<api::v1alpha1::ServiceChain>(); }

// Pod a in network blue and pod b in network red, of one routing domain; and a firewall's namespace. The
// card's functions are 0: a, 1: b, 2 and 3: the firewall's.
class ServiceChainOnOvs : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::make_unique<TemporaryDirectory>(TemporaryDirectory::Make().value());
    ovs_ = TestOvs::Start().value();
    a_ = TestNetns::Create().value();
    b_ = TestNetns::Create().value();
    firewall_ = TestNetns::Create().value();
    AddFunction(0, *a_, "eth0");
    AddFunction(1, *b_, "eth0");
    // A cable says nothing of its own.
    Run(*firewall_, {"sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1"});
    Run(*firewall_, {"ip", "link", "add", "br0", "up", "type", "bridge", "mcast_snooping", "0"});
    for (const int vf : {2, 3}) {
      const std::string side = vf == 2 ? "in" : "out";
      AddFunction(vf, *firewall_, side);
      Run(*firewall_, {"ip", "link", "set", side, "master", "br0"});
    }
    agent_ = std::make_unique<AgentProcess>(*ovs_, folder_->path(), &store_);
    CreateNetwork("blue", 100, "10.0.0", "tenant");
    CreateNetwork("red", 101, "10.0.1", "tenant");
    CreateNetwork("fw-in", 102, "192.0.2", "");
    CreateNetwork("fw-out", 103, "198.51.100", "");
    CreateNetdev("a", 0, "blue", "10.0.0.2");
    CreateNetdev("b", 1, "red", "10.0.1.2");
    for (const auto& [pod, vf, net] : {std::tuple(a_.get(), 0, "10.0.0"), {b_.get(), 1, "10.0.1"}}) {
      Run(*pod, {"ip", "link", "set", "eth0", "address", MacOf(vf)});
      Run(*pod, {"ip", "addr", "add", absl::StrCat(net, ".2/24"), "dev", "eth0"});
      Run(*pod, {"ip", "route", "add", "default", "via", absl::StrCat(net, ".1")});
    }
  }

  static void Run(const TestNetns& netns, const std::vector<std::string>& command) {
    ASSERT_EQ(netns.Run(command).status(), absl::OkStatus());
  }
  static std::string MacOf(int vf) { return absl::StrCat("02:00:00:00:00:0", vf + 1); }

  void AddFunction(int vf, const TestNetns& owner, const std::string& interface) {
    const std::string name = absl::StrCat("pf0vf", vf);
    // As with a kernel, which has it in sysfs when it tells of it.
    const std::string sysfs = absl::StrCat(folder_->path(), "/sys/class/net/", name);
    std::filesystem::create_directories(sysfs);
    std::ofstream(sysfs + "/phys_port_name") << name << "\n";
    Run(ovs_->netns(),
        {"ip", "link", "add", name, "type", "veth", "peer", "name", interface, "netns", owner.path()});
    Run(owner, {"ip", "link", "set", interface, "up"});
  }
  void RemoveFunction(int vf) {
    const std::string name = absl::StrCat("pf0vf", vf);
    std::filesystem::remove_all(absl::StrCat(folder_->path(), "/sys/class/net/", name));
    Run(ovs_->netns(), {"ip", "link", "delete", name});
  }
  void CreateNetwork(const std::string& name, int vni, const std::string& net, const std::string& vrf) {
    Resource object = MakeResource(Networks(), {"default", name});
    object["spec"] = {{"vni", vni},
                      {"prefixes", {absl::StrCat(net, ".0/24")}},
                      {"gateways", {absl::StrCat(net, ".1")}},
                      {"mtu", 1500}};
    if (!vrf.empty()) object["spec"]["vrf"] = vrf;
    ASSERT_TRUE(store_.Create(Networks(), object).ok());
    Await(Networks(), name, "Confirmed");
  }
  void CreateNetdev(const std::string& name, int vf, const std::string& network, const std::string& address) {
    Resource object = MakeResource(Netdevs(), {"default", name});
    object["spec"] = {{"host", "host-a"},   {"function", absl::StrCat("0000:03:00.", vf)},
                      {"card", "card0"},    {"port", absl::StrCat("host0-", vf)},
                      {"claim", 1},         {"mac", MacOf(vf)},
                      {"network", network}, {"pod", {{"namespace", "default"}, {"name", "of-" + network}}}};
    if (network.starts_with("fw")) object["spec"]["pod"]["name"] = "firewall";
    if (!address.empty()) object["spec"]["addresses"] = {address};
    ASSERT_TRUE(store_.Create(Netdevs(), object).ok());
    Await(Netdevs(), name, "Confirmed");
  }
  void CreateChain() {
    Resource object = MakeResource(Chains(), {"default", "inspect"});
    object["spec"] = {
        {"network", "blue"},
        {"functions", Resource::array({{{"name", "fw"}, {"input", "fw-in"}, {"output", "fw-out"}}})}};
    ASSERT_TRUE(store_.Create(Chains(), object).ok());
  }

  // The object once its condition has this reason; an empty one: once it is gone.
  Resource Await(const ResourceKind& kind, const std::string& name, const std::string& reason) {
    absl::Mutex mu;
    const ListOptions only{"", "metadata.name=" + name};
    const ResourceList list = store_.List(kind, "default", only).value();
    Resource object = list.items.empty() ? Resource() : list.items[0];
    const auto seen = [&](const WatchEvent& event) {
      absl::MutexLock lock(&mu);
      object = event.type == WatchEvent::Type::kDeleted ? Resource() : event.object;
    };
    const auto watcher = store_.Watch(kind, "default", list.resource_version, only, {seen, nullptr}).value();
    const auto reached = [&] {
      if (object.is_null()) return reason.empty();
      const ConditionValue ready = GetCondition(object, "Ready");
      return ready.reason == reason && ready.observed_generation == GenerationOf(object);
    };
    absl::MutexLock lock(&mu);
    EXPECT_TRUE(mu.AwaitWithTimeout(absl::Condition(&reached), absl::Seconds(60))) << object.dump(2);
    return object;
  }

  // Asks every second until it is answered.
  bool Answers() { return Ping({"-c", "1", "-w", "30"}); }
  // Once the switch does what its flows say.
  bool AnswersOnce() {
    EXPECT_EQ(ovs_->AwaitRevalidation(), absl::OkStatus());
    return Ping({"-c", "1", "-W", "1"});
  }
  bool Ping(const std::vector<std::string>& how) {
    std::vector<std::string> command = {"ping", "-n"};
    command.insert(command.end(), how.begin(), how.end());
    command.push_back("10.0.1.2");
    const auto ping = a_->Try(command);
    EXPECT_EQ(ping.status(), absl::OkStatus());
    return ping.ok() && ping->exit_code == 0;
  }

  std::unique_ptr<TemporaryDirectory> folder_;
  std::unique_ptr<TestOvs> ovs_;
  std::unique_ptr<TestNetns> a_, b_, firewall_;
  FakeStore store_;
  std::unique_ptr<AgentProcess> agent_;
};

TEST_F(ServiceChainOnOvs, WhatLeavesANetworkGoesThroughItsFunctionsOrNowhere) {
  ASSERT_TRUE(Answers());
  CreateChain();
  const Resource cut = Await(Chains(), "inspect", "NotFound");
  EXPECT_THAT(GetCondition(cut, "Ready").message, HasSubstr("no pod on this card"));
  EXPECT_FALSE(AnswersOnce());

  CreateNetdev("fw-in", 2, "fw-in", "");
  CreateNetdev("fw-out", 3, "fw-out", "");
  const Resource up = Await(Chains(), "inspect", "Confirmed");
  EXPECT_EQ(up["status"]["cards"][0]["functions"][0]["input"], "fw-in");
  EXPECT_TRUE(Answers());
  // It is the firewall that forwards.
  Run(*firewall_, {"ip", "link", "set", "br0", "down"});
  EXPECT_FALSE(AnswersOnce());
  Run(*firewall_, {"ip", "link", "set", "br0", "up"});
  EXPECT_TRUE(Answers());

  // The agent knows its chains without the API server, and what is on the switch stays as it is.
  agent_.reset();
  agent_ = std::make_unique<AgentProcess>(*ovs_, folder_->path(), nullptr);
  // Answered after the first realisation.
  ASSERT_EQ(agent_->opi().BindPort(BindOf("host0-0", "default.blue", 1, 1)).status(), absl::OkStatus());
  EXPECT_TRUE(Answers());
  EXPECT_EQ(agent_->End(), 0u);
  agent_ = std::make_unique<AgentProcess>(*ovs_, folder_->path(), &store_);

  ASSERT_TRUE(store_.Delete(Netdevs(), {"default", "fw-out"}).ok());
  Await(Netdevs(), "fw-out", "");
  Await(Chains(), "inspect", "NotFound");
  EXPECT_FALSE(AnswersOnce());
  ASSERT_TRUE(store_.Delete(Chains(), {"default", "inspect"}).ok());
  Await(Chains(), "inspect", "");
  EXPECT_TRUE(Answers());
}

TEST_F(ServiceChainOnOvs, TellsThatTheRepresentorOfAFunctionWentAndCameBack) {
  CreateChain();
  CreateNetdev("fw-in", 2, "fw-in", "");
  CreateNetdev("fw-out", 3, "fw-out", "");
  Await(Chains(), "inspect", "Confirmed");
  RemoveFunction(3);
  const Resource down = Await(Chains(), "inspect", "Failed");
  EXPECT_THAT(GetCondition(down, "Ready").message,
              HasSubstr("no interface of the DPU stands for its output"));
  EXPECT_EQ(down["status"]["cards"][0]["functions"][0]["up"], false);
  EXPECT_FALSE(AnswersOnce());
  AddFunction(3, *firewall_, "out");
  Run(*firewall_, {"ip", "link", "set", "out", "master", "br0"});
  Await(Chains(), "inspect", "Confirmed");
  EXPECT_TRUE(Answers());
}

}  // namespace
}  // namespace xpu
