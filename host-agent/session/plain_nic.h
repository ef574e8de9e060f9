#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/opi/unimplemented_opi_client.h"

namespace xpu {

// Answers in place of an xPU agent for a network card that has none, one that is no DPU: its functions can be
// in the network of a VLAN, which is for the physical function to make, and in nothing else. It holds what it
// was told and does nothing; a host agent that is started anew tells it again. Safe from any thread.
class PlainNic final : public UnimplementedOpiClient {
 public:
  // `card` is for messages.
  explicit PlainNic(std::string card) : card_(std::move(card)) {}

  absl::StatusOr<evpn::BridgePort> CreateBridgePort(const std::string& id, const evpn::BridgePortSpec& spec,
                                                    int64_t claim) override;
  // FailedPrecondition for a Network resource. Addresses are taken as they are.
  absl::StatusOr<agent::v1::PortBinding> BindPort(const agent::v1::BindPortRequest& request) override;
  absl::Status UnbindPort(const agent::v1::UnbindPortRequest& request) override;
  absl::StatusOr<std::vector<agent::v1::PortBinding>> ListPortBindings() override;
  // It can always be reached, and knows nothing of representors. Both are said within the call.
  void ObserveConnection(std::function<void(bool connected)> changed) override;
  void WatchPorts(std::function<void(const absl::StatusOr<agent::v1::PortStates>& states)> changed) override;

 private:
  const std::string card_;
  absl::Mutex mu_;
  // By the name of the port.
  std::map<std::string, agent::v1::PortBinding> bindings_ ABSL_GUARDED_BY(mu_);
};

}  // namespace xpu
