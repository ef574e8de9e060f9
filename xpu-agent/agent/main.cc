// xpu-agent: owns a card's switch; serves OPI and realises Network, Netdev and ServiceChain resources.

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "common/base/event_loop.h"
#include "common/base/notify.h"
#include "common/base/status_macros.h"
#include "common/kube/kube_cli.h"
#include "common/kube/kube_client.h"
#include "common/log/log.h"
#include "common/sys/devlink_real.h"
#include "common/sys/netlink_real.h"
#include "common/vendor_plugin/vendor_plugin.h"
#include "spdlog/spdlog.h"
#include "xpu-agent/agent/agent.h"
#include "xpu-agent/agent/allocator.h"
#include "xpu-agent/agent/switchdev.h"
#include "xpu-agent/core/sqlite_model_store.h"
#include "xpu-agent/core/sysfs_representors.h"
#include "xpu-agent/datapath/ovs/ovs_packet_io.h"
#include "xpu-agent/datapath/ovs/ovs_switch.h"
#include "xpu-agent/datapath/ovs/vswitchd_control.h"

namespace {

struct Flags {
  xpu::XpuAgentOptions agent;
  xpu::OvsSwitchOptions ovs;
  xpu::SysfsRepresentors::Options representors;
  xpu::KubeFlags api;
  std::string database = "/var/lib/xpu/xpu-agent.db";
  std::string host_vlans;
  std::string vtep;
  uint16_t vtep_port = 4789;
  uint32_t underlay_mtu = 0;
  std::string hw_offload = "auto";
  std::string tc_policy;
  std::string log_level = "info";
};

// MTU of the interface that has the address; 0 if none has it.
absl::StatusOr<uint32_t> MtuOfInterfaceWith(const xpu::IpAddress& address, xpu::Netlink& netlink) {
  XPU_ASSIGN_OR_RETURN(const std::vector<xpu::Link> links, netlink.ListLinks());
  for (const xpu::Link& link : links) {
    XPU_ASSIGN_OR_RETURN(const std::vector<xpu::InterfaceAddress> addresses,
                         netlink.ListAddresses(link.ifindex));
    for (const xpu::InterfaceAddress& has : addresses) {
      if (has.address == address) return link.mtu;
    }
  }
  return 0;
}

absl::StatusOr<xpu::Tunnel> TunnelOf(const Flags& flags, xpu::Netlink& netlink) {
  xpu::Tunnel tunnel;
  absl::StatusOr<xpu::IpAddress> vtep = xpu::IpAddress::Parse(flags.vtep);
  XPU_RETURN_IF_ERROR(xpu::Annotate(vtep.status(), "--vtep"));
  if (!vtep->IsUnicast()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--vtep ", flags.vtep, " is not the address of one interface"));
  }
  tunnel.local = *vtep;
  tunnel.udp_port = flags.vtep_port;
  if (flags.underlay_mtu != 0) {
    tunnel.underlay_mtu = flags.underlay_mtu;
    return tunnel;
  }
  XPU_ASSIGN_OR_RETURN(const uint32_t mtu, MtuOfInterfaceWith(*vtep, netlink));
  if (mtu != 0) {
    tunnel.underlay_mtu = mtu;
  } else {
    spdlog::warn("no interface has {} yet, so the underlay is taken to have an MTU of {}: set --underlay-mtu",
                 flags.vtep, tunnel.underlay_mtu);
  }
  return tunnel;
}

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
  if (!flags.vtep.empty()) {
    XPU_ASSIGN_OR_RETURN(flags.agent.tunnel, TunnelOf(flags, *netlink));
  }
  xpu::SysfsRepresentors representors(flags.representors, std::move(netlink),
                                      std::make_unique<xpu::DevlinkReal>());
  std::unique_ptr<xpu::KubeClient> resources;
  if (flags.api.given()) {
    XPU_ASSIGN_OR_RETURN(const xpu::KubeEndpoint endpoint, xpu::EndpointFromFlags(flags.api));
    XPU_ASSIGN_OR_RETURN(resources, xpu::KubeClient::Make(endpoint));
  }
  flags.agent.sysfs = flags.representors.sysfs;
  // One agent owns what is marked with its card's name.
  flags.ovs.owner = flags.agent.card;
  const bool has_hardware =
      flags.ovs.datapath_type == "system" && xpu::HasSwitchdev(flags.representors.sysfs);
  if (flags.hw_offload == "on" || (flags.hw_offload == "auto" && has_hardware))
    flags.ovs.settings["hw-offload"] = "true";
  if (!flags.tc_policy.empty()) flags.ovs.settings["tc-policy"] = flags.tc_policy;
  xpu::OvsSwitch ovs(flags.ovs);
  xpu::OvsPacketIo packets({.openflow_dir = flags.ovs.openflow_dir, .bridge = flags.ovs.bridge});
  const auto ready = [] {
    if (absl::Status told = xpu::NotifyReady(); !told.ok()) {
      spdlog::warn("the service manager could not be told that the agent serves: {}", told.ToString());
    }
  };
  const auto offload = [&flags]() -> absl::StatusOr<std::map<std::string, xpu::PortOffload>> {
    XPU_ASSIGN_OR_RETURN(const std::string dump,
                         xpu::AskVswitchd(flags.ovs.openflow_dir, "dpctl/dump-flows", {"--names", "-m"}));
    return xpu::ParseOffload(dump);
  };
  return xpu::RunXpuAgent(flags.agent, {.loop = loop,
                                        .the_switch = ovs,
                                        .store = *store,
                                        .representors = representors,
                                        .packets = &packets,
                                        .resources = resources.get(),
                                        .offload = offload,
                                        .ready = ready});
}

}  // namespace

