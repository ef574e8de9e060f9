// xpu-agent: owns a card's switch; serves OPI and realises Network and Netdev resources.

#include <csignal>
#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "common/base/event_loop.h"
#include "common/base/notify.h"
#include "common/base/status_macros.h"
#include "common/kube/kube_client.h"
#include "common/log/log.h"
#include "common/sys/netlink_real.h"
#include "spdlog/spdlog.h"
#include "xpu-agent/agent/agent.h"
#include "xpu-agent/core/sqlite_model_store.h"
#include "xpu-agent/core/sysfs_representors.h"
#include "xpu-agent/datapath/ovs/ovs_switch.h"

namespace {

struct Flags {
  xpu::XpuAgentOptions agent;
  xpu::OvsSwitchOptions ovs;
  xpu::SysfsRepresentors::Options representors;
  xpu::KubeFlags api;
  std::string database = "/var/lib/xpu/xpu-agent.db";
  std::string host_vlans;
  std::string log_level = "info";
};

absl::Status Run(Flags flags) {
  XPU_RETURN_IF_ERROR(xpu::InitLogging("xpu-agent", flags.log_level));
  absl::StatusOr<xpu::VlanRanges> host_vlans = xpu::VlanRanges::Parse(flags.host_vlans);
  XPU_RETURN_IF_ERROR(xpu::Annotate(host_vlans.status(), "--host-vlans"));
  flags.agent.host_vlans = *std::move(host_vlans);
  xpu::EventLoop loop;
  const auto stop = [&loop] { loop.Stop(); };
  const xpu::EventLoop::Handle on_term = loop.OnSignal(SIGTERM, stop);
  const xpu::EventLoop::Handle on_int = loop.OnSignal(SIGINT, stop);
  signal(SIGPIPE, SIG_IGN);

  XPU_ASSIGN_OR_RETURN(const std::unique_ptr<xpu::SqliteModelStore> store,
                       xpu::SqliteModelStore::Open(flags.database));
  XPU_ASSIGN_OR_RETURN(std::unique_ptr<xpu::Netlink> netlink, xpu::NetlinkFactoryReal().Open(nullptr));
  xpu::SysfsRepresentors representors(flags.representors, std::move(netlink));
  std::unique_ptr<xpu::KubeClient> resources;
  if (flags.api.given()) {
    XPU_ASSIGN_OR_RETURN(const xpu::KubeEndpoint endpoint, xpu::EndpointFromFlags(flags.api));
    XPU_ASSIGN_OR_RETURN(resources, xpu::KubeClient::Make(endpoint));
  }
  // One agent owns what is marked with its card's name.
  flags.ovs.owner = flags.agent.card;
  xpu::OvsSwitch ovs(flags.ovs);
  const auto ready = [] {
    if (absl::Status told = xpu::NotifyReady(); !told.ok()) {
      spdlog::warn("the service manager could not be told that the agent serves: {}", told.ToString());
    }
  };
  return xpu::RunXpuAgent(flags.agent, {.loop = loop,
                                        .the_switch = ovs,
                                        .store = *store,
                                        .representors = representors,
                                        .resources = resources.get(),
                                        .ready = ready});
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  flags.agent.listen = {"unix:/run/xpu/xpu-agent.sock"};
  CLI::App app{"Owns a card's switch: serves OPI, and realises Network and Netdev resources."};
  app.add_option("--card", flags.agent.card, "Name of the card, as in Netdev.spec.card")->required();
  app.add_option("--listen", flags.agent.listen,
                 "Where OPI is served: unix:/path, or host:port with mTLS; may be given more than once")
      ->capture_default_str();
  app.add_option("--tls-cert", flags.agent.tls.certificate, "Certificate (PEM), for host:port");
  app.add_option("--tls-key", flags.agent.tls.key, "Key of the certificate (PEM)");
  app.add_option("--tls-ca", flags.agent.tls.ca, "Who signs the clients' certificates (PEM)");
  app.add_option("--database", flags.database, "File that holds what was asked of this agent")
      ->capture_default_str();
  app.add_option(
      "--host-vlans", flags.host_vlans,
      "VLANs that the host may put functions into without a Network, e.g. 100-199,300 (0: untagged)");
  app.add_option("--sysfs", flags.representors.sysfs, "Where the kernel's sysfs is")->capture_default_str();
  app.add_option("--ovsdb", flags.ovs.ovsdb_remote, "ovsdb-server of Open vSwitch")->capture_default_str();
  app.add_option("--openflow-dir", flags.ovs.openflow_dir,
                 "Where ovs-vswitchd makes the bridges' .mgmt sockets")
      ->capture_default_str();
  app.add_option("--bridge", flags.ovs.bridge, "Bridge of Open vSwitch; made if it is not there")
      ->capture_default_str();
  app.add_option("--datapath-type", flags.ovs.datapath_type, "Of a bridge that is made: system or netdev")
      ->capture_default_str();
  app.add_option(
      "--api-server", flags.api.server,
      "Kubernetes API server with Network and Netdev resources: unix:/path or https://host:port; without "
      "it, OPI only");
  app.add_option("--api-ca", flags.api.ca, "Who signs the API server's certificate (PEM)");
  app.add_option("--api-cert", flags.api.certificate, "Certificate for the API server (PEM)");
  app.add_option("--api-key", flags.api.key, "Key of that certificate (PEM)");
  app.add_option("--api-token-file", flags.api.token_file, "File with a bearer token for the API server");
  app.add_option(
      "--kubeconfig", flags.api.kubeconfig,
      "Instead of --api-server: kubeconfig files separated by colons, or \"in-cluster\" for the pod's "
      "service account");
  app.add_option("--context", flags.api.context, "Context of the kubeconfig, if not its current one");
  app.add_option("--log-level", flags.log_level, "debug, info, warn or error")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (const absl::Status status = Run(flags); !status.ok()) {
    spdlog::error("{}", std::string(status.message()));
    return 1;
  }
  return 0;
}
