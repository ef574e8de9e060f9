#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/ip_address.h"
#include "common/opi/claims.h"
#include "common/opi/opi_client.h"

namespace xpu {

// What an xPU agent would hold and answer, without a switch: every change is confirmed at once. Holds to the
// rules of OpiClient and port_service.proto. Not thread-safe.
class FakeOpiAgent {
 public:
  absl::StatusOr<evpn::LogicalBridge> CreateLogicalBridge(const std::string& id,
                                                          const evpn::LogicalBridgeSpec& spec);
  absl::StatusOr<evpn::LogicalBridge> GetLogicalBridge(const std::string& name) const;
  std::vector<evpn::LogicalBridge> ListLogicalBridges() const;
  absl::Status DeleteLogicalBridge(const std::string& name);

  absl::StatusOr<evpn::BridgePort> CreateBridgePort(const std::string& id, const evpn::BridgePortSpec& spec,
                                                    int64_t claim);
  absl::StatusOr<evpn::BridgePort> GetBridgePort(const std::string& name) const;
  std::vector<evpn::BridgePort> ListBridgePorts() const;
  absl::Status DeleteBridgePort(const std::string& name, int64_t claim);

  absl::StatusOr<evpn::Vrf> CreateVrf(const std::string& id, const evpn::VrfSpec& spec);
  absl::StatusOr<evpn::Vrf> GetVrf(const std::string& name) const;
  std::vector<evpn::Vrf> ListVrfs() const;
  absl::Status DeleteVrf(const std::string& name);

  absl::StatusOr<evpn::Svi> CreateSvi(const std::string& id, const evpn::SviSpec& spec);
  absl::StatusOr<evpn::Svi> UpdateSvi(const std::string& name, const evpn::SviSpec& spec);
  absl::StatusOr<evpn::Svi> GetSvi(const std::string& name) const;
  std::vector<evpn::Svi> ListSvis() const;
  absl::Status DeleteSvi(const std::string& name);

  absl::StatusOr<agent::v1::Subnets> SetSubnets(const agent::v1::Subnets& subnets);
  absl::StatusOr<agent::v1::PortBinding> BindPort(const agent::v1::BindPortRequest& request);
  absl::Status UnbindPort(const agent::v1::UnbindPortRequest& request);
  std::vector<agent::v1::PortBinding> ListPortBindings() const;
  absl::Status SetAddressBlocks(const agent::v1::SetAddressBlocksRequest& request);
  std::optional<std::vector<std::string>> AddressBlocks(const std::string& bridge_id) const;
  absl::Status UpdateRemotePorts(const agent::v1::UpdateRemotePortsRequest& request);
  absl::StatusOr<agent::v1::SetChainResponse> SetChain(const agent::v1::SetChainRequest& request);
  // What SetChain() left, by id.
  const std::map<std::string, agent::v1::SetChainRequest>& chains() const { return chains_; }

  // Of the logical bridge with this id, by id.
  std::map<std::string, agent::v1::RemotePort> RemotePorts(const std::string& bridge_id) const;

  // BindPort of these port ids is NotFound: the card has no such function.
  void RemoveFunction(const std::string& port_id) { missing_.insert(port_id); }
  // BindPort to this VLAN is PermissionDenied; all others are allowed.
  void ForbidVlan(uint32_t vlan) { forbidden_vlans_.insert(vlan); }

 private:
  struct Bridge {
    evpn::LogicalBridgeSpec spec;
    std::vector<IpPrefix> prefixes;
    std::vector<IpAddress> gateways;
    uint32_t mtu = 1500;
    std::optional<agent::v1::Dns> dns;
    uint32_t lease_time = 86400;
    std::map<std::string, agent::v1::RemotePort> remote_ports;
    std::optional<std::vector<std::string>> blocks;
  };
  struct Port {
    // As it is now: BindPort puts its bridge in.
    evpn::BridgePortSpec spec;
    bool bound = false;
    // In this VLAN instead of a bridge.
    std::optional<uint32_t> vlan;
    std::vector<InterfaceAddress> addresses;
    int64_t claim = 0;
    // Nothing: no limits.
    std::optional<agent::v1::Bandwidth> bandwidth = {};
    std::optional<agent::v1::Bandwidth> pod_bandwidth = {};
  };

  // AlreadyExists if the VNI is that of a bridge or a VRF; `field` begins the message.
  absl::Status CheckVni(uint32_t vni, absl::string_view field) const;
  // `spec` with names in the API's own dialect and a MAC, if an SVI of this id can have it.
  absl::StatusOr<evpn::SviSpec> CheckSvi(const std::string& id, evpn::SviSpec spec) const;
  static evpn::Vrf Show(const std::string& id, const evpn::VrfSpec& spec);
  static evpn::Svi Show(const std::string& id, const evpn::SviSpec& spec);
  absl::StatusOr<ClaimOrder> Order(const std::string& id, int64_t claim, ClaimUse use) const;
  // Takes a VLAN out that the only reference names instead of a bridge.
  std::optional<uint32_t> TakeVlan(evpn::BridgePortSpec* spec) const;
  absl::Status CheckMac(const std::string& port, const std::string& bridge, const std::string& mac) const;
  absl::Status GiveBack(const std::string& id, int64_t claim, bool remove);
  bool IsTaken(const std::string& bridge, const IpAddress& address, const std::string& except_port) const;
  absl::StatusOr<std::vector<InterfaceAddress>> Choose(const std::string& bridge, const std::string& port,
                                                       const agent::v1::BindPortRequest& request) const;
  // All of BindPort but the limits.
  absl::StatusOr<agent::v1::PortBinding> Place(const agent::v1::BindPortRequest& request);
  absl::StatusOr<agent::v1::PortBinding> BindToVlan(const std::string& id, ClaimOrder order,
                                                    const agent::v1::BindPortRequest& request);
  evpn::LogicalBridge Show(const std::string& id, const Bridge& bridge) const;
  evpn::BridgePort Show(const std::string& id, const Port& port) const;
  agent::v1::PortBinding ShowBinding(const std::string& id, const Port& port) const;

  std::map<std::string, Bridge> bridges_;
  std::map<std::string, Port> ports_;
  std::map<std::string, evpn::VrfSpec> vrfs_;
  std::map<std::string, evpn::SviSpec> svis_;
  absl::Status CheckChain(const agent::v1::SetChainRequest& request) const;
  // Whether the port is the one that is meant.
  bool IsThere(const agent::v1::ChainPort& wanted) const;

  std::map<std::string, agent::v1::SetChainRequest> chains_;
  std::map<std::string, ClaimMark> marks_;
  std::set<std::string> missing_;
  std::set<uint32_t> forbidden_vlans_;
};

}  // namespace xpu
