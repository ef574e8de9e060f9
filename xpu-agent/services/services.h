#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "xpu-agent/datapath/offload.h"

namespace grpc {
class Service;
}  // namespace grpc

namespace xpu {

class AccessPolicy;
class ModelOwner;
class VlanRanges;

// The gRPC services of the xPU agent. They hold no state of their own and no thread while the switch
// confirms; the owner must outlive them.
//
// OPI's Create, Update and Delete, SetSubnets and UnbindPort are answered when the switch has confirmed. If
// it does not in time, the answer is an error but the object stays as it was asked for, and is realised when
// that is possible: asking again is harmless. An object that the switch refuses is answered DOWN, with the
// reason in its components. BindPort is the exception: a binding that cannot be confirmed is taken back, the
// port is isolated.
std::unique_ptr<grpc::Service> MakeVrfService(ModelOwner& owner);
std::unique_ptr<grpc::Service> MakeLogicalBridgeService(ModelOwner& owner);
std::unique_ptr<grpc::Service> MakeBridgePortService(ModelOwner& owner, const VlanRanges& host_vlans,
                                                     AccessPolicy& access);
std::unique_ptr<grpc::Service> MakeSviService(ModelOwner& owner);
// Network functions; see proto/xpu/agent/v1/chain_service.proto.
std::unique_ptr<grpc::Service> MakeChainService(ModelOwner& owner);
// Gets the card more of the addresses of the logical bridge with this id: a block that has `need`, which is
// an address, "IPv4" or "IPv6". `done` is called once, on any thread, when the agent has been told of it, or
// it cannot be had.
using AddressSource = std::function<void(const std::string& bridge, const std::string& need,
                                         std::function<void(const absl::Status&)> done)>;
// `host_vlans`: what VLANs a host may put its functions into by BindPort. `addresses`: where BindPort gets
// more of them if the bridge's blocks have none left; optional.
std::unique_ptr<grpc::Service> MakePortService(ModelOwner& owner, const VlanRanges& host_vlans,
                                               AccessPolicy& access, AddressSource addresses = nullptr);

// What the switch says of its offload (PortOffload, by interface), or why it does not. Called on a thread of
// the service's; may take as long as the switch does.
using OffloadSource = std::function<absl::StatusOr<std::map<std::string, PortOffload>>()>;
// See proto/xpu/agent/v1/offload_service.proto. Null: Unimplemented.
std::unique_ptr<grpc::Service> MakeOffloadService(ModelOwner& owner, OffloadSource source);

// Full names of the services that cannot do their work without the switch, e.g. for health checks.
std::vector<std::string> SwitchServiceNames();

}  // namespace xpu
