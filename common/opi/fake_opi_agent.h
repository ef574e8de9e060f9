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

  absl::StatusOr<agent::v1::Subnets> SetSubnets(const agent::v1::Subnets& subnets);
  absl::StatusOr<agent::v1::PortBinding> BindPort(const agent::v1::BindPortRequest& request);
  absl::Status UnbindPort(const agent::v1::UnbindPortRequest& request);
  std::vector<agent::v1::PortBinding> ListPortBindings() const;

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
  };
  struct Port {
    // As it is now: BindPort puts its bridge in.
    evpn::BridgePortSpec spec;
    bool bound = false;
    // Bound to this VLAN instead of a bridge.
    std::optional<uint32_t> vlan;
    std::vector<InterfaceAddress> addresses;
    int64_t claim = 0;
  };

  absl::StatusOr<ClaimOrder> Order(const std::string& id, int64_t claim, ClaimUse use) const;
  absl::Status CheckMac(const std::string& port, const std::string& bridge, const std::string& mac) const;
  absl::Status GiveBack(const std::string& id, int64_t claim, bool remove);
  bool IsTaken(const std::string& bridge, const IpAddress& address, const std::string& except_port) const;
  absl::StatusOr<std::vector<InterfaceAddress>> Choose(const std::string& bridge, const std::string& port,
                                                       const agent::v1::BindPortRequest& request) const;
  absl::StatusOr<agent::v1::PortBinding> BindToVlan(const std::string& id, ClaimOrder order,
                                                    const agent::v1::BindPortRequest& request);
  evpn::LogicalBridge Show(const std::string& id, const Bridge& bridge) const;
  evpn::BridgePort Show(const std::string& id, const Port& port) const;
  agent::v1::PortBinding ShowBinding(const std::string& id, const Port& port) const;

  std::map<std::string, Bridge> bridges_;
  std::map<std::string, Port> ports_;
  std::map<std::string, ClaimMark> marks_;
  std::set<std::string> missing_;
  std::set<uint32_t> forbidden_vlans_;
};

}  // namespace xpu
