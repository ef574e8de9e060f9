#pragma once

#include <stdlib.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "common/rpc/rpc.h"
#include "gtest/gtest.h"
#include "host-agent/service/host_agent.h"
#include "host-agent/testing/world.h"
#include "nlohmann/json.hpp"
#include "xpu/hostagent/v1/host_agent.grpc.pb.h"

namespace xpu {

// A host agent as a process runs it, on a thread of the test's, in a world that is not its own; with a
// client.
class AgentUnderTest {
 public:
  // `store` may be null.
  explicit AgentUnderTest(World& world, ResourceStore* store = nullptr) : world_(world), store_(store) {
    std::string pattern = (std::filesystem::temp_directory_path() / "xpu-host-agent-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    options_.node = "node1";
    options_.cards = {{"card0", world_.pf(), "unix:/x"}};
    options_.listen = "unix:" + folder_ + "/agent.sock";
    options_.dpu_operator_socket = folder_ + "/dpu-daemon/dpu-cni/dpu-cni-server.sock";
    options_.card_backoff = options_.api_backoff =
        options_.setup_backoff = {.initial = absl::Milliseconds(1), .max = absl::Milliseconds(20)};
    options_.kubelet_booking = absl::Seconds(1);
    SetUnhealthyPorts({});
    Start();
  }
  ~AgentUnderTest() {
    Stop();
    std::filesystem::remove_all(folder_);
  }

  void Start() {
    options_.cards.front().endpoint = world_.endpoint;
    loop_ = std::make_unique<EventLoop>();
    const auto ready = std::make_shared<absl::Notification>();
    thread_ = std::thread([this, ready] {
      const absl::Status status = RunHostAgent(
          options_,
          {.loop = *loop_,
           .bus = world_.bus(),
           .netlinks = world_.netlinks(),
           .namespaces = world_.namespaces(),
           .journal = world_.journal,
           .announce = [](const Announcement&) { return absl::OkStatus(); },
           .open_card = [this](const std::string&) -> absl::StatusOr<std::unique_ptr<OpiClient>> {
             return std::unique_ptr<OpiClient>(std::make_unique<FaultyOpiClient>(no_faults_, world_.opi));
           },
           .devlink = devlink_,
           .ipam = &world_.ipam,
           .pod_resources = kubelet_.pods,
           .pod_namespaces = [this] { return kubelet_.pod_namespaces; },
           .journal_complete = kubelet_.journal_complete,
           .store = store_,
           .ready =
               [this, ready](std::function<void()> drain) {
                 drain_ = std::move(drain);
                 ready->Notify();
               }});
      EXPECT_TRUE(status.ok()) << status;
      if (!ready->HasBeenNotified()) ready->Notify();
    });
    ready->WaitForNotification();
    channel_ = *MakeChannel(options_.listen);
    agent_ = hostagent::v1::HostAgentService::NewStub(channel_);
    cni_ = hostagent::v1::CniService::NewStub(channel_);
  }
  // What the card says of its representors: all are healthy but these.
  void SetUnhealthyPorts(const std::set<std::string>& unhealthy) {
    agent::v1::PortStates states;
    for (const char* port : {"host0-0", "host0-1", "host0-2", "host0-sf88"}) {
      agent::v1::PortState& state = *states.add_ports();
      state.set_port(port);
      state.set_healthy(!unhealthy.contains(port));
      if (!state.healthy()) state.set_reason("the representor has no carrier");
    }
    world_.opi.SetPortStates(states);
  }
  // As SIGTERM does it; AwaitEnd() waits until that is done.
  void Drain() {
    loop_->Post([this] { drain_(); });
  }
  // How long calls may take that run then; of the next life.
  void SetDrain(absl::Duration drain) { options_.drain = drain; }
  // Cuts off what runs.
  void Stop() {
    if (!thread_.joinable()) return;
    loop_->Stop();
    AwaitEnd();
  }
  void AwaitEnd() {
    thread_.join();
    agent_.reset();
    cni_.reset();
    channel_.reset();
  }

  // What the next life asks of the kubelet; not owned.
  struct Kubelet {
    PodResources* pods = nullptr;
    // Its folder of device plugins.
    std::string devices;
    // Set if the journal may lack something.
    std::vector<std::string> pod_namespaces;
    std::function<absl::Status()> journal_complete;
  };
  void RestartWith(const Kubelet& kubelet) {
    Stop();
    kubelet_ = kubelet;
    options_.kubelet_devices = kubelet.devices;
    Start();
  }

  // As an operator changes the configuration: the next life has another. `devlink` is not owned and may be
  // null.
  void Restart(const PfSetup& setup, Devlink* devlink = nullptr) {
    Stop();
    options_.cards.front().setup = setup;
    devlink_ = devlink;
    Start();
  }

  hostagent::v1::HostAgentService::Stub& agent() { return *agent_; }
  // Where the CNI plugin reaches it, and where dpu-operator's does.
  const std::string& endpoint() const { return options_.listen; }
  const std::string& dpu_operator_socket() const { return options_.dpu_operator_socket; }

  // The calls of a container runtime for a pod's "net1".
  hostagent::v1::CniResponse Add(int vf, const std::string& pod, const nlohmann::json& more = {}) {
    hostagent::v1::CniRequest request = Request(pod);
    nlohmann::json config = {{"cniVersion", "1.0.0"},
                             {"name", "blue"},
                             {"type", "xpu-cni"},
                             {"deviceID", world_.vf(vf).ToString()}};
    config.update(more.is_null() ? nlohmann::json::object() : more);
    request.set_config(config.dump());
    return Call(request, &hostagent::v1::CniService::Stub::Add);
  }
  hostagent::v1::CniResponse Del(const std::string& pod, const std::string& config = "") {
    hostagent::v1::CniRequest request = Request(pod);
    request.set_config(config);
    return Call(request, &hostagent::v1::CniService::Stub::Del);
  }
  hostagent::v1::CniResponse Check(const std::string& pod, const nlohmann::json& config) {
    hostagent::v1::CniRequest request = Request(pod);
    request.set_config(config.dump());
    return Call(request, &hostagent::v1::CniService::Stub::Check);
  }
  // About a network, and no container.
  hostagent::v1::CniResponse Gc(const nlohmann::json& config) {
    hostagent::v1::CniRequest request;
    request.set_config(config.dump());
    return Call(request, &hostagent::v1::CniService::Stub::Gc);
  }
  hostagent::v1::CniResponse Status(const nlohmann::json& config) {
    hostagent::v1::CniRequest request;
    request.set_config(config.dump());
    return Call(request, &hostagent::v1::CniService::Stub::Status);
  }
  std::vector<hostagent::v1::Claim> Claims() {
    grpc::ClientContext context;
    hostagent::v1::ListClaimsResponse response;
    EXPECT_TRUE(agent_->ListClaims(&context, {}, &response).ok());
    return {response.claims().begin(), response.claims().end()};
  }
  hostagent::v1::PhysicalFunction PhysicalFunction() {
    grpc::ClientContext context;
    hostagent::v1::ListPhysicalFunctionsResponse response;
    EXPECT_TRUE(agent_->ListPhysicalFunctions(&context, {}, &response).ok());
    EXPECT_EQ(response.physical_functions_size(), 1);
    return response.physical_functions_size() == 1 ? response.physical_functions(0)
                                                   : hostagent::v1::PhysicalFunction();
  }
  absl::StatusOr<std::map<std::string, std::string>> Allocate(const std::vector<std::string>& functions) {
    grpc::ClientContext context;
    hostagent::v1::AllocateRequest request;
    for (const std::string& function : functions) request.add_functions(function);
    hostagent::v1::AllocateResponse response;
    if (const grpc::Status status = agent_->Allocate(&context, request, &response); !status.ok()) {
      return FromGrpc(status);
    }
    return std::map<std::string, std::string>(response.envs().begin(), response.envs().end());
  }

  static hostagent::v1::CniRequest Request(const std::string& pod) {
    hostagent::v1::CniRequest request;
    request.set_container_id("c" + pod.substr(pod.rfind('/') + 1));
    request.set_ifname("net1");
    request.set_netns(pod);
    request.set_args("IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web");
    return request;
  }

 private:
  template <class Method>
  hostagent::v1::CniResponse Call(const hostagent::v1::CniRequest& request, Method method) {
    grpc::ClientContext context;
    hostagent::v1::CniResponse response;
    const grpc::Status status = (cni_.get()->*method)(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  World& world_;
  ResourceStore* const store_;
  std::string folder_;
  HostAgentOptions options_;
  Devlink* devlink_ = nullptr;
  Kubelet kubelet_;
  FaultPoint no_faults_;
  std::unique_ptr<EventLoop> loop_;
  std::function<void()> drain_;
  std::thread thread_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<hostagent::v1::HostAgentService::Stub> agent_;
  std::unique_ptr<hostagent::v1::CniService::Stub> cni_;
};

}  // namespace xpu
