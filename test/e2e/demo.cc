#include "test/e2e/demo.h"

#include <algorithm>
#include <map>
#include <memory>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/api/api.h"
#include "common/base/status_macros.h"
#include "common/kube/change_signal.h"
#include "common/sys/process.h"
#include "test/lib/pair/leftovers.h"
#include "test/lib/pair/pair.h"
#include "test/lib/pair/probe.h"
#include "xpu/api/v1alpha1/card.pb.h"
#include "xpu/api/v1alpha1/netdev.pb.h"
#include "xpu/api/v1alpha1/network.pb.h"

namespace xpu::testing {
namespace {

class Demo {
 public:
  Demo(Pair& pair, const std::string& examples, DemoReport& report)
      : pair_(pair), examples_(examples), report_(report) {}

  absl::Status AttachPods() {
    report_.Heading("Two tenants, three pods, one card");
    XPU_RETURN_IF_ERROR(Apply("networks.yaml", "apply the networks blue and green, with the same prefixes"));
    XPU_ASSIGN_OR_RETURN(before_, CountLeftovers(pair_));
    XPU_RETURN_IF_ERROR(Attach({.name = "a", .network = "blue"}));
    XPU_RETURN_IF_ERROR(Attach({.name = "b", .network = "blue"}));
    // An address that nobody has in blue, so that an answer could only come from green.
    XPU_RETURN_IF_ERROR(
        Attach({.name = "c", .network = "green", .addresses = {"10.10.0.77", "fd00:10::77"}}));
    XPU_ASSIGN_OR_RETURN(during_, CountLeftovers(pair_));
    return absl::OkStatus();
  }

  absl::Status Reachability() {
    report_.Heading("Who reaches whom");
    const Pod &a = pods_.at("a"), &b = pods_.at("b"), &c = pods_.at("c");
    XPU_RETURN_IF_ERROR(PingBoth("a reaches b", true, a, b));
    XPU_RETURN_IF_ERROR(PingBoth("b reaches a", true, b, a));
    for (const IpAddress& to : {*b.v4, *b.v6}) {
      XPU_RETURN_IF_ERROR(report_.Check(absl::StrCat("a sends a megabyte to b over TCP, ", to.ToString()),
                                        true, [&] { return TcpTransfer(a.netns, b.netns, to); }));
    }
    XPU_RETURN_IF_ERROR(PingBoth("a does not reach c, in another network", false, a, c));
    XPU_RETURN_IF_ERROR(PingBoth("b does not reach c, in another network", false, b, c));
    XPU_RETURN_IF_ERROR(PingBoth("c does not reach a", false, c, a));
    return PingBoth("c does not reach b", false, c, b);
  }

  // With several API servers: what is where, and that the answers came back.
  absl::Status Clusters() {
    const std::vector<std::string> clusters = pair_.sandbox().options().ClusterNames();
    if (clusters.size() == 1) return absl::OkStatus();
    report_.Heading(absl::StrCat("What the API servers have: ", absl::StrJoin(clusters, " -> ")));
    const ResourceKind &networks = api::KindOf<api::v1alpha1::Network>(),
                       &netdevs = api::KindOf<api::v1alpha1::Netdev>(),
                       &cards = api::KindOf<api::v1alpha1::Card>();
    for (size_t i = 1; i < clusters.size(); ++i) {
      XPU_RETURN_IF_ERROR(report_.Check(
          absl::StrCat(clusters[i], " has blue and green, copied from ", clusters[i - 1]), true,
          [&]() -> absl::StatusOr<bool> {
            XPU_ASSIGN_OR_RETURN(
                const ResourceList list,
                pair_.store(clusters[i])
                    .List(networks, "default",
                          {.label_selector = absl::StrCat("xpu.opiproject.org/origin=", clusters[i - 1])}));
            return list.items.size() == 2;
          }));
    }
    XPU_RETURN_IF_ERROR(report_.Check("Netdevs are Attached at the tenant, with the card's addresses", true,
                                      [&] { return AllAttached(netdevs); }));
    for (const std::string& cluster : clusters) {
      const bool has_cards = cluster == clusters.back();
      XPU_RETURN_IF_ERROR(report_.Check(absl::StrCat(cluster, " has ", has_cards ? "the" : "no", " Card"),
                                        true, [&]() -> absl::StatusOr<bool> {
                                          XPU_ASSIGN_OR_RETURN(const ResourceList list,
                                                               pair_.store(cluster).List(cards, ""));
                                          return list.items.empty() != has_cards;
                                        }));
    }
    XPU_ASSIGN_OR_RETURN(during_, CountLeftovers(pair_));
    return absl::OkStatus();
  }

