#pragma once

#include "host-agent/service/cni_handler.h"
#include "xpu/hostagent/v1/host_agent.grpc.pb.h"

namespace xpu {

// CniService on gRPC's callback API.
class CniServiceImpl final : public hostagent::v1::CniService::CallbackService {
 public:
  // Not owned.
  explicit CniServiceImpl(CniHandler& handler) : handler_(handler) {}

  grpc::ServerUnaryReactor* Add(grpc::CallbackServerContext* context,
                                const hostagent::v1::CniRequest* request,
                                hostagent::v1::CniResponse* response) override;
  grpc::ServerUnaryReactor* Del(grpc::CallbackServerContext* context,
                                const hostagent::v1::CniRequest* request,
                                hostagent::v1::CniResponse* response) override;
  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context,
                                  const hostagent::v1::CniRequest* request,
                                  hostagent::v1::CniResponse* response) override;
  grpc::ServerUnaryReactor* Gc(grpc::CallbackServerContext* context, const hostagent::v1::CniRequest* request,
                               hostagent::v1::CniResponse* response) override;
  grpc::ServerUnaryReactor* Status(grpc::CallbackServerContext* context,
                                   const hostagent::v1::CniRequest* request,
                                   hostagent::v1::CniResponse* response) override;

 private:
  CniHandler& handler_;
};

}  // namespace xpu
