// xpu-host-agent: owns the functions of this host's cards, gives them to pods and takes them back.

#include <malloc.h>

#include <csignal>
#include <functional>
#include <map>
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
#include "common/opi/grpc_opi_client.h"
#include "common/sys/announce.h"
#include "common/sys/devlink_real.h"
#include "common/sys/files.h"
#include "common/sys/net_namespaces_real.h"
#include "common/sys/netlink_real.h"
#include "common/sys/sysfs_pci_bus.h"
#include "common/vendor_plugin/vendor_plugin.h"
#include "host-agent/alloc/sqlite_journal.h"
#include "host-agent/ipam/exec_ipam.h"
#include "host-agent/podresources/grpc_pod_resources.h"
#include "host-agent/provision/host_config.h"
#include "host-agent/service/dpu_operator_endpoint.h"
#include "host-agent/service/host_agent.h"
#include "host-agent/service/lost_claims.h"
#include "spdlog/spdlog.h"

namespace {

struct Flags {
  std::string sysfs = "/sys";
  std::string listen = "unix:/run/xpu/host-agent.sock";
  std::string journal = "/var/lib/xpu/host-agent.db";
  std::string node;
  std::string config;
  std::vector<std::string> cards;
  xpu::KubeFlags api;
  std::string dpu_operator_socket;
  std::string vendor_plugin_socket;
  std::string dpu_operator_endpoint;
  std::string pod_resources = "/var/lib/kubelet/pod-resources/kubelet.sock";
  std::string kubelet_devices = "/var/lib/kubelet/device-plugins";
  std::string log_level = "info";
};

// Of the cards that are not on this machine, by endpoint.
using Credentials = std::map<std::string, std::shared_ptr<xpu::TlsCredentials>>;

absl::StatusOr<Credentials> LoadCredentials(const std::map<std::string, xpu::TlsFiles>& files,
                                            xpu::EventLoop& loop) {
  Credentials credentials;
  for (const auto& [endpoint, tls] : files) {
    std::shared_ptr<xpu::TlsCredentials>& loaded = credentials[endpoint];
    XPU_ASSIGN_OR_RETURN(loaded, xpu::TlsCredentials::Load(tls));
    XPU_RETURN_IF_ERROR(loaded->Follow(loop));
  }
  return credentials;
}

absl::StatusOr<std::unique_ptr<xpu::OpiClient>> OpenCard(const Credentials& credentials,
                                                         const std::string& endpoint) {
  xpu::GrpcOpiClient::Options options;
  if (const auto known = credentials.find(endpoint); known != credentials.end()) {
    options.credentials = known->second;
  }
  XPU_ASSIGN_OR_RETURN(std::unique_ptr<xpu::OpiClient> client, xpu::GrpcOpiClient::Make(endpoint, options));
  return client;
}

absl::Status Run(const Flags& flags) {
  XPU_RETURN_IF_ERROR(xpu::InitLogging("xpu-host-agent", flags.log_level));
  xpu::HostAgentOptions options;
  options.node = flags.node;
  options.listen = flags.listen;
  options.dpu_operator_socket = flags.dpu_operator_socket;
  options.vendor_plugin_socket = flags.vendor_plugin_socket;
  options.dpu_operator_endpoint = flags.dpu_operator_endpoint;
  options.kubelet_devices = flags.kubelet_devices;
  std::map<std::string, xpu::TlsFiles> tls;
  if (!flags.config.empty()) {
    const absl::StatusOr<std::string> text = xpu::ReadFile(flags.config);
    if (!text.ok()) return xpu::Annotate(text.status(), "the configuration cannot be read");
    XPU_ASSIGN_OR_RETURN(options.cards, xpu::ReadHostConfig(*text, flags.config));
    XPU_ASSIGN_OR_RETURN(options.namespaces, xpu::ReadCardNamespaces(*text, flags.config));
    XPU_ASSIGN_OR_RETURN(tls, xpu::ReadCardCredentials(*text, flags.config));
  }
  for (const std::string& text : flags.cards) {
    XPU_ASSIGN_OR_RETURN(options.cards.emplace_back(), xpu::ParseCard(text));
  }

  xpu::EventLoop loop;
  // There is nothing to finish before it serves.
  std::function<void()> drain = [&loop] { loop.Stop(); };
  const auto stop = [&drain] { drain(); };
  const xpu::EventLoop::Handle on_term = loop.OnSignal(SIGTERM, stop);
  const xpu::EventLoop::Handle on_int = loop.OnSignal(SIGINT, stop);
  XPU_ASSIGN_OR_RETURN(const Credentials credentials, LoadCredentials(tls, loop));
  xpu::SysfsPciBus bus(flags.sysfs);
  xpu::NetlinkFactoryReal netlinks;
  xpu::NetNamespacesReal namespaces;
  xpu::DevlinkReal devlink;
  xpu::ExecIpamRunner ipam;
  xpu::Announcer announcer;
  XPU_ASSIGN_OR_RETURN(const xpu::SqliteJournal::Opened opened,
                       xpu::SqliteJournal::OpenOrReplace(flags.journal));
  xpu::SqliteJournal& journal = *opened.journal;
  if (opened.lost) {
    spdlog::error("the journal {} is damaged ({}); it is {} now, {} claims of it are in the new one",
                  flags.journal, opened.lost->reason, opened.lost->moved_to, opened.lost->salvaged);
  }
  std::function<absl::Status()> complete;
  if (!journal.complete()) complete = [&journal] { return journal.SetComplete(); };
  std::unique_ptr<xpu::PodResources> pod_resources;
  if (!flags.pod_resources.empty()) {
    pod_resources = std::make_unique<xpu::GrpcPodResources>(flags.pod_resources);
  }
  std::unique_ptr<xpu::KubeClient> store;
  if (flags.api.given()) {
    XPU_ASSIGN_OR_RETURN(const xpu::KubeEndpoint endpoint, xpu::EndpointFromFlags(flags.api));
    XPU_ASSIGN_OR_RETURN(store, xpu::KubeClient::Make(endpoint));
  }
  const auto ready = [&drain](std::function<void()> drain_agent) {
    drain = std::move(drain_agent);
    // What starting took is given back.
    malloc_trim(0);
    if (const absl::Status status = xpu::NotifyReady(); !status.ok()) {
      spdlog::warn("the service manager could not be told that the agent serves: {}", status.ToString());
    }
  };
  return xpu::RunHostAgent(options, {.loop = loop,
                                     .bus = bus,
                                     .netlinks = netlinks,
                                     .namespaces = namespaces,
                                     .journal = journal,
                                     .announce = std::bind_front(&xpu::Announcer::Announce, &announcer),
                                     .open_card = std::bind_front(&OpenCard, std::cref(credentials)),
                                     .devlink = &devlink,
                                     .ipam = &ipam,
                                     .pod_resources = pod_resources.get(),
                                     .pod_namespaces = xpu::BoundNamespaces,
                                     .journal_complete = complete,
                                     .store = store.get(),
                                     .ready = ready});
}

}  // namespace