  absl::Status Cheating() {
    report_.Heading("A pod that cheats");
    const Pod &a = pods_.at("a"), &b = pods_.at("b");
    XPU_ASSIGN_OR_RETURN(const MacAddress forged, MacAddress::Parse("02:00:00:00:be:ef"));
    XPU_RETURN_IF_ERROR(SetMac(a.netns, forged));
    XPU_RETURN_IF_ERROR(PingBoth("a with a forged MAC does not reach b", false, a, b));
    XPU_RETURN_IF_ERROR(SetMac(a.netns, a.mac));
    XPU_RETURN_IF_ERROR(PingBoth("a with its own MAC again reaches b", true, a, b));
    for (const char* address : {"10.10.0.99/24", "fd00:10::99/64"}) {
      XPU_ASSIGN_OR_RETURN(const auto forged_address, InterfaceAddress::Parse(address));
      const std::string source = forged_address.address.ToString();
      XPU_RETURN_IF_ERROR(AddAddress(a.netns, forged_address));
      XPU_RETURN_IF_ERROR(report_.Check(
          absl::StrCat("a from the forged source ", source, " does not reach b"), false,
          [&] { return Ping(a.netns, forged_address.address.is_v4() ? *b.v4 : *b.v6, source); }));
      XPU_RETURN_IF_ERROR(RemoveAddress(a.netns, forged_address));
    }
    return PingBoth("a from its own address reaches b", true, a, b);
  }

  absl::Status Change() {
    report_.Heading("The network grows while pods are attached");
    const PodRequest wanted = {.name = "d", .network = "blue", .addresses = {"10.20.0.9"}};
    XPU_RETURN_IF_ERROR(report_.Check("d is refused 10.20.0.9 before blue has that prefix", false,
                                      [&]() -> absl::StatusOr<bool> {
                                        const auto pod = pair_.StartPod(wanted);
                                        if (pod.ok()) return true;
                                        if (absl::StrContains(pod.status().message(), "10.20.0.9"))
                                          return false;
                                        return pod.status();
                                      }));
    XPU_RETURN_IF_ERROR(Apply("blue-grows.yaml", "apply blue with one more prefix, 10.20.0.0/24"));
    XPU_RETURN_IF_ERROR(Attach(wanted));
    XPU_RETURN_IF_ERROR(report_.Check("flows for 10.20.0.9 are on the switch", true,
                                      [&] { return SwitchHasFlowFor("10.20.0.9"); }));
    const Pod &a = pods_.at("a"), &b = pods_.at("b"), &d = pods_.at("d");
    const InterfaceAddress second = *InterfaceAddress::Parse("10.20.0.9/24");
    XPU_RETURN_IF_ERROR(report_.Check("d reaches b over IPv6, which both prefixes share", true,
                                      [&] { return PingUntilAnswered(d.netns, *b.v6); }));
    XPU_RETURN_IF_ERROR(PingBoth("a still reaches b", true, a, b));
    return report_.Check("d has 10.20.0.9", true,
                         [&]() -> absl::StatusOr<bool> { return d.v4 == second.address; });
  }

  absl::Status Routing() {
    report_.Heading("Networks of one routing domain");
    XPU_RETURN_IF_ERROR(Apply("routed.yaml", "apply the networks web and store, in the domain shop"));
    XPU_RETURN_IF_ERROR(Attach({.name = "e", .network = "web", .addresses = {"10.10.0.88", "fd00:10::88"}}));
    XPU_RETURN_IF_ERROR(Attach({.name = "f", .network = "store"}));
    const Pod &a = pods_.at("a"), &e = pods_.at("e"), &f = pods_.at("f");
    XPU_RETURN_IF_ERROR(PingBoth("e reaches f, in the other network", true, e, f));
    for (const IpAddress& to : {*e.v4, *e.v6}) {
      XPU_RETURN_IF_ERROR(report_.Check(absl::StrCat("f sends a megabyte to e over TCP, ", to.ToString()),
                                        true, [&] { return TcpTransfer(f.netns, e.netns, to); }));
    }
    for (const char* text : {"10.10.0.254", "fd00:10::ff", "10.11.0.254", "fd00:11::ff"}) {
      XPU_ASSIGN_OR_RETURN(const IpAddress gateway, IpAddress::Parse(text));
      XPU_RETURN_IF_ERROR(report_.Check(absl::StrCat("the gateway ", text, " answers e"), true,
                                        [&] { return PingUntilAnswered(e.netns, gateway); }));
    }
    // An address that nobody has in blue, which has the same prefix as web.
    return PingBoth("a, in another domain with the same prefix, does not reach e", false, a, e);
  }

  absl::Status Detach() {
    report_.Heading("Everything goes back");
    while (!pods_.empty()) {
      const Pod pod = pods_.begin()->second;
      XPU_RETURN_IF_ERROR(report_.Step(absl::StrCat("DEL ", pod.name, " (", pod.device, ")"),
                                       [&] { return pair_.StopPod(pod); }));
      pods_.erase(pods_.begin());
    }
    XPU_RETURN_IF_ERROR(report_.Step("the records of the pods are gone", [&] {
      return WaitUntilReleased(pair_, absl::Now() + absl::Seconds(30));
    }));
    XPU_ASSIGN_OR_RETURN(const Leftovers after, CountLeftovers(pair_));
    XPU_RETURN_IF_ERROR(report_.Check(
        "every VF is home with its own name, MAC and MTU", true,
        [&]() -> absl::StatusOr<bool> { return before_.functions_at_home == after.functions_at_home; }));
    const auto count = [&](const std::string& what, auto member) {
      report_.Count(what, static_cast<size_t>(before_.*member), static_cast<size_t>(during_.*member),
                    static_cast<size_t>(after.*member));
    };
    report_.Count("functions with the host", before_.functions_at_home.size(),
                  during_.functions_at_home.size(), after.functions_at_home.size());
    count("addresses given out", &Leftovers::addresses);
    count("OPI bridge ports", &Leftovers::bridge_ports);
    count("ports on the switch", &Leftovers::switch_ports);
    count("flows on the switch", &Leftovers::flows);
    for (const auto& [cluster, netdevs] : before_.resources) {
      report_.Count(before_.resources.size() == 1 ? "Netdev resources" : absl::StrCat("Netdevs, ", cluster),
                    netdevs, during_.resources.at(cluster), after.resources.at(cluster));
    }
    count("journal rows", &Leftovers::journal_rows);
    return absl::OkStatus();
  }

