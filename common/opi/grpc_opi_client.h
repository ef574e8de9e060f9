#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/opi/opi_client.h"
#include "common/opi/port_watch.h"
#include "common/rpc/rpc.h"

namespace xpu {

// An OpiClient over gRPC. A call without a connection fails at once (Unavailable) instead of waiting for one;
// the connection comes back by itself, ObserveConnection() tells when.
class GrpcOpiClient : public OpiClient {
 public:
  struct Options {
    TlsFiles tls;
    // Of each call; lists have it for each page.
    absl::Duration deadline = absl::Seconds(10);
    // Of WatchPorts().
    PortWatch::Options port_watch = {};
  };
  // `address` as MakeChannel() takes it. Makes the channel but does not wait for a connection.
  static absl::StatusOr<std::unique_ptr<GrpcOpiClient>> Make(const std::string& address,
                                                             const Options& options);
  static absl::StatusOr<std::unique_ptr<GrpcOpiClient>> Make(const std::string& address);
  // No call may be running.
  ~GrpcOpiClient() override;

  absl::StatusOr<evpn::LogicalBridge> CreateLogicalBridge(const std::string& id,
                                                          const evpn::LogicalBridgeSpec& spec) override;
  absl::StatusOr<evpn::LogicalBridge> GetLogicalBridge(const std::string& name) override;
  absl::StatusOr<std::vector<evpn::LogicalBridge>> ListLogicalBridges() override;
  absl::Status DeleteLogicalBridge(const std::string& name) override;
  absl::StatusOr<evpn::BridgePort> CreateBridgePort(const std::string& id, const evpn::BridgePortSpec& spec,
                                                    int64_t claim) override;
  absl::StatusOr<evpn::BridgePort> GetBridgePort(const std::string& name) override;
  absl::StatusOr<std::vector<evpn::BridgePort>> ListBridgePorts() override;
  absl::Status DeleteBridgePort(const std::string& name, int64_t claim) override;
  absl::StatusOr<agent::v1::Subnets> SetSubnets(const agent::v1::Subnets& subnets) override;
  absl::StatusOr<agent::v1::PortBinding> BindPort(const agent::v1::BindPortRequest& request) override;
  absl::Status UnbindPort(const agent::v1::UnbindPortRequest& request) override;
  absl::StatusOr<std::vector<agent::v1::PortBinding>> ListPortBindings() override;
  void ObserveConnection(std::function<void(bool connected)> changed) override;
  void WatchPorts(std::function<void(const absl::StatusOr<agent::v1::PortStates>& states)> changed) override;

 private:
  struct State;
  explicit GrpcOpiClient(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace xpu
