#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/opi/opi_client.h"

namespace xpu {

// An OpiClient whose calls are all Unimplemented: for one of whose calls only some are ever made, and for
// another vendor's bridge, which has only some.
class UnimplementedOpiClient : public OpiClient {
 public:
  absl::StatusOr<evpn::LogicalBridge> CreateLogicalBridge(const std::string&,
                                                          const evpn::LogicalBridgeSpec&) override {
    return No("CreateLogicalBridge");
  }
  absl::StatusOr<evpn::LogicalBridge> GetLogicalBridge(const std::string&) override {
    return No("GetLogicalBridge");
  }
  absl::StatusOr<std::vector<evpn::LogicalBridge>> ListLogicalBridges() override {
    return No("ListLogicalBridges");
  }
  absl::Status DeleteLogicalBridge(const std::string&) override { return No("DeleteLogicalBridge"); }
  absl::StatusOr<evpn::BridgePort> CreateBridgePort(const std::string&, const evpn::BridgePortSpec&,
                                                    int64_t) override {
    return No("CreateBridgePort");
  }
  absl::StatusOr<evpn::BridgePort> GetBridgePort(const std::string&) override { return No("GetBridgePort"); }
  absl::StatusOr<std::vector<evpn::BridgePort>> ListBridgePorts() override { return No("ListBridgePorts"); }
  absl::Status DeleteBridgePort(const std::string&, int64_t) override { return No("DeleteBridgePort"); }
  absl::StatusOr<evpn::Vrf> CreateVrf(const std::string&, const evpn::VrfSpec&) override {
    return No("CreateVrf");
  }
  absl::StatusOr<evpn::Vrf> GetVrf(const std::string&) override { return No("GetVrf"); }
  absl::StatusOr<std::vector<evpn::Vrf>> ListVrfs() override { return No("ListVrfs"); }
  absl::Status DeleteVrf(const std::string&) override { return No("DeleteVrf"); }
  absl::StatusOr<evpn::Svi> CreateSvi(const std::string&, const evpn::SviSpec&) override {
    return No("CreateSvi");
  }
  absl::StatusOr<evpn::Svi> UpdateSvi(const std::string&, const evpn::SviSpec&) override {
    return No("UpdateSvi");
  }
  absl::StatusOr<evpn::Svi> GetSvi(const std::string&) override { return No("GetSvi"); }
  absl::StatusOr<std::vector<evpn::Svi>> ListSvis() override { return No("ListSvis"); }
  absl::Status DeleteSvi(const std::string&) override { return No("DeleteSvi"); }
  absl::StatusOr<agent::v1::Subnets> SetSubnets(const agent::v1::Subnets&) override {
    return No("SetSubnets");
  }
  absl::StatusOr<agent::v1::PortBinding> BindPort(const agent::v1::BindPortRequest&) override {
    return No("BindPort");
  }
  absl::Status UnbindPort(const agent::v1::UnbindPortRequest&) override { return No("UnbindPort"); }
  absl::StatusOr<std::vector<agent::v1::PortBinding>> ListPortBindings() override {
    return No("ListPortBindings");
  }
  absl::Status SetAddressBlocks(const agent::v1::SetAddressBlocksRequest&) override {
    return No("SetAddressBlocks");
  }
  absl::Status UpdateRemotePorts(const agent::v1::UpdateRemotePortsRequest&) override {
    return No("UpdateRemotePorts");
  }
  absl::StatusOr<agent::v1::SetChainResponse> SetChain(const agent::v1::SetChainRequest&) override {
    return No("SetChain");
  }
  void ObserveConnection(std::function<void(bool connected)>) override {}
  void WatchPorts(std::function<void(const absl::StatusOr<agent::v1::PortStates>& states)>) override {}

 private:
  static absl::Status No(absl::string_view call) {
    return absl::UnimplementedError(absl::StrCat(call, " is not one of the calls of this client"));
  }
};

}  // namespace xpu
