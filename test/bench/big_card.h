#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/kube/resource_store.h"
#include "common/opi/opi_client.h"
#include "common/sys/files.h"
#include "control-plane/apiserver/test_api_server.h"
#include "test/bench/agent_here.h"
#include "test/lib/ovs/child_process.h"
#include "test/lib/ovs/test_ovs.h"

namespace xpu::testing {

// A card with as many functions as are wanted, all of them in one network by Netdev resources: an Open
// vSwitch, an API server, a sysfs that the representors (veth ends) are found in, and the program xpu-agent.
class BigCard {
 public:
  static constexpr char kBridge[] = "br-xpu";
  static constexpr char kCard[] = "card0";

  // Returns when all Netdevs are attached.
  static absl::StatusOr<std::unique_ptr<BigCard>> Make(const std::string& bin_dir, int functions);
  ~BigCard();

  // Gives a function another MAC, as a new claim, and waits until its resource says that the switch has it.
  struct Change {
    absl::Duration whole;
    // What of it the switch took, from when it had all flows until it said that it has taken them; only with
    // RunAgentHere().
    absl::Duration at_switch;
  };
  absl::StatusOr<Change> ChangeOne(int function);
  // The same over OPI, as the host agent asks for it, until that is answered.
  absl::StatusOr<absl::Duration> BindOne(int function);
  // Until the API server has told of a change of a resource that is nobody's business.
  absl::StatusOr<absl::Duration> TouchOne(int function);

  pid_t agent_pid() const { return agent_.pid(); }
  // As kill -9 does.
  void KillAgent() { agent_.Kill(); }

  struct Restart {
    // Until the switch has confirmed what the agent knows.
    absl::Duration ready;
    uint64_t flow_mods = 0;
    size_t flows = 0;
  };
  // Runs the agent, on what the one that was killed has left, in this process, and ends it.
  absl::StatusOr<Restart> RestartAgent();
  // The same with resources, until the card goes: instead of the program, which cannot be asked what its
  // switch does.
  absl::Status RunAgentHere();

  TestOvs& ovs() { return *ovs_; }

 private:
  BigCard(TemporaryDirectory folder, int functions);
  absl::Status MakeFunctions();
  absl::Status StartAgent(const std::string& bin_dir);
  absl::StatusOr<std::unique_ptr<AgentHere>> StartHere(const std::string& socket,
                                                       const std::string& api_server);
  absl::Status Attach();
  // Waits until the Netdev is attached under its claim number.
  absl::Status AwaitAttached(int function);

  class Attached;
  TemporaryDirectory folder_;
  const int functions_;
  std::vector<int64_t> claims_;
  apiserver::TestApiServer api_;
  std::unique_ptr<TestOvs> ovs_;
  std::unique_ptr<ResourceStore> store_;
  std::unique_ptr<OpiClient> opi_;
  std::unique_ptr<Attached> attached_;
  ChildProcess agent_;
  std::unique_ptr<AgentHere> here_;
};

}  // namespace xpu::testing
