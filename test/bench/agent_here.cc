#include "test/bench/agent_here.h"

#include <functional>
#include <utility>

#include "absl/synchronization/notification.h"
#include "common/base/status_macros.h"
#include "common/sys/net_namespaces_real.h"
#include "common/sys/netlink_real.h"
#include "xpu-agent/agent/agent.h"

namespace xpu::testing {

AgentHere::AgentHere(TestOvs& ovs, const Options& options)
    : ovs_(ovs),
      options_(options),
      switch_({.ovsdb_remote = ovs.remote(),
               .openflow_dir = ovs.openflow_dir(),
               .bridge = options.bridge,
               .datapath_type = "netdev",
               .owner = options.card}),
      packets_({.openflow_dir = ovs.openflow_dir(), .bridge = options.bridge}) {}

absl::StatusOr<std::unique_ptr<AgentHere>> AgentHere::Start(TestOvs& ovs, const Options& options) {
  std::unique_ptr<AgentHere> agent(new AgentHere(ovs, options));
  // Once it serves, or has ended before that; both on its thread, and nothing of this is used afterwards.
  struct Settled {
    bool serves = false;
    absl::Notification notification;
  };
  const auto settled = std::make_shared<Settled>();
  agent->thread_ = std::thread([agent = agent.get(), settled] {
    agent->ovs_.netns().Call([&] {
      agent->ended_ = agent->Run([&settled] {
        settled->serves = true;
        settled->notification.Notify();
      });
    });
    if (!settled->serves) settled->notification.Notify();
  });
  settled->notification.WaitForNotification();
  if (settled->serves) return agent;
  agent->thread_.join();
  return agent->ended_;
}

AgentHere::~AgentHere() {
  loop_.Stop();
  if (thread_.joinable()) thread_.join();
}

absl::Status AgentHere::Run(const std::function<void()>& serves) {
  XPU_ASSIGN_OR_RETURN(const std::unique_ptr<SqliteModelStore> store,
                       SqliteModelStore::Open(options_.folder + "/agent.db"));
  XPU_ASSIGN_OR_RETURN(const auto netns, NetNamespacesReal().Open(ovs_.netns().path()));
  XPU_ASSIGN_OR_RETURN(std::unique_ptr<Netlink> netlink, NetlinkFactoryReal().Open(netns));
  SysfsRepresentors representors({.sysfs = options_.folder + "/sys"}, std::move(netlink));
  std::unique_ptr<KubeClient> resources;
  if (!options_.api_server.empty()) {
    XPU_ASSIGN_OR_RETURN(resources, KubeClient::Make({.server = options_.api_server}));
  }
  XpuAgentOptions options;
  options.card = options_.card;
  options.listen = {options_.address};
  options.sysfs = options_.folder + "/sys";
  return RunXpuAgent(options, {.loop = loop_,
                               .the_switch = switch_,
                               .store = *store,
                               .representors = representors,
                               .packets = &packets_,
                               .resources = resources.get(),
                               .ready = serves});
}

}  // namespace xpu::testing
