#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/opi/opi_client.h"
#include "common/opi/port_watch.h"
#include "common/rpc/tls_credentials.h"

namespace xpu {

// An OpiClient over gRPC (common/loop_rpc), on a thread of its own that sleeps while nothing happens. A call
// without a connection fails at once (Unavailable) instead of waiting for one, except for the one that is
// being made; the connection comes back by itself, ObserveConnection() tells when. Observers are called on
// that thread, so they must make no call here.
class GrpcOpiClient : public OpiClient {
 public:
  struct Options {
    TlsFiles tls;
    // Instead, credentials that may change: then there is a new connection with them, and what is under way
    // goes on over the old one.
    std::shared_ptr<TlsCredentials> credentials;
    // Of each call; lists have it for each page.
    absl::Duration deadline = absl::Seconds(10);
    // Of WatchPorts().
    PortWatch::Options port_watch = {};
  };
  // `address` is "unix:/path", "host:port" or "[v6]:port". InvalidArgument for another one, and for one that
  // is not on this machine without credentials. Does not wait for a connection.
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
  absl::StatusOr<evpn::Vrf> CreateVrf(const std::string& id, const evpn::VrfSpec& spec) override;
  absl::StatusOr<evpn::Vrf> GetVrf(const std::string& name) override;
  absl::StatusOr<std::vector<evpn::Vrf>> ListVrfs() override;
  absl::Status DeleteVrf(const std::string& name) override;
  absl::StatusOr<evpn::Svi> CreateSvi(const std::string& id, const evpn::SviSpec& spec) override;
  absl::StatusOr<evpn::Svi> UpdateSvi(const std::string& name, const evpn::SviSpec& spec) override;
  absl::StatusOr<evpn::Svi> GetSvi(const std::string& name) override;
  absl::StatusOr<std::vector<evpn::Svi>> ListSvis() override;
  absl::Status DeleteSvi(const std::string& name) override;
  absl::StatusOr<agent::v1::Subnets> SetSubnets(const agent::v1::Subnets& subnets) override;
  absl::StatusOr<agent::v1::PortBinding> BindPort(const agent::v1::BindPortRequest& request) override;
  absl::Status UnbindPort(const agent::v1::UnbindPortRequest& request) override;
  absl::StatusOr<std::vector<agent::v1::PortBinding>> ListPortBindings() override;
  absl::Status SetAddressBlocks(const agent::v1::SetAddressBlocksRequest& request) override;
  absl::Status UpdateRemotePorts(const agent::v1::UpdateRemotePortsRequest& request) override;
  absl::StatusOr<agent::v1::SetChainResponse> SetChain(const agent::v1::SetChainRequest& request) override;
  void ObserveConnection(std::function<void(bool connected)> changed) override;
  void WatchPorts(std::function<void(const absl::StatusOr<agent::v1::PortStates>& states)> changed) override;

 private:
  struct State;
  explicit GrpcOpiClient(std::unique_ptr<State> state);

  const std::unique_ptr<State> state_;
};

}  // namespace xpu
