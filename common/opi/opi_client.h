#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "opi/network/evpn_gw/v1alpha1/evpn_gw.pb.h"
#include "xpu/agent/v1/chain_service.pb.h"
#include "xpu/agent/v1/port_service.pb.h"

namespace xpu {

namespace evpn = ::opi_api::network::evpn_gw::v1alpha1;

// One xPU agent, or another vendor's OPI bridge, as its clients see it. Safe from any thread. Each call
// blocks until the answer, bounded by the implementation's deadline (DeadlineExceeded); Unavailable when
// there is no connection. Other errors are the services' own (proto/opi,
// proto/xpu/agent/v1/port_service.proto and chain_service.proto).
//
// `claim` goes along as metadata "xpu-claim" (see port_service.proto); 0 leaves it out.
class OpiClient {
 public:
  virtual ~OpiClient() = default;

  // `id` is the last part of the name. The same id with the same spec again returns what is there; with
  // another spec, AlreadyExists.
  virtual absl::StatusOr<evpn::LogicalBridge> CreateLogicalBridge(const std::string& id,
                                                                  const evpn::LogicalBridgeSpec& spec) = 0;
  // `name` is "logicalBridges/<id>".
  virtual absl::StatusOr<evpn::LogicalBridge> GetLogicalBridge(const std::string& name) = 0;
  // All pages.
  virtual absl::StatusOr<std::vector<evpn::LogicalBridge>> ListLogicalBridges() = 0;
  // A bridge that is not there is OK; FailedPrecondition while ports are in it.
  virtual absl::Status DeleteLogicalBridge(const std::string& name) = 0;

  virtual absl::StatusOr<evpn::BridgePort> CreateBridgePort(const std::string& id,
                                                            const evpn::BridgePortSpec& spec,
                                                            int64_t claim) = 0;
  virtual absl::StatusOr<evpn::BridgePort> GetBridgePort(const std::string& name) = 0;
  virtual absl::StatusOr<std::vector<evpn::BridgePort>> ListBridgePorts() = 0;
  // A port that is not there is OK.
  virtual absl::Status DeleteBridgePort(const std::string& name, int64_t claim) = 0;

  // Routing domains and the gateways of bridges in them, like bridges. A VRF with SVIs and a bridge with one
  // are FailedPrecondition to delete.
  virtual absl::StatusOr<evpn::Vrf> CreateVrf(const std::string& id, const evpn::VrfSpec& spec) = 0;
  virtual absl::StatusOr<evpn::Vrf> GetVrf(const std::string& name) = 0;
  virtual absl::StatusOr<std::vector<evpn::Vrf>> ListVrfs() = 0;
  virtual absl::Status DeleteVrf(const std::string& name) = 0;
  // `spec` names VRF and bridge by their names. Without a MAC the agent gives one.
  virtual absl::StatusOr<evpn::Svi> CreateSvi(const std::string& id, const evpn::SviSpec& spec) = 0;
  // Makes the whole spec this one, without taking the gateway away meanwhile; NotFound if there is none.
  virtual absl::StatusOr<evpn::Svi> UpdateSvi(const std::string& name, const evpn::SviSpec& spec) = 0;
  virtual absl::StatusOr<evpn::Svi> GetSvi(const std::string& name) = 0;
  virtual absl::StatusOr<std::vector<evpn::Svi>> ListSvis() = 0;
  virtual absl::Status DeleteSvi(const std::string& name) = 0;

  virtual absl::StatusOr<agent::v1::Subnets> SetSubnets(const agent::v1::Subnets& subnets) = 0;
  virtual absl::StatusOr<agent::v1::PortBinding> BindPort(const agent::v1::BindPortRequest& request) = 0;
  virtual absl::Status UnbindPort(const agent::v1::UnbindPortRequest& request) = 0;
  virtual absl::StatusOr<std::vector<agent::v1::PortBinding>> ListPortBindings() = 0;
  virtual absl::Status SetAddressBlocks(const agent::v1::SetAddressBlocksRequest& request) = 0;
  virtual absl::Status UpdateRemotePorts(const agent::v1::UpdateRemotePortsRequest& request) = 0;
  // Makes the network functions of a chain exactly these (chain_service.proto).
  virtual absl::StatusOr<agent::v1::SetChainResponse> SetChain(const agent::v1::SetChainRequest& request) = 0;

  // Calls `changed` with true when the agent can be reached, with false when it no longer can; the first time
  // soon after the call, on a thread of the client's. At most one observer; null removes it, and when that
  // returns no call is running any more. Does not poll.
  virtual void ObserveConnection(std::function<void(bool connected)> changed) = 0;

  // Calls `changed` with how the representors of the card's functions are, with each new list; and with
  // Unavailable once the agent is gone or has said nothing for 900 ms (it is asked for a word every 300 ms),
  // after which the next list tells that it is back. Unimplemented: another vendor's bridge, which knows no
  // such call, so nothing is known of its ports. Goes on by itself. The observer as with ObserveConnection(),
  // and it must not block.
  virtual void WatchPorts(
      std::function<void(const absl::StatusOr<agent::v1::PortStates>& states)> changed) = 0;
};

}  // namespace xpu
