#pragma once

#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "common/http/http_server.h"

struct bufferevent;
struct event_base;
struct ssl_ctx_st;

namespace xpu {

// The server's side of TLS 1.2 and newer for libevent's connections. One thread.
class TlsServer {
 public:
  // InvalidArgument for what is no PEM or does not belong together.
  static absl::StatusOr<std::unique_ptr<TlsServer>> Make(const HttpTls& tls);
  ~TlsServer();
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  // For a connection that is about to be accepted; the caller owns it. It outlives this object.
  bufferevent* NewConnection(event_base* base);

 private:
  explicit TlsServer(ssl_ctx_st* context) : context_(context) {}
  ssl_ctx_st* context_;
};

// Who is at the other end; nothing for a connection that is no TLS.
std::optional<HttpPeer> PeerOfTls(bufferevent* connection);

}  // namespace xpu
