#pragma once

#include "host-agent/alloc/allocator.h"
#include "host-agent/inventory/inventory.h"
#include "host-agent/provision/provisioner.h"
#include "host-agent/service/allocate_handler.h"
#include "xpu/hostagent/v1/host_agent.grpc.pb.h"

namespace xpu {

// HostAgentService on gRPC's callback API: no call, streams included, holds a thread while it waits.
class HostAgentServiceImpl final : public hostagent::v1::HostAgentService::CallbackService {
 public:
  // Not owned.
  HostAgentServiceImpl(Inventory& inventory, Allocator& allocator, AllocateHandler& allocate,
                       Provisioner& provisioner)
      : inventory_(inventory), allocator_(allocator), allocate_(allocate), provisioner_(provisioner) {}

  grpc::ServerWriteReactor<hostagent::v1::WatchFunctionsResponse>* WatchFunctions(
      grpc::CallbackServerContext* context, const hostagent::v1::WatchFunctionsRequest* request) override;
  grpc::ServerUnaryReactor* Allocate(grpc::CallbackServerContext* context,
                                     const hostagent::v1::AllocateRequest* request,
                                     hostagent::v1::AllocateResponse* response) override;
  grpc::ServerUnaryReactor* ListClaims(grpc::CallbackServerContext* context,
                                       const hostagent::v1::ListClaimsRequest* request,
                                       hostagent::v1::ListClaimsResponse* response) override;
  grpc::ServerUnaryReactor* ListPhysicalFunctions(
      grpc::CallbackServerContext* context, const hostagent::v1::ListPhysicalFunctionsRequest* request,
      hostagent::v1::ListPhysicalFunctionsResponse* response) override;

 private:
  Inventory& inventory_;
  Allocator& allocator_;
  AllocateHandler& allocate_;
  Provisioner& provisioner_;
};

}  // namespace xpu
