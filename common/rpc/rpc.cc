#include "common/rpc/rpc.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/status_macros.h"
#include "common/base/unique_fd.h"
#include "common/rpc/server_credentials.h"
#include "common/rpc/status_details.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/security/server_credentials.h"

namespace xpu {
namespace {

// The path of "unix:/path"; empty for TCP.
absl::StatusOr<std::string> UnixPath(absl::string_view address) {
  absl::string_view path = address;
  if (!absl::ConsumePrefix(&path, "unix:")) return std::string();
  if (!absl::StartsWith(path, "/") || path.size() >= sizeof(sockaddr_un::sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("\"", address,
                                                   "\": a socket is unix: and an absolute path of at most ",
                                                   sizeof(sockaddr_un::sun_path) - 1, " characters"));
  }
  return std::string(path);
}

// A socket file that nobody listens on any more is left over from a process that was killed.
absl::Status RemoveStaleSocket(const std::string& path) {
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) return absl::OkStatus();
  if (!S_ISSOCK(info.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(path, " is there and is no socket; move it away"));
  }
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, path.data(), path.size());
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 || errno == EAGAIN) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is in use by another process; stop that one first"));
  }
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot remove the stale socket ", path));
  }
  return absl::OkStatus();
}

}  // namespace

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()),
                      StatusDetails(status));
}

absl::Status FromGrpc(const grpc::Status& status) {
  return WithDetails(absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message()),
                     status.error_details());
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const std::string& address, const TlsFiles& tls) {
  XPU_ASSIGN_OR_RETURN(const std::string path, UnixPath(address));
  std::shared_ptr<TlsCredentials> credentials;
  if (path.empty()) {
    XPU_ASSIGN_OR_RETURN(credentials, TlsCredentials::LoadFor(address, tls));
  }
  return MakeChannel(address, credentials);
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const std::string& address,
                                                           const std::shared_ptr<TlsCredentials>& tls) {
  XPU_ASSIGN_OR_RETURN(const std::string path, UnixPath(address));
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (path.empty()) {
    if (tls == nullptr) return NeedsTls(address);
    const std::shared_ptr<const TlsPem> pem = tls->pem();
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = pem->ca;
    options.pem_private_key = pem->key;
    options.pem_cert_chain = pem->certificate;
    credentials = grpc::SslCredentials(options);
  }
  grpc::ChannelArguments arguments;
  // A peer that was restarted is back within moments; gRPC's default would wait up to two minutes.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
  // Whatever its name says, this is how long one attempt to connect may take, TLS included: a peer on a busy
  // card is slow, and calls that do not wait for it fail with the attempt.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5000);
  // Channels of one process to one address are separate, so that one can be closed without the others.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // The environment's HTTP proxy is not meant for the pair.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(address, credentials, arguments);
}

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(const std::vector<std::string>& addresses,
                                                            const std::vector<grpc::Service*>& services,
                                                            const TlsFiles& tls) {
  RpcServerOptions options;
  for (const std::string& address : addresses) {
    XPU_ASSIGN_OR_RETURN(const std::string path, UnixPath(address));
    if (!path.empty() || options.tls != nullptr) continue;
    XPU_ASSIGN_OR_RETURN(options.tls, TlsCredentials::LoadFor(address, tls));
  }
  return Start(addresses, services, options);
}

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(const std::vector<std::string>& addresses,
                                                            const std::vector<grpc::Service*>& services,
                                                            const RpcServerOptions& options) {
  if (addresses.empty()) return absl::InvalidArgumentError("no address to serve on: give at least one");
  grpc::ServerBuilder builder;
  // Without this a second process could take the same TCP port unnoticed.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  std::vector<int> ports(addresses.size(), 0);
  std::shared_ptr<grpc::ServerCredentials> tls;
  if (options.tls != nullptr) tls = MakeServerCredentials(options.tls, options.gate);
  for (size_t i = 0; i < addresses.size(); ++i) {
    XPU_ASSIGN_OR_RETURN(const std::string path, UnixPath(addresses[i]));
    std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials();
    if (path.empty()) {
      if (tls == nullptr) return NeedsTls(addresses[i]);
      credentials = tls;
    } else {
      XPU_RETURN_IF_ERROR(RemoveStaleSocket(path));
    }
    builder.AddListeningPort(addresses[i], credentials, &ports[i]);
  }
  for (grpc::Service* service : services) builder.RegisterService(service);

  // Sockets must never be open to others, not even until the chmod.
  const mode_t old_mask = umask(0177);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  umask(old_mask);
  for (size_t i = 0; i < addresses.size(); ++i) {
    if (server == nullptr || ports[i] == 0) {
      return absl::FailedPreconditionError(
          absl::StrCat("cannot serve on ", addresses[i],
                       ": the address is in use, is not this machine's, or its folder is missing"));
    }
  }
  return std::unique_ptr<RpcServer>(new RpcServer(std::move(tls), std::move(server)));
}

RpcServer::~RpcServer() { Stop(); }

void RpcServer::SetServing(const std::vector<std::string>& services, bool serving) {
  grpc::HealthCheckServiceInterface* health = server_->GetHealthCheckService();
  if (health == nullptr) return;
  for (const std::string& service : services) health->SetServingStatus(service, serving);
}

void RpcServer::Stop() {
  // A deadline in the past cancels running calls at once instead of waiting for streams that never end.
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
}

}  // namespace xpu
