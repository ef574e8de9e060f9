#include "test/bench/big_card.h"

#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/api/api.h"
#include "common/api/kinds.h"
#include "common/base/status_macros.h"
#include "common/kube/kube_client.h"
#include "common/kube/metadata.h"
#include "common/opi/grpc_opi_client.h"
#include "xpu/api/v1alpha1/netdev.pb.h"
#include "xpu/api/v1alpha1/network.pb.h"

namespace xpu::testing {
namespace {

constexpr char kNamespace[] = "default";
constexpr absl::Duration kSetUp = absl::Minutes(5);

const ResourceKind& Networks() { return api::KindOf<api::v1alpha1::Network>().resource; }
const ResourceKind& Netdevs() { return api::KindOf<api::v1alpha1::Netdev>().resource; }
const ResourceKind kNamespaces = {"", "v1", "Namespace", "namespaces"};

std::string NameOf(int function) { return absl::StrCat("vf", function); }
std::string MacOf(int function, int64_t claim) {
  return absl::StrFormat("02:%02x:%02x:00:%02x:%02x", claim >> 8 & 255, claim & 255, function >> 8,
                         function & 255);
}

Resource SpecOf(int function, int64_t claim) {
  return {
      {"host", "host-a"},
      {"function", absl::StrFormat("0000:%02x:%02x.%d", 3 + function / 256, function / 8 % 32, function % 8)},
      {"card", BigCard::kCard},
      {"port", absl::StrCat("host0-", function)},
      {"claim", claim},
      {"mac", MacOf(function, claim)},
      {"network", "blue"}};
}

agent::v1::BindPortRequest BindOf(int function, int64_t claim) {
  agent::v1::BindPortRequest request;
  request.set_bridge_port(absl::StrCat("bridgePorts/host0-", function));
  request.set_logical_bridge("logicalBridges/default.blue");
  request.set_mac_address(MacAddress::Parse(MacOf(function, claim))->ToBytes());
  request.set_claim(claim);
  return request;
}

}  // namespace

// Which claim of which Netdev is attached, as a watch says.
class BigCard::Attached {
 public:
  explicit Attached(int functions) : claims_(static_cast<size_t>(functions)) {}

  absl::Status Watch(ResourceStore& store) {
    XPU_ASSIGN_OR_RETURN(const ResourceList list, store.List(Netdevs(), kNamespace));
    for (const Resource& netdev : list.items) Note(netdev);
    XPU_ASSIGN_OR_RETURN(watcher_,
                         store.Watch(Netdevs(), kNamespace, list.resource_version, {},
                                     {[this](const WatchEvent& event) { Note(event.object); }, nullptr}));
    return absl::OkStatus();
  }
  bool Await(int function, int64_t claim, absl::Duration patience) {
    const int64_t& attached = claims_[static_cast<size_t>(function)];
    const auto is_there = [&] { return attached >= claim; };
    absl::MutexLock lock(&mu_);
    return mu_.AwaitWithTimeout(absl::Condition(&is_there), patience);
  }
  bool AwaitTouched(const std::string& value, absl::Duration patience) {
    const auto is_there = [&] { return touched_ == value; };
    absl::MutexLock lock(&mu_);
    return mu_.AwaitWithTimeout(absl::Condition(&is_there), patience);
  }