 private:
  absl::Status Apply(const std::string& file, const std::string& what) {
    return report_.Step(what, [&]() -> absl::Status {
      XPU_RETURN_IF_ERROR(pair_.Xpuctl({"apply", "-f", absl::StrCat(examples_, "/", file)}).status());
      // What the switch has confirmed, the status says.
      return pair_.WaitUntilNetworksReady(absl::Now() + absl::Seconds(30));
    });
  }

  absl::Status Attach(const PodRequest& request) {
    return report_.Step(absl::StrCat("ADD ", request.name, " to ", request.network), [&]() -> absl::Status {
      XPU_ASSIGN_OR_RETURN(pods_[request.name], pair_.StartPod(request));
      return absl::OkStatus();
    });
  }

  absl::Status PingBoth(const std::string& claim, bool expected, const Pod& from, const Pod& to) {
    const auto ping = [&](const IpAddress& address) {
      return expected ? PingUntilAnswered(from.netns, address) : Ping(from.netns, address);
    };
    XPU_RETURN_IF_ERROR(report_.Check(absl::StrCat(claim, ", IPv4 ", to.v4->ToString()), expected,
                                      [&] { return ping(*to.v4); }));
    return report_.Check(absl::StrCat(claim, ", IPv6 ", to.v6->ToString()), expected,
                         [&] { return ping(*to.v6); });
  }

  // The status comes over the brokers, after the ADD.
  absl::StatusOr<bool> AllAttached(const ResourceKind& netdevs) {
    ChangeSignal signal;
    XPU_ASSIGN_OR_RETURN(const auto watcher, NotifyOfChanges(pair_.store(), netdevs, signal));
    const absl::Time deadline = absl::Now() + absl::Seconds(30);
    while (signal.AwaitNews(deadline)) {
      XPU_ASSIGN_OR_RETURN(const ResourceList list, pair_.store().List(netdevs, ""));
      size_t attached = 0;
      for (const Resource& object : list.items) {
        XPU_ASSIGN_OR_RETURN(const auto netdev, api::Decode<api::v1alpha1::Netdev>(object));
        const auto pod = pods_.find(netdev.spec().pod().name());
        if (pod == pods_.end() || netdev.status().state() != "Attached") continue;
        const auto& given = netdev.status().addresses();
        attached += std::any_of(given.begin(), given.end(), [&](const std::string& address) {
          return absl::StartsWith(address, absl::StrCat(pod->second.v4->ToString(), "/"));
        });
      }
      if (attached == pods_.size() && list.items.size() == attached) return true;
    }
    return false;
  }

  absl::StatusOr<bool> SwitchHasFlowFor(const std::string& address) {
    const Sandbox& sandbox = pair_.sandbox();
    XPU_ASSIGN_OR_RETURN(
        const std::string flows,
        RunProgram({.argv = {sandbox.options().ovs_dir + "/bin/ovs-ofctl", "-OOpenFlow14", "dump-flows",
                             absl::StrCat("unix:", sandbox.layout().ovs_dir(0), "/br-xpu.mgmt")}},
                   absl::Now() + absl::Seconds(30)));
    return absl::StrContains(flows, absl::StrCat("arp_tpa=", address)) &&
           absl::StrContains(flows, absl::StrCat("nw_src=", address));
  }

  Pair& pair_;
  const std::string examples_;
  DemoReport& report_;
  std::map<std::string, Pod> pods_;
  Leftovers before_, during_;
};

}  // namespace

absl::Status RunDemo(Sandbox& sandbox, const std::string& examples, bool keep, DemoReport& report) {
  XPU_ASSIGN_OR_RETURN(const std::unique_ptr<Pair> pair, Pair::Connect(sandbox));
  Demo demo(*pair, examples, report);
  XPU_RETURN_IF_ERROR(demo.AttachPods());
  XPU_RETURN_IF_ERROR(demo.Clusters());
  XPU_RETURN_IF_ERROR(demo.Reachability());
  XPU_RETURN_IF_ERROR(demo.Cheating());
  XPU_RETURN_IF_ERROR(demo.Change());
  XPU_RETURN_IF_ERROR(demo.Routing());
  return keep ? absl::OkStatus() : demo.Detach();
}

}  // namespace xpu::testing
