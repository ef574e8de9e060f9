#pragma once

// The whole agent on a real Open vSwitch: SQLite, netlink and OpenFlow are real, only the sysfs tree is made
// by the test.

#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "absl/synchronization/notification.h"
#include "common/base/event_loop.h"
#include "common/opi/grpc_opi_client.h"
#include "common/sys/net_namespaces_real.h"
#include "common/sys/netlink_real.h"
#include "gtest/gtest.h"
#include "test/lib/ovs/test_ovs.h"
#include "xpu-agent/agent/agent.h"
#include "xpu-agent/core/sqlite_model_store.h"
#include "xpu-agent/core/sysfs_representors.h"
#include "xpu-agent/datapath/ovs/ovs_switch.h"

namespace xpu {

// A process that lives in the switch's namespace, as on a DPU.
class AgentProcess {
 public:
  // `folder` has the agent's database and the sysfs tree "sys". `resources` may be null: OPI only.
  AgentProcess(testing::TestOvs& ovs, const std::string& folder, ResourceStore* resources = nullptr)
      : address_("unix:" + folder + "/agent.sock") {
    absl::Notification serves;
    thread_ = std::thread([&, folder, resources] {
      ovs.netns().Call([&] {
        OvsSwitch ovs_switch({.ovsdb_remote = ovs.remote(),
                              .openflow_dir = ovs.openflow_dir(),
                              .bridge = "br-xpu",
                              .datapath_type = "netdev",
                              .owner = "card0"});
        auto store = SqliteModelStore::Open(folder + "/agent.db").value();
        auto netns = NetNamespacesReal().Open(ovs.netns().path()).value();
        SysfsRepresentors representors({.sysfs = folder + "/sys"}, NetlinkFactoryReal().Open(netns).value());
        XpuAgentOptions options;
        options.card = "card0";
        options.listen = {address_};
        result_ = RunXpuAgent(options, {.loop = loop_,
                                        .the_switch = ovs_switch,
                                        .store = *store,
                                        .representors = representors,
                                        .resources = resources,
                                        .ready = [&serves] { serves.Notify(); }});
        flow_mods_ = ovs_switch.counters().flow_mods;
      });
    });
    serves.WaitForNotification();
    client_ = GrpcOpiClient::Make(address_).value();
  }
  ~AgentProcess() { End(); }

  OpiClient& opi() { return *client_; }
  // Ends it and returns how many flow mods it has sent in its life.
  uint64_t End() {
    if (thread_.joinable()) {
      loop_.Stop();
      thread_.join();
      EXPECT_EQ(result_, absl::OkStatus());
    }
    return flow_mods_;
  }

 private:
  const std::string address_;
  EventLoop loop_;
  absl::Status result_;
  uint64_t flow_mods_ = 0;
  std::thread thread_;
  std::unique_ptr<GrpcOpiClient> client_;
};

}  // namespace xpu
