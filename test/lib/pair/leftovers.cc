#include "test/lib/pair/leftovers.h"

#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/api/api.h"
#include "common/base/status_macros.h"
#include "common/kube/change_signal.h"
#include "common/opi/opi_client.h"
#include "common/opi/opi_names.h"
#include "common/rpc/rpc.h"
#include "common/sys/net_namespaces_real.h"
#include "common/sys/netlink_real.h"
#include "common/sys/process.h"
#include "xpu/api/v1alpha1/netdev.pb.h"
#include "xpu/hostagent/v1/host_agent.grpc.pb.h"

namespace xpu::testing {
namespace {

const ResourceKind& Netdevs() { return api::KindOf<api::v1alpha1::Netdev>(); }

absl::StatusOr<std::vector<std::string>> FunctionsAtHome(const Sandbox& sandbox) {
  NetNamespacesReal namespaces;
  NetlinkFactoryReal factory;
  XPU_ASSIGN_OR_RETURN(const auto ns, namespaces.Open(sandbox.layout().netns("host")));
  XPU_ASSIGN_OR_RETURN(const auto netlink, factory.Open(ns));
  std::vector<std::string> found;
  for (int card = 0; card < sandbox.options().cards; ++card) {
    for (int vf = 0; vf < sandbox.options().vfs; ++vf) {
      const auto link = netlink->GetLink(absl::StrCat("p", card, "v", vf));
      if (absl::IsNotFound(link.status())) continue;
      XPU_RETURN_IF_ERROR(link.status());
      found.push_back(absl::StrCat(link->name, " ", link->mac.ToString(), " mtu ", link->mtu));
    }
  }
  return found;
}

absl::StatusOr<int> CountLines(std::vector<std::string> argv, absl::string_view with) {
  XPU_ASSIGN_OR_RETURN(const std::string text,
                       RunProgram({.argv = std::move(argv)}, absl::Now() + absl::Seconds(30)));
  int count = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty()))
    count += absl::StrContains(line, with);
  return count;
}

// A release is answered before the switch has it; another without a claim, which changes nothing, is not.
absl::Status AwaitReleases(OpiClient& agent, int vfs) {
  for (int vf = 0; vf < vfs; ++vf) {
    agent::v1::UnbindPortRequest request;
    request.set_bridge_port(BridgePortName(absl::StrCat("host0-", vf)));
    // Aborted: somebody holds the port.
    const absl::Status status = agent.UnbindPort(request);
    if (!status.ok() && !absl::IsAborted(status)) return status;
  }
  return absl::OkStatus();
}

}  // namespace

std::string Leftovers::ToString() const {
  return absl::StrCat("functions at home ", functions_at_home.size(), ", addresses ", addresses,
                      ", bridge ports ", bridge_ports, ", switch ports ", switch_ports, ", flows ", flows,
                      ", resources ", absl::StrJoin(resources, " ", absl::PairFormatter(" ")),
                      ", journal rows ", journal_rows);
}

absl::StatusOr<Leftovers> CountLeftovers(Pair& pair) {
  const Sandbox& sandbox = pair.sandbox();
  const std::string bin = sandbox.options().ovs_dir + "/bin/";
  Leftovers left;
  XPU_ASSIGN_OR_RETURN(left.functions_at_home, FunctionsAtHome(sandbox));
  for (int card = 0; card < sandbox.options().cards; ++card) {
    XPU_ASSIGN_OR_RETURN(const auto agent, pair.ConnectAgent(card));
    XPU_RETURN_IF_ERROR(AwaitReleases(*agent, sandbox.options().vfs));
    XPU_ASSIGN_OR_RETURN(const auto bindings, agent->ListPortBindings());
    for (const auto& binding : bindings) left.addresses += binding.addresses_size();
    XPU_ASSIGN_OR_RETURN(const auto ports, agent->ListBridgePorts());
    left.bridge_ports += static_cast<int>(ports.size());
    XPU_ASSIGN_OR_RETURN(
        const int switch_ports,
        CountLines({bin + "ovs-vsctl", "--db=" + sandbox.layout().ovsdb(card), "list-ports", "br-xpu"}, ""));
    left.switch_ports += switch_ports;
    XPU_ASSIGN_OR_RETURN(const int flows,
                         CountLines({bin + "ovs-ofctl", "-OOpenFlow14", "dump-flows",
                                     absl::StrCat("unix:", sandbox.layout().ovs_dir(card), "/br-xpu.mgmt")},
                                    "cookie="));
    left.flows += flows;
  }
  for (const std::string& cluster : sandbox.options().ClusterNames()) {
    XPU_ASSIGN_OR_RETURN(const ResourceList netdevs, pair.store(cluster).List(Netdevs(), ""));
    left.resources[cluster] = static_cast<int>(netdevs.items.size());
  }
  XPU_ASSIGN_OR_RETURN(const auto claims, pair.Claims());
  left.journal_rows = static_cast<int>(claims.size());
  return left;
}

absl::Status WaitUntilReleased(Pair& pair, absl::Time deadline) {
  // Both begun before the first look, so that no change falls between.
  ChangeSignal signal;
  XPU_ASSIGN_OR_RETURN(const auto watcher, NotifyOfChanges(pair.store(), Netdevs(), signal));
  XPU_ASSIGN_OR_RETURN(const auto channel, MakeChannel(pair.sandbox().layout().host_agent()));
  auto stub = hostagent::v1::HostAgentService::NewStub(channel);
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  std::thread functions([&] {
    auto reader = stub->WatchFunctions(&context, {});
    for (hostagent::v1::WatchFunctionsResponse response; reader->Read(&response);) signal.Notify();
    reader->Finish();
  });
  const auto look = [&]() -> absl::Status {
    std::string rows;
    size_t netdevs = 0;
    // The agent sends a list also when only the number of its rows has changed.
    while (signal.AwaitNews(deadline)) {
      XPU_ASSIGN_OR_RETURN(const auto claims, pair.Claims());
      XPU_ASSIGN_OR_RETURN(const ResourceList listed, pair.store().List(Netdevs(), ""));
      if (claims.empty() && listed.items.empty()) return absl::OkStatus();
      netdevs = listed.items.size();
      rows = absl::StrJoin(claims, " ", [](std::string* out, const hostagent::v1::Claim& claim) {
        absl::StrAppend(out, claim.function(), "=", claim.state());
      });
    }
    return absl::DeadlineExceededError(
        absl::StrCat("still held: journal rows [", rows, "], ", netdevs, " Netdevs"));
  };
  const absl::Status status = look();
  context.TryCancel();
  functions.join();
  return status;
}

}  // namespace xpu::testing
