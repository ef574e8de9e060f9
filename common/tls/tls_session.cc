#include "common/tls/tls_session.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <array>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace xpu {
namespace {

// Those that HTTP/2 allows of TLS 1.2 (RFC 9113, section 9.2.2); TLS 1.3 has no others.
constexpr char kCiphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
// As ALPN has it: a length and a name.
constexpr std::array<unsigned char, 3> kHttp2 = {2, 'h', '2'};

bool IsAddress(const std::string& host) {
  in6_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1 || inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TlsSession>> TlsSession::Client(const TlsPem& pem, const std::string& host) {
  const OpenSslErrors errors;
  OpenSslPtr<SSL_CTX> context = NewTlsContext(TLS_client_method());
  SSL_CTX_set_cipher_list(context.get(), kCiphers);
  // A connection lasts for days and says little.
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_alpn_protos(context.get(), kHttp2.data(), kHttp2.size());
  XPU_RETURN_IF_ERROR(UseCertificate(context.get(), pem.certificate, pem.key));
  XPU_RETURN_IF_ERROR(TrustCertificates(context.get(), CertificatesOf(pem.ca)));
  // A CA that is itself signed by another may be all that is trusted.
  X509_STORE_set_flags(SSL_CTX_get_cert_store(context.get()), X509_V_FLAG_PARTIAL_CHAIN);
  return std::unique_ptr<TlsSession>(new TlsSession(std::move(context), host));
}

TlsSession::TlsSession(OpenSslPtr<SSL_CTX> context, std::string host)
    : host_(std::move(host)),
      context_(std::move(context)),
      ssl_(SSL_new(context_.get())),
      in_(BIO_new(BIO_s_mem())),
      out_(BIO_new(BIO_s_mem())) {
  SSL_set_bio(ssl_.get(), in_, out_);
  SSL_set_connect_state(ssl_.get());
  if (IsAddress(host_)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), host_.c_str());
  } else {
    SSL_set1_host(ssl_.get(), host_.c_str());
    SSL_set_tlsext_host_name(ssl_.get(), host_.c_str());
  }
  // The first words.
  const OpenSslErrors errors;
  SSL_do_handshake(ssl_.get());
}

absl::Status TlsSession::Failure(int result) const {
  const int error = SSL_get_error(ssl_.get(), result);
  if (error == SSL_ERROR_ZERO_RETURN) return absl::UnavailableError("the other end has closed TLS");
  const int64_t verdict = SSL_get_verify_result(ssl_.get());
  if (verdict != X509_V_OK) {
    return absl::UnavailableError(absl::StrCat(
        "the certificate that ", host_, " shows is not good: ", X509_verify_cert_error_string(verdict)));
  }
  return absl::UnavailableError(
      absl::StrCat("TLS with ", host_, " failed: ", OpenSslErrors::Reason(),
                   " (an \"alert\" is what the other end says, of this end's certificate most likely)"));
}

absl::Status TlsSession::Handshake() {
  const int result = SSL_do_handshake(ssl_.get());
  if (result != 1) {
    return SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ ? absl::OkStatus() : Failure(result);
  }
  const unsigned char* chosen = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &chosen, &size);
  if (std::string_view(reinterpret_cast<const char*>(chosen), size) != "h2") {
    return absl::UnavailableError(absl::StrCat(host_, " speaks TLS, but no HTTP/2 over it"));
  }
  established_ = true;
  return absl::OkStatus();
}

absl::Status TlsSession::Receive(std::string_view bytes, std::string& plain) {
  const OpenSslErrors errors;
  BIO_write(in_, bytes.data(), static_cast<int>(bytes.size()));
  if (!established_) {
    XPU_RETURN_IF_ERROR(Handshake());
    if (!established_) return absl::OkStatus();
  }
  std::array<char, 16384> buffer;
  while (true) {
    const int n = SSL_read(ssl_.get(), buffer.data(), static_cast<int>(buffer.size()));
    if (n > 0) {
      plain.append(buffer.data(), static_cast<size_t>(n));
      continue;
    }
    return SSL_get_error(ssl_.get(), n) == SSL_ERROR_WANT_READ ? absl::OkStatus() : Failure(n);
  }
}

void TlsSession::Write(std::string_view plain) {
  if (plain.empty()) return;
  const OpenSslErrors errors;
  // Memory takes all of it.
  SSL_write(ssl_.get(), plain.data(), static_cast<int>(plain.size()));
}

void TlsSession::TakeOutput(std::string& out) {
  const size_t pending = BIO_ctrl_pending(out_);
  if (pending == 0) return;
  const size_t before = out.size();
  out.resize(before + pending);
  BIO_read(out_, out.data() + before, static_cast<int>(pending));
}

}  // namespace xpu
