#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/ip_address.h"
#include "common/base/mac_address.h"
#include "common/kube/resource_store.h"
#include "common/opi/opi_client.h"
#include "control-plane/sandbox/sandbox.h"
#include "nlohmann/json.hpp"
#include "test/lib/runtime/container_runtime.h"
#include "xpu/hostagent/v1/host_agent.pb.h"

namespace xpu::testing {

// What a pod asks for.
struct PodRequest {
  std::string name;
  // Network resource, "namespace/name" or a name in "default".
  std::string network;
  // Addresses asked for; empty: the network chooses.
  std::vector<std::string> addresses;
  // MAC asked for.
  std::string mac;
  // CNI configuration of the network definition; null: one that names `network`.
  nlohmann::json definition;
};

// A pod that has its interface.
struct Pod {
  std::string name;
  std::string netns;
  std::string container_id;
  // PCI address of its function.
  std::string device;
  // Standard input of the CNI calls.
  std::string config;
  // What ADD answered.
  nlohmann::json result;
  std::optional<IpAddress> v4, v6;
  MacAddress mac;
};

// A running sandbox and everything that a cluster does to it: the kubelet admits, the container runtime
// attaches. Calls from several threads are fine as long as they are about different pods.
class Pair {
 public:
  // Talks to a sandbox that is up. Does not own it.
  static absl::StatusOr<std::unique_ptr<Pair>> Connect(Sandbox& sandbox);
  ~Pair();

  // Makes the pod's namespace, has the kubelet allocate a VF and runs ADD. An error of the plugin comes back
  // as Internal with the plugin's words; then the pod is taken away again.
  absl::StatusOr<Pod> StartPod(const PodRequest& request);
  // Runs DEL, gives the device back to the kubelet and removes the namespace.
  absl::Status StopPod(const Pod& pod);

  // Waits until the kubelet knows of so many healthy devices.
  absl::Status AwaitDevices(int at_least);
  // Waits until the kubelet knows of this device that it is not healthy.
  absl::Status AwaitUnhealthy(const std::string& device);
  // The parts of the above. `command` is "ADD" or "DEL".
  absl::StatusOr<std::string> Allocate(const std::string& container);
  absl::Status Deallocate(const std::string& container);
  absl::StatusOr<CniOutcome> Cni(const std::string& command, const Pod& pod);
  // A pod with a name, a namespace path and a configuration, but no device yet.
  Pod Describe(const PodRequest& request) const;
  // Fills in what ADD answered.
  static absl::Status ReadResult(const std::string& output, Pod& pod);

  // Runs xpuctl against the sandbox and gives what it printed; Internal if it fails.
  absl::StatusOr<std::string> Xpuctl(const std::vector<std::string>& args);

  // API server of one of SandboxOptions::ClusterNames(), which must be one of them; store() is the tenant's.
  ResourceStore& store(const std::string& cluster) { return *stores_.at(cluster); }
  ResourceStore& store() { return store(SandboxLayout::tenant_cluster()); }

  // Waits until every Network says of its present generation that every card has confirmed it;
  // DeadlineExceeded with the first one that does not.
  absl::Status WaitUntilNetworksReady(absl::Time deadline);

  absl::StatusOr<std::vector<hostagent::v1::Claim>> Claims();

  // A connection of its own each time: one from before an agent was killed would answer Unavailable at first.
  absl::StatusOr<std::unique_ptr<OpiClient>> ConnectAgent(int card = 0);

  Sandbox& sandbox() { return sandbox_; }

 private:
  struct Stubs;
  explicit Pair(Sandbox& sandbox);

  Sandbox& sandbox_;
  ContainerRuntime runtime_;
  std::unique_ptr<Stubs> stubs_;
  std::map<std::string, std::unique_ptr<ResourceStore>> stores_;
};

}  // namespace xpu::testing
