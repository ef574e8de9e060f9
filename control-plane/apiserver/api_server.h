#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/event_loop.h"
#include "common/http/http_server.h"
#include "common/rpc/tls_credentials.h"
#include "control-plane/apiserver/http/rate_limit.h"
#include "control-plane/apiserver/store/object_store.h"

namespace xpu::apiserver {

struct ApiServerOptions {
  // See HttpServer::Listen. At least one.
  std::vector<std::string> listen;
  ObjectStore::Options store;
  // For "tls:ADDRESS:PORT": the server's certificate and key, and who signs clients' certificates. Followed.
  TlsFiles tls;
  // Static tokens; empty for none. Followed.
  std::string token_file;
  RequestLimits limits;
  HttpLimits connections;
  // Events go when nobody has written them for so long. Zero: never.
  absl::Duration event_ttl = absl::Hours(1);
};

// The embedded resource store behind its REST API. Everything runs on the loop's thread, but for one that
// writes the file and waits for the disk.
class ApiServer {
 public:
  // Opens the store and listens; serves as soon as the loop runs. Loop and clock must outlive the server, and
  // the server must go before the loop, on the loop's thread or when it does not run.
  static absl::StatusOr<std::unique_ptr<ApiServer>> Start(const ApiServerOptions& options, EventLoop& loop,
                                                          Clock& clock);
  virtual ~ApiServer() = default;

  // With the real ports, in the order of the options.
  virtual const std::vector<std::string>& endpoints() const = 0;
  // Only on the loop's thread.
  virtual ObjectStore& store() = 0;
  // Why it has stopped the loop: the disk has failed; OK as long as it has not.
  virtual absl::Status failed() const = 0;
  // Called with their number whenever a watch begins or ends.
  virtual void OnWatchers(std::function<void(size_t)> callback) = 0;
};

struct ApiServerDeps {
  // Runs until Stop().
  EventLoop& loop;
  Clock& clock;
  // Called on the loop once requests are served.
  std::function<void(const std::vector<std::string>& endpoints)> serving;
};

// The whole process: serves until the loop is stopped. Unavailable: it has stopped by itself, as the disk has
// failed; what was answered is on it, and a new start finds out what else.
absl::Status RunApiServer(const ApiServerOptions& options, ApiServerDeps deps);

}  // namespace xpu::apiserver
