#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace xpu {

// What a sandbox is made of.
struct SandboxOptions {
  std::string name = "default";
  // Emulated cards, each with a DPU of its own: 1 to 8.
  int cards = 1;
  // VFs of each card: 1 to 250.
  int vfs = 8;
  // API servers: 1, which all use; 2, the one of the host and its people (the tenant's) and the one of the
  // cards (infra), with a broker between them; 3, as 2 with one in the middle that both sides can reach.
  int clusters = 1;
  // Everything of the sandbox lives below it; empty: /run/xpu-sandbox/<name>.
  std::string dir;
  // The project's programs; empty: the folder of the running one.
  std::string bin_dir;
  // Open vSwitch's bin/ and share/; empty: what the build used.
  std::string ovs_dir;
  std::string log_level = "info";

  // Fills in what is empty. InvalidArgument with the option that is wrong: numbers out of bounds, a name that
  // is no DNS label, a folder so long that the sockets below it could not be bound (unix(7), sun_path).
  absl::Status Complete();
  // Names of the API servers, from the host's to the cards': "tenant", "broker", "infra".
  std::vector<std::string> ClusterNames() const;
  std::string ToJson() const;
  static absl::StatusOr<SandboxOptions> FromJson(const std::string& text);
};

// Where things are in a sandbox. Pure: makes paths, touches nothing.
class SandboxLayout {
 public:
  explicit SandboxLayout(std::string dir) : dir_(std::move(dir)) {}

  const std::string& dir() const { return dir_; }
  // The options that it was made with.
  std::string options_file() const { return dir_ + "/sandbox.json"; }
  // A namespace: "host", "dpu0", a pod's, or "fabric": what is between the cards. That has two bridges,
  // "underlay" and "lan", with the interfaces "underlay0", "lan0" and so on that lead to the cards' ports.
  std::string netns(const std::string& name) const { return netns_dir() + "/" + name; }
  std::string netns_dir() const { return dir_ + "/netns"; }

  // What the host's agents are told is /sys, and the DPU's.
  std::string host_sysfs() const { return dir_ + "/host/sys"; }
  std::string dpu_sysfs(int card) const { return dpu_dir(card) + "/sys"; }
  std::string dpu_dir(int card) const { return dir_ + "/" + dpu_name(card); }
  static std::string dpu_name(int card) { return "dpu" + std::to_string(card); }
  static std::string card_name(int card) { return "card" + std::to_string(card); }
  // Address of the card's tunnels on the underlay.
  static std::string vtep(int card) { return "192.0.2." + std::to_string(card + 1); }
  // The cards' physical ports: the one of the underlay, and the one of networks of VLANs.
  static std::string underlay_port() { return "p0"; }
  static std::string uplink_port() { return "p1"; }
  // Address of the card's physical function on the host.
  static std::string pf_address(int card) { return "0000:0" + std::to_string(3 + card) + ":00.0"; }
  // What Netdevs call the host.
  static std::string node_name() { return "sandbox"; }
  // What the device plugin offers the VFs as.
  static std::string resource_name() { return "xpu.opiproject.org/vf"; }

  // Sockets, as "unix:/path". The API server that the host and its people use.
  std::string api_server() const { return api_server(tenant_cluster()); }
  // Of one of SandboxOptions::ClusterNames().
  std::string api_server(const std::string& cluster) const {
    return "unix:" + dir_ + "/" + (cluster == tenant_cluster() ? "apiserver" : "apiserver-" + cluster) +
           ".sock";
  }
  static std::string tenant_cluster() { return "tenant"; }
  // A path: what a broker is told to copy.
  std::string broker_config(const std::string& broker) const { return dir_ + "/" + broker + ".yaml"; }
  std::string host_agent() const { return "unix:" + dir_ + "/host-agent.sock"; }
  std::string xpu_agent(int card) const { return "unix:" + dpu_dir(card) + "/xpu-agent.sock"; }
  std::string ovsdb(int card) const { return "unix:" + ovs_dir(card) + "/db.sock"; }
  std::string kubelet_control() const { return "unix:" + dir_ + "/kubelet-control.sock"; }

  std::string ovs_dir(int card) const { return dpu_dir(card) + "/ovs"; }
  // The stand-in kubelet's folder for plugins.
  std::string plugin_dir() const { return dir_ + "/device-plugins"; }
  // A path: where the kubelet tells which pods hold devices.
  std::string pod_resources() const { return dir_ + "/pod-resources.sock"; }
  std::string journal() const { return dir_ + "/host/journal.db"; }
  std::string log(const std::string& process) const { return log_dir() + "/" + process + ".log"; }
  std::string log_dir() const { return dir_ + "/log"; }
  // One file for each process that was started.
  std::string record(const std::string& process) const { return record_dir() + "/" + process; }
  std::string record_dir() const { return dir_ + "/run"; }

 private:
  std::string dir_;
};

}  // namespace xpu
