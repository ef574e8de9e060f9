// The least that a gRPC server in C++ can be: one unary call, on a unix socket. What every agent would cost
// if it did nothing.
//   xpu-bare-grpc-server SOCKET

#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <memory>
#include <string>

#include "kubelet/deviceplugin/v1beta1/api.grpc.pb.h"

namespace {

class Registration final : public v1beta1::Registration::CallbackService {
  grpc::ServerUnaryReactor* Register(grpc::CallbackServerContext* context, const v1beta1::RegisterRequest*,
                                     v1beta1::Empty*) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: xpu-bare-grpc-server SOCKET\n");
    return 2;
  }
  Registration service;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + std::string(argv[1]), grpc::InsecureServerCredentials());
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  server->Wait();
  return 0;
}
