#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/rpc/call_gate.h"
#include "common/rpc/tls_credentials.h"
#include "grpcpp/grpcpp.h"

namespace xpu {

// absl and gRPC share their codes. Payloads that are messages ("type.googleapis.com/...") go along as
// google.rpc.Status does it, and InvalidArgument with the fields that are wrong (bad_request.h).
grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

// Addresses are "unix:/path" or "host:port" ("[v6]:port"). TCP needs `tls`: InvalidArgument without, so that
// nothing is ever served or asked in the clear beyond this machine.

// A channel that connects when it is first used and reconnects by itself.
absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const std::string& address,
                                                           const TlsFiles& tls = {});
// The same with credentials that are there already, as they are at this moment; null for none.
absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const std::string& address,
                                                           const std::shared_ptr<TlsCredentials>& tls);

struct RpcServerOptions {
  // For TCP; each connection has what they are when it is made.
  std::shared_ptr<TlsCredentials> tls;
  // What each call over TCP is put before; not owned, and outlives the server. Null: nothing.
  CallGate* gate = nullptr;
};

// A running gRPC server. Stops and waits for running calls when it goes away; server streams must end by
// themselves when their context is cancelled.
class RpcServer {
 public:
  // Serves `services` (not owned; they must outlive the server) on every address. A stale unix socket is
  // replaced; the new one is for root only (0600). FailedPrecondition if an address is in use.
  static absl::StatusOr<std::unique_ptr<RpcServer>> Start(const std::vector<std::string>& addresses,
                                                          const std::vector<grpc::Service*>& services,
                                                          const TlsFiles& tls = {});
  static absl::StatusOr<std::unique_ptr<RpcServer>> Start(const std::vector<std::string>& addresses,
                                                          const std::vector<grpc::Service*>& services,
                                                          const RpcServerOptions& options);
  ~RpcServer();
  // What health checks (grpc.health.v1, with Watch) hear of these services from now on; "" is the server as a
  // whole. Nothing unless grpc::EnableDefaultHealthCheckService() was called before Start(). Any thread.
  void SetServing(const std::vector<std::string>& services, bool serving);
  // Cancels what is running and stops.
  void Stop();

 private:
  RpcServer(std::shared_ptr<grpc::ServerCredentials> credentials, std::unique_ptr<grpc::Server> server)
      : credentials_(std::move(credentials)), server_(std::move(server)) {}
  // The server asks them at each connection, and does not keep them itself.
  const std::shared_ptr<grpc::ServerCredentials> credentials_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace xpu
