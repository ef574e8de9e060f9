#pragma once

#include <memory>

namespace grpc {
class Service;
}  // namespace grpc

namespace xpu {

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
std::unique_ptr<grpc::Service> MakeLogicalBridgeService(ModelOwner& owner);
std::unique_ptr<grpc::Service> MakeBridgePortService(ModelOwner& owner);
// `host_vlans`: what VLANs a host may put its functions into by BindPort.
std::unique_ptr<grpc::Service> MakePortService(ModelOwner& owner, const VlanRanges& host_vlans);

}  // namespace xpu
