#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "grpcpp/grpcpp.h"

namespace xpu {

// absl and gRPC share their codes.
grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

// PEM files of one side of mTLS: both sides show a certificate that the other's `ca` has signed.
struct TlsFiles {
  std::string certificate;
  std::string key;
  std::string ca;
  bool empty() const { return certificate.empty() && key.empty() && ca.empty(); }
};

// Addresses are "unix:/path" or "host:port" ("[v6]:port"). TCP needs `tls`: InvalidArgument without, so that
// nothing is ever served or asked in the clear beyond this machine.

// A channel that connects when it is first used and reconnects by itself.
absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const std::string& address,
                                                           const TlsFiles& tls = {});

// A running gRPC server. Stops and waits for running calls when it goes away; server streams must end by
// themselves when their context is cancelled.
class RpcServer {
 public:
  // Serves `services` (not owned; they must outlive the server) on every address. A stale unix socket is
  // replaced; the new one is for root only (0600). FailedPrecondition if an address is in use.
  static absl::StatusOr<std::unique_ptr<RpcServer>> Start(const std::vector<std::string>& addresses,
                                                          const std::vector<grpc::Service*>& services,
                                                          const TlsFiles& tls = {});
  ~RpcServer();
  // Cancels what is running and stops.
  void Stop();

 private:
  explicit RpcServer(std::unique_ptr<grpc::Server> server) : server_(std::move(server)) {}
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace xpu