 private:
  void Note(const Resource& netdev) {
    if (const auto& labels = netdev["metadata"]; labels.contains("labels")) {
      absl::MutexLock lock(&mu_);
      touched_ = labels["labels"].value("touched", "");
    }
    if (!netdev.contains("status") || netdev["status"].value("state", "") != "Attached") return;
    const ConditionValue ready = GetCondition(netdev, "Ready");
    if (ready.status != "True" || ready.observed_generation != GenerationOf(netdev)) return;
    const std::string name = netdev["metadata"]["name"];
    absl::MutexLock lock(&mu_);
    claims_[static_cast<size_t>(std::stoi(name.substr(2)))] = netdev["spec"]["claim"];
  }
  absl::Mutex mu_;
  std::vector<int64_t> claims_;
  std::string touched_;
  std::unique_ptr<ResourceStore::Watcher> watcher_;
};

BigCard::BigCard(TemporaryDirectory folder, int functions)
    : folder_(std::move(folder)),
      functions_(functions),
      claims_(static_cast<size_t>(functions), 1),
      attached_(std::make_unique<Attached>(functions)) {}

BigCard::~BigCard() {
  agent_.Kill();
  here_.reset();
  attached_.reset();
}

absl::StatusOr<std::unique_ptr<BigCard>> BigCard::Make(const std::string& bin_dir, int functions) {
  XPU_ASSIGN_OR_RETURN(TemporaryDirectory folder, TemporaryDirectory::Make());
  std::unique_ptr<BigCard> card(new BigCard(std::move(folder), functions));
  XPU_ASSIGN_OR_RETURN(card->store_, KubeClient::Make({.server = card->api_.endpoint()}));
  XPU_ASSIGN_OR_RETURN(card->ovs_, TestOvs::Start());
  XPU_RETURN_IF_ERROR(card->MakeFunctions());
  XPU_RETURN_IF_ERROR(card->StartAgent(bin_dir));
  XPU_RETURN_IF_ERROR(card->Attach());
  return card;
}

absl::Status BigCard::MakeFunctions() {
  const std::string links = folder_.path() + "/links";
  {
    std::ofstream out(links);
    for (int i = 0; i < functions_; ++i) {
      const std::string representor = absl::StrCat("pf0vf", i);
      out << "link add " << representor << " type veth peer name fn" << i << "\n";
      const std::string folder = absl::StrCat(folder_.path(), "/sys/class/net/", representor);
      XPU_RETURN_IF_ERROR(MakeDirectories(folder));
      std::ofstream(folder + "/phys_port_name") << representor << "\n";
    }
  }
  return ovs_->netns().Run({"ip", "-batch", links}, kSetUp).status();
}

absl::Status BigCard::StartAgent(const std::string& bin_dir) {
  XPU_ASSIGN_OR_RETURN(agent_,
                       ChildProcess::Start({.argv = {bin_dir + "/xpu-agent",
                                                     "--card",
                                                     kCard,
                                                     "--listen",
                                                     absl::StrCat("unix:", folder_.path(), "/agent.sock"),
                                                     "--database",
                                                     folder_.path() + "/agent.db",
                                                     "--sysfs",
                                                     folder_.path() + "/sys",
                                                     "--ovsdb",
                                                     ovs_->remote(),
                                                     "--openflow-dir",
                                                     ovs_->openflow_dir(),
                                                     "--bridge",
                                                     kBridge,
                                                     "--datapath-type",
                                                     "netdev",
                                                     "--api-server",
                                                     api_.endpoint(),
                                                     "--log-level",
                                                     "warn"},
                                            .netns_fd = ovs_->netns().fd(),
                                            .output_fd = 2}));
  return absl::OkStatus();
}

absl::Status BigCard::Attach() {
  const absl::Status made = store_->Create(kNamespaces, MakeResource(kNamespaces, {"", kNamespace})).status();
  if (!made.ok() && !absl::IsAlreadyExists(made)) return made;
  Resource network = MakeResource(Networks(), {kNamespace, "blue"});
  network["spec"] = {{"vni", 100}, {"prefixes", {"10.0.0.0/16"}}, {"mtu", 1500}};
  XPU_RETURN_IF_ERROR(store_->Create(Networks(), network).status());
  XPU_RETURN_IF_ERROR(attached_->Watch(*store_));
  for (int i = 0; i < functions_; ++i) {
    Resource netdev = MakeResource(Netdevs(), {kNamespace, NameOf(i)});
    netdev["spec"] = SpecOf(i, 1);
    XPU_RETURN_IF_ERROR(store_->Create(Netdevs(), netdev).status());
  }
  for (int i = 0; i < functions_; ++i) XPU_RETURN_IF_ERROR(AwaitAttached(i));
  return absl::OkStatus();
}

absl::Status BigCard::AwaitAttached(int function) {
  if (attached_->Await(function, claims_[static_cast<size_t>(function)], kSetUp)) return absl::OkStatus();
  return absl::DeadlineExceededError(NameOf(function) + " is not attached");
}

absl::StatusOr<BigCard::Change> BigCard::ChangeOne(int function) {
  const auto at_switch = [this] {
    return here_ == nullptr ? absl::ZeroDuration() : here_->the_switch().counters().at_switch;
  };
  const int64_t claim = ++claims_[static_cast<size_t>(function)];
  const absl::Duration before = at_switch();
  const absl::Time start = absl::Now();
  XPU_RETURN_IF_ERROR(store_
                          ->Patch(Netdevs(), {kNamespace, NameOf(function)}, PatchType::kMerge,
                                  {{"spec", SpecOf(function, claim)}})
                          .status());
  XPU_RETURN_IF_ERROR(AwaitAttached(function));
  return Change{.whole = absl::Now() - start, .at_switch = at_switch() - before};
}

absl::StatusOr<absl::Duration> BigCard::BindOne(int function) {
  if (opi_ == nullptr) {
    XPU_ASSIGN_OR_RETURN(opi_, GrpcOpiClient::Make(absl::StrCat("unix:", folder_.path(), "/agent.sock")));
  }
  const agent::v1::BindPortRequest request = BindOf(function, ++claims_[static_cast<size_t>(function)]);
  const absl::Time start = absl::Now();
  XPU_RETURN_IF_ERROR(opi_->BindPort(request).status());
  return absl::Now() - start;
}

absl::StatusOr<absl::Duration> BigCard::TouchOne(int function) {
  const std::string value = absl::StrCat("touch-", absl::ToUnixNanos(absl::Now()));
  const absl::Time start = absl::Now();
  XPU_RETURN_IF_ERROR(store_
                          ->Patch(Netdevs(), {kNamespace, NameOf(function)}, PatchType::kMerge,
                                  {{"metadata", {{"labels", {{"touched", value}}}}}})
                          .status());
  if (!attached_->AwaitTouched(value, kSetUp)) return absl::DeadlineExceededError("the watch tells nothing");
  return absl::Now() - start;
}

absl::StatusOr<std::unique_ptr<AgentHere>> BigCard::StartHere(const std::string& socket,
                                                              const std::string& api_server) {
  return AgentHere::Start(*ovs_, {.card = kCard,
                                  .bridge = kBridge,
                                  .folder = folder_.path(),
                                  .address = absl::StrCat("unix:", folder_.path(), "/", socket),
                                  .api_server = api_server});
}

absl::StatusOr<BigCard::Restart> BigCard::RestartAgent() {
  Restart restart;
  const absl::Time start = absl::Now();
  XPU_ASSIGN_OR_RETURN(const std::unique_ptr<AgentHere> agent, StartHere("restarted.sock", ""));
  XPU_ASSIGN_OR_RETURN(const auto client,
                       GrpcOpiClient::Make(absl::StrCat("unix:", folder_.path(), "/restarted.sock")));
  // Answered when the switch has confirmed the port.
  XPU_RETURN_IF_ERROR(client->BindPort(BindOf(0, claims_[0])).status());
  restart.ready = absl::Now() - start;
  XPU_ASSIGN_OR_RETURN(const SwitchSnapshot snapshot, agent->the_switch().Snapshot());
  restart.flows = snapshot.flows.size();
  restart.flow_mods = agent->the_switch().counters().flow_mods;
  return restart;
}

absl::Status BigCard::RunAgentHere() {
  XPU_ASSIGN_OR_RETURN(here_, StartHere("here.sock", api_.endpoint()));
  return absl::OkStatus();
}

}  // namespace xpu::testing
