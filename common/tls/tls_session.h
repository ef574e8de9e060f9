#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/tls/openssl.h"
#include "common/tls/tls_pem.h"

namespace xpu {

// The client's side of one TLS connection (1.2 or newer) that carries HTTP/2 (ALPN "h2"): both ends show a
// certificate, and the server's must be one for its host name or address. Bytes in, bytes out; it does no
// I/O. Not thread-safe.
class TlsSession {
 public:
  // `host` is a name or a numeric address. InvalidArgument for credentials that are not PEM or do not belong
  // together.
  static absl::StatusOr<std::unique_ptr<TlsSession>> Client(const TlsPem& pem, const std::string& host);

  // Takes what has come, and appends what it says in the clear to `plain`. Unavailable, saying why, when the
  // connection cannot go on: the server is not who it should be, does not take this side's certificate,
  // speaks no TLS or no HTTP/2, or has said goodbye. What there is to send then tells the other end.
  absl::Status Receive(std::string_view bytes, std::string& plain);
  // Both ends have shown who they are, as far as this one can know: a server may refuse this one afterwards.
  bool established() const { return established_; }
  // Sends `plain`. Only once established.
  void Write(std::string_view plain);
  // Appends what there is to send.
  void TakeOutput(std::string& out);

 private:
  TlsSession(OpenSslPtr<SSL_CTX> context, std::string host);
  // `result` of the call of OpenSSL's that has just failed.
  absl::Status Failure(int result) const;
  absl::Status Handshake();

  const std::string host_;
  const OpenSslPtr<SSL_CTX> context_;
  const OpenSslPtr<SSL> ssl_;
  // The connection's; OpenSSL's own.
  BIO* const in_;
  BIO* const out_;
  bool established_ = false;
};

}  // namespace xpu
