#include "control-plane/sandbox/processes.h"

#include "absl/strings/str_cat.h"

namespace xpu {
namespace {

// Leaves room for the tunnels, so that pods have an MTU of 1500.
constexpr int kUnderlayMtu = 1600;

std::string Numbered(absl::string_view name, int card) { return absl::StrCat(name, "-", card); }

ProcessSpec CardEmulator(const SandboxOptions& options, const SandboxLayout& layout) {
  ProcessSpec spec{.name = "xpu-card-emulator", .netns = "host"};
  spec.argv = {options.bin_dir + "/xpu-card-emulator",
               "--host-netns",
               layout.netns("host"),
               "--host-sysfs",
               layout.host_sysfs(),
               "--log-level",
               options.log_level};
  for (int card = 0; card < options.cards; ++card) {
    spec.argv.push_back("--card");
    spec.argv.push_back(absl::StrCat(card, "=", options.vfs, "=", layout.netns(SandboxLayout::dpu_name(card)),
                                     "=", layout.dpu_sysfs(card)));
  }
  return spec;
}

// An Open vSwitch of the sandbox's own: everything that its daemons write is in their folder.
std::vector<ProcessSpec> OpenVSwitch(const SandboxOptions& options, const SandboxLayout& layout, int card) {
  const std::string dir = layout.ovs_dir(card), bin = options.ovs_dir + "/bin/";
  const std::vector<std::pair<std::string, std::string>> environment = {
      {"OVS_RUNDIR", dir}, {"OVS_LOGDIR", dir}, {"OVS_DBDIR", dir}, {"OVS_SYSCONFDIR", dir}};
  const auto daemon = [&](const std::string& program) {
    ProcessSpec spec{
        .name = Numbered(program, card), .environment = environment, .netns = layout.dpu_name(card)};
    spec.pidfile = absl::StrCat(dir, "/", program, ".pid");
    spec.argv = {bin + program,
                 "--detach",
                 "--no-chdir",
                 "--pidfile=" + spec.pidfile,
                 "--log-file=" + layout.log(spec.name),
                 "-vconsole:off",
                 "-vsyslog:off",
                 "-vfile:info"};
    return spec;
  };
  ProcessSpec database = daemon("ovsdb-server");
  // Kept over a restart: what the switch was told must survive as it does on a DPU.
  database.prepare = {{"sh", "-c", R"(test -e "$0" || exec "$1" create "$0" "$2")", dir + "/conf.db",
                       bin + "ovsdb-tool", options.ovs_dir + "/share/vswitch.ovsschema"}};
  database.argv.push_back("--remote=p" + layout.ovsdb(card));
  database.argv.push_back(dir + "/conf.db");
  database.sockets = {layout.ovsdb(card)};

  ProcessSpec vswitchd = daemon("ovs-vswitchd");
  vswitchd.prepare = {{bin + "ovs-vsctl", "--db=" + layout.ovsdb(card), "--no-wait", "init"}};
  vswitchd.argv.push_back(layout.ovsdb(card));
  // A switch in user space sends tunnels through a bridge of its own, whose interface has the address; the
  // interface goes with the daemon.
  const std::string vsctl = bin + "ovs-vsctl", db = "--db=" + layout.ovsdb(card),
                    port = layout.underlay_port();
  vswitchd.finish = {{vsctl, db, "--may-exist", "add-br", "br-underlay", "--", "set", "bridge", "br-underlay",
                      "datapath_type=netdev", "--", "--may-exist", "add-port", "br-underlay", port},
                     {"ip", "address", "replace", layout.vtep(card) + "/24", "dev", "br-underlay"},
                     {"ip", "link", "set", "br-underlay", "up"}};
  return {database, vswitchd};
}

ProcessSpec XpuAgent(const SandboxOptions& options, const SandboxLayout& layout, int card) {
  ProcessSpec spec{.name = Numbered("xpu-agent", card), .netns = layout.dpu_name(card)};
  spec.argv = {options.bin_dir + "/xpu-agent",
               "--card",
               layout.card_name(card),
               "--sysfs",
               layout.dpu_sysfs(card),
               "--listen",
               layout.xpu_agent(card),
               "--database",
               layout.dpu_dir(card) + "/xpu-agent.db",
               "--ovsdb",
               layout.ovsdb(card),
               "--openflow-dir",
               layout.ovs_dir(card),
               "--bridge",
               "br-xpu",
               "--datapath-type",
               "netdev",
               "--host-vlans",
               "0,100-199",
               "--vtep",
               layout.vtep(card),
               "--underlay-mtu",
               absl::StrCat(kUnderlayMtu),
               "--uplink",
               layout.uplink_port(),
               "--api-server",
               layout.api_server(options.ClusterNames().back()),
               "--log-level",
               options.log_level};
  spec.sockets = {layout.xpu_agent(card)};
  return spec;
}

ProcessSpec ApiServer(const SandboxOptions& options, const SandboxLayout& layout,
                      const std::string& cluster) {
  const bool tenant = cluster == SandboxLayout::tenant_cluster();
  ProcessSpec spec{.name = tenant ? "xpu-apiserver" : absl::StrCat("xpu-apiserver-", cluster),
                   .netns = tenant ? "host" : "fabric",
                   .sockets = {layout.api_server(cluster)}};
  spec.argv = {options.bin_dir + "/xpu-apiserver",
               "--listen",
               layout.api_server(cluster),
               "--database",
               absl::StrCat(layout.dir(), "/", spec.name, ".db"),
               "--log-level",
               options.log_level};
  return spec;
}

// What a broker that copies from one API server to the next is told. The namespace has one name on both
// sides: hosts and cards also talk to each other, and call networks by namespace and name.
std::string BrokerConfig(const SandboxLayout& layout, const std::string& source, const std::string& target) {
  return absl::StrCat("origin: ", source, "\nsource: {server: \"", layout.api_server(source),
                      "\"}\ntarget: {server: \"", layout.api_server(target), R"("}
lease: {cluster: target, namespace: default, name: xpu-broker}
policies:
- kinds: [Network, Netdev, Service, EndpointSlice, NetworkPolicy]
  namespaces:
  - {source: default, target: default}
)");
}

// Between each API server and the next.
std::vector<ProcessSpec> Brokers(const SandboxOptions& options, const SandboxLayout& layout) {
  const std::vector<std::string> clusters = options.ClusterNames();
  std::vector<ProcessSpec> brokers;
  for (size_t i = 0; i + 1 < clusters.size(); ++i) {
    ProcessSpec spec{.name = absl::StrCat("xpu-broker-", clusters[i]), .netns = i == 0 ? "host" : "fabric"};
    spec.files = {{layout.broker_config(spec.name), BrokerConfig(layout, clusters[i], clusters[i + 1])}};
    spec.argv = {options.bin_dir + "/xpu-broker", "--config", layout.broker_config(spec.name), "--log-level",
                 options.log_level};
    brokers.push_back(std::move(spec));
  }
  return brokers;
}

ProcessSpec HostAgent(const SandboxOptions& options, const SandboxLayout& layout) {
  ProcessSpec spec{.name = "xpu-host-agent", .netns = "host", .sockets = {layout.host_agent()}};
  spec.argv = {options.bin_dir + "/xpu-host-agent",
               "--sysfs",
               layout.host_sysfs(),
               "--listen",
               layout.host_agent(),
               "--journal",
               layout.journal(),
               "--node",
               layout.node_name(),
               "--api-server",
               layout.api_server(),
               "--pod-resources",
               layout.pod_resources(),
               "--kubelet-devices",
               layout.plugin_dir(),
               "--log-level",
               options.log_level};
  for (int card = 0; card < options.cards; ++card) {
    spec.argv.push_back("--card");
    spec.argv.push_back(
        absl::StrCat(layout.card_name(card), "=", layout.pf_address(card), "=", layout.xpu_agent(card)));
  }
  return spec;
}

}  // namespace

