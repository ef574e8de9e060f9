#include "test/lib/agent/agent_on_fakes.h"

#include <cstdlib>
#include <iostream>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

namespace xpu::testing {

AgentOnFakes::AgentOnFakes(const Options& options)
    : options_(options),
      folder_(TemporaryDirectory::Make().value()),
      address_("unix:" + folder_.path() + "/agent.sock"),
      representors_(options.functions),
      client_(GrpcOpiClient::Make(address_, {.tls = {}, .deadline = options.call_deadline}).value()) {
  Start();
}

AgentOnFakes::~AgentOnFakes() {
  // Or its thread would never come back from the switch.
  switch_.Release();
  Stop();
}

void AgentOnFakes::Start() {
  loop_ = std::make_unique<EventLoop>();
  packets_ = std::make_unique<FakePacketIo>();
  absl::Notification serves;
  process_ = std::thread([this, &serves] {
    XpuAgentOptions options;
    options.card = "card0";
    options.listen = {address_};
    options.host_vlans = VlanRanges::Parse("0,100-199").value();
    options.confirm_deadline = options_.confirm_deadline;
    options.switch_retry = {.initial = absl::Milliseconds(10), .max = absl::Milliseconds(100)};
    if (options_.adjust) options_.adjust(options);
    absl::Status status = RunXpuAgent(options, {.loop = *loop_,
                                                .the_switch = switch_,
                                                .store = store_,
                                                .representors = representors_,
                                                .packets = packets_.get(),
                                                .resources = options_.resources,
                                                .offload = options_.offload,
                                                .ready = [&serves] { serves.Notify(); }});
    if (!status.ok()) {
      std::cerr << "the agent ended: " << status << std::endl;
      std::abort();
    }
  });
  serves.WaitForNotification();
}

void AgentOnFakes::Stop() {
  if (!process_.joinable()) return;
  loop_->Stop();
  process_.join();
}

void AgentOnFakes::AwaitConnected() {
  absl::Mutex mu;
  bool is_connected = false;
  client_->ObserveConnection([&](bool connected) {
    absl::MutexLock lock(&mu);
    is_connected = connected;
  });
  {
    absl::MutexLock lock(&mu);
    mu.Await(absl::Condition(&is_connected));
  }
  client_->ObserveConnection(nullptr);
}

}  // namespace xpu::testing