int main(int argc, char** argv) {
  xpu::SetUpAllocator();
  Flags flags;
  flags.agent.listen = {"unix:/run/xpu/xpu-agent.sock"};
  CLI::App app{"Owns a card's switch: serves OPI, and realises Network, Netdev and ServiceChain resources."};
  app.add_option("--card", flags.agent.card, "Name of the card, as in Netdev.spec.card")->required();
  app.add_option("--listen", flags.agent.listen,
                 "Where OPI is served: unix:/path, or host:port with mTLS; may be given more than once")
      ->capture_default_str();
  app.add_option("--tls-cert", flags.agent.tls.certificate, "Certificate (PEM), for host:port");
  app.add_option("--tls-key", flags.agent.tls.key, "Key of the certificate (PEM)");
  app.add_option("--tls-ca", flags.agent.tls.ca, "Who signs the clients' certificates (PEM)");
  app.add_option("--trust-domain", flags.agent.trust_domain,
                 "Of the SPIFFE IDs in the clients' certificates; any if not given");
  app.add_option("--call-rate", flags.agent.calls_per_second,
                 "Calls that one client may make a second over host:port; more are refused")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--call-burst", flags.agent.call_burst, "Calls that it may make at once")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option(
      "--vendor-plugin-socket", flags.agent.vendor_plugin_socket,
      absl::StrCat("Serve openshift/dpu-operator's daemon too, as its vendor plugin, on this socket; the "
                   "daemon uses ",
                   xpu::kVendorPluginSocket));
  app.add_option("--dpu-operator-endpoint", flags.agent.dpu_operator_endpoint,
                 "IP:PORT at which that daemon is told to listen for the one on the host");
  app.add_option("--database", flags.database, "File that holds what was asked of this agent")
      ->capture_default_str();
  app.add_option(
      "--host-vlans", flags.host_vlans,
      "VLANs that the host may put functions into without a Network, e.g. 100-199,300 (0: untagged)");
  app.add_option(
      "--vtep", flags.vtep,
      "Address of this card on the underlay, where its VXLAN tunnels to other cards end; without it "
      "networks are on this card only");
  app.add_option("--vtep-port", flags.vtep_port, "UDP port of the tunnels, the same on all cards")
      ->capture_default_str();
  app.add_option(
      "--underlay-mtu", flags.underlay_mtu,
      "Largest packet of the underlay in bytes; that of the interface with the --vtep if not given");
  app.add_option("--uplink", flags.agent.uplink,
                 "Interface that stands for the card's physical port: networks of VLANs go on there");
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
      "--dpdk-device", flags.agent.dpdk_device,
      "PCI address of the card on this DPU, if Open vSwitch drives it with DPDK (--datapath-type netdev)");
  app.add_option(
         "--hw-offload", flags.hw_offload,
         "Have Open vSwitch put flows into the card's hardware (other_config:hw-offload): on; off, which "
         "leaves it as it is; or auto: on if the card is in switchdev mode and the kernel's datapath used")
      ->check(CLI::IsMember({"auto", "on", "off"}))
      ->capture_default_str();
  app.add_option(
         "--tc-policy", flags.tc_policy,
         "Where offloaded flows go: none (hardware and tc), skip_sw or skip_hw; as Open vSwitch has it "
         "if not given")
      ->check(CLI::IsMember({"none", "skip_sw", "skip_hw"}));
  xpu::AddKubeFlags(app, flags.api, "with Network and Netdev resources; without it, OPI only");
  app.add_option("--log-level", flags.log_level, "debug, info, warn or error")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (const absl::Status status = Run(flags); !status.ok()) {
    spdlog::error("{}", std::string(status.message()));
    return 1;
  }
  return 0;
}