std::vector<std::pair<std::string, std::vector<std::string>>> FabricCommands(const SandboxOptions& options) {
  const SandboxLayout layout(options.dir);
  const std::string fabric = "fabric", mtu = absl::StrCat(kUnderlayMtu);
  std::vector<std::pair<std::string, std::vector<std::string>>> commands;
  for (const std::string bridge : {"underlay", "lan"}) {
    commands.push_back({fabric, {"ip", "link", "add", bridge, "mtu", mtu, "up", "type", "bridge"}});
    for (int card = 0; card < options.cards; ++card) {
      const std::string dpu = layout.dpu_name(card), near = absl::StrCat(bridge, card);
      const std::string far = bridge == "lan" ? layout.uplink_port() : layout.underlay_port();
      commands.push_back({fabric,
                          {"ip", "link", "add", near, "mtu", mtu, "up", "master", bridge, "type", "veth",
                           "peer", "name", far, "mtu", mtu, "netns", layout.netns(dpu)}});
      commands.push_back({dpu, {"ip", "link", "set", far, "up"}});
    }
  }
  return commands;
}

std::vector<ProcessSpec> SandboxProcesses(const SandboxOptions& options) {
  const SandboxLayout layout(options.dir);
  const auto& bin = options.bin_dir;
  std::vector<ProcessSpec> all = {CardEmulator(options, layout)};
  for (int card = 0; card < options.cards; ++card) {
    for (ProcessSpec& spec : OpenVSwitch(options, layout, card)) all.push_back(std::move(spec));
  }
  for (const std::string& cluster : options.ClusterNames())
    all.push_back(ApiServer(options, layout, cluster));
  for (ProcessSpec& spec : Brokers(options, layout)) all.push_back(std::move(spec));
  for (int card = 0; card < options.cards; ++card) all.push_back(XpuAgent(options, layout, card));
  all.push_back(HostAgent(options, layout));
  all.push_back({.name = "xpu-kubelet-standin",
                 .argv = {bin + "/xpu-kubelet-standin", "--plugin-dir", layout.plugin_dir(),
                          "--pod-resources", layout.pod_resources(), "--listen", layout.kubelet_control(),
                          "--log-level", options.log_level},
                 .netns = "host",
                 .sockets = {layout.kubelet_control(), "unix:" + layout.plugin_dir() + "/kubelet.sock"}});
  all.push_back(
      {.name = "xpu-device-plugin",
       .argv = {bin + "/xpu-device-plugin", "--host-agent", layout.host_agent(), "--plugin-dir",
                layout.plugin_dir(), "--resource", layout.resource_name(), "--cdi-dir", layout.dir() + "/cdi",
                "--device-info-dir", layout.dir() + "/devinfo", "--log-level", options.log_level},
       .netns = "host"});
  return all;
}

}  // namespace xpu