int main(int argc, char** argv) {
  // Dozens of threads that wait most of the time: a part of the heap for each would lie idle, and what one
  // leaves free there no other could use.
  mallopt(M_ARENA_MAX, 1);
  Flags flags;
  CLI::App app{"Gives the functions of this host's cards to pods, and takes them back."};
  app.add_option("--sysfs", flags.sysfs, "Where the kernel's sysfs is")->capture_default_str();
  app.add_option("--listen", flags.listen, "Socket for the CNI plugin, the device plugin and xpuctl")
      ->capture_default_str();
  app.add_option("--journal", flags.journal, "File in which claims are written before anything is done")
      ->capture_default_str();
  app.add_option("--node", flags.node, "Name of this host, as Kubernetes calls the node")->required();
  app.add_option("--config", flags.config,
                 "Cards and the functions that they are to have, YAML or JSON: see "
                 "docs/reference/host-agent-configuration.md");
  app.add_option(
      "--card", flags.cards,
      "A card that is used as it is: NAME=PF=ENDPOINT, the PCI address of its physical function and "
      "where its xPU agent serves, or NAME=PF if it has none; once for each physical function");
  xpu::AddKubeFlags(app, flags.api, "for the Netdev resources");
  app.add_option(
      "--dpu-operator-socket", flags.dpu_operator_socket,
      absl::StrCat("Serve openshift/dpu-operator's CNI plugin too, on this socket; the plugin uses ",
                   xpu::kDpuOperatorSocket));
  app.add_option(
      "--vendor-plugin-socket", flags.vendor_plugin_socket,
      absl::StrCat(
          "Serve that project's daemon too, as the host's side of its vendor plugin, on this socket; the "
          "daemon uses ",
          xpu::kVendorPluginSocket));
  app.add_option("--dpu-operator-endpoint", flags.dpu_operator_endpoint,
                 "IP:PORT at which that daemon is told to find the one on the card");
  app.add_option("--pod-resources", flags.pod_resources,
                 "The kubelet's socket for what pods hold, by which claims of pods that are gone are found; "
                 "there need be none, and empty asks nobody")
      ->capture_default_str();
  app.add_option("--kubelet-devices", flags.kubelet_devices,
                 "The kubelet's folder of device plugins, where it writes its checkpoint")
      ->capture_default_str();
  app.add_option("--log-level", flags.log_level, "debug, info, warn or error")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (const absl::Status status = Run(flags); !status.ok()) {
    spdlog::error("{}", std::string(status.message()));
    return 1;
  }
  return 0;
}
