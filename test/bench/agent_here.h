#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/event_loop.h"
#include "common/kube/kube_client.h"
#include "common/sys/netlink.h"
#include "test/lib/ovs/test_ovs.h"
#include "xpu-agent/core/sqlite_model_store.h"
#include "xpu-agent/core/sysfs_representors.h"
#include "xpu-agent/datapath/ovs/ovs_packet_io.h"
#include "xpu-agent/datapath/ovs/ovs_switch.h"

namespace xpu::testing {

// xpu-agent, all of it, on threads of this process, which can ask its switch what it did.
class AgentHere {
 public:
  struct Options {
    std::string card;
    std::string bridge;
    // With the agent's database, "agent.db", and the sysfs tree, "sys".
    std::string folder;
    // Where it serves.
    std::string address;
    // Where its resources are; empty: OPI only.
    std::string api_server;
  };
  // Returns when it serves. `ovs` must outlive it.
  static absl::StatusOr<std::unique_ptr<AgentHere>> Start(TestOvs& ovs, const Options& options);
  ~AgentHere();

  OvsSwitch& the_switch() { return switch_; }

 private:
  AgentHere(TestOvs& ovs, const Options& options);
  // On the thread, in the switch's namespace; `serves` is called when it serves.
  absl::Status Run(const std::function<void()>& serves);

  TestOvs& ovs_;
  const Options options_;
  OvsSwitch switch_;
  OvsPacketIo packets_;
  EventLoop loop_;
  absl::Status ended_;
  std::thread thread_;
};

}  // namespace xpu::testing
