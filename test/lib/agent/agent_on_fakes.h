#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/time/time.h"
#include "common/base/event_loop.h"
#include "common/kube/resource_store.h"
#include "common/opi/grpc_opi_client.h"
#include "common/sys/files.h"
#include "xpu-agent/agent/agent.h"
#include "xpu-agent/core/fake_representors.h"
#include "xpu-agent/core/memory_model_store.h"
#include "xpu-agent/datapath/fake_packet_io.h"
#include "xpu-agent/datapath/fake_switch.h"

namespace xpu::testing {

// A whole xPU agent in this process, on a switch, a store and representors in memory, that serves on a real
// socket. Its host may choose VLANs 0 and 100 to 199. The switch, the store and the representors stay while
// the agent is stopped and started again.
class AgentOnFakes {
 public:
  struct Options {
    // Functions host0-0 and on.
    int functions = 8;
    absl::Duration confirm_deadline = absl::Seconds(10);
    // Deadline of the client.
    absl::Duration call_deadline = absl::Seconds(20);
    ResourceStore* resources = nullptr;
    // What the switch says of its offload; null: it does not tell.
    std::function<absl::StatusOr<std::map<std::string, PortOffload>>()> offload = nullptr;
    // What is different about the agent's own options; for each start.
    std::function<void(XpuAgentOptions& options)> adjust;
  };
  explicit AgentOnFakes(const Options& options);
  AgentOnFakes() : AgentOnFakes(Options()) {}
  ~AgentOnFakes();

  // Returns when it serves.
  void Start();
  // Ends the process; nothing that it has not written to the store is remembered. While the switch is held,
  // those who wait are answered, and the rest waits for its release.
  void Stop();
  // Waits until the client is connected (again). Takes the client's observer away.
  void AwaitConnected();

  // Stays the same over restarts of the agent.
  OpiClient& client() { return *client_; }
  const std::string& address() const { return address_; }
  FakeSwitch& the_switch() { return switch_; }
  // Those of the agent that runs now.
  FakePacketIo& packets() { return *packets_; }
  MemoryModelStore& store() { return store_; }
  FakeRepresentors& representors() { return representors_; }

 private:
  const Options options_;
  TemporaryDirectory folder_;
  const std::string address_;
  FakeSwitch switch_;
  std::unique_ptr<FakePacketIo> packets_;
  MemoryModelStore store_;
  FakeRepresentors representors_;
  std::unique_ptr<EventLoop> loop_;
  std::thread process_;
  std::unique_ptr<GrpcOpiClient> client_;
};

}  // namespace xpu::testing
