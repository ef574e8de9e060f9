#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace xpu {

// What all who use OpenSSL need of it, so that there is one place for it.

struct OpenSslFree {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
template <typename T>
using OpenSslPtr = std::unique_ptr<T, OpenSslFree>;

// What OpenSSL has to say of failures it leaves on a list of the thread's. This empties the list when it
// begins, so that what is read is of what follows, and when it ends, so that nobody else finds it.
class OpenSslErrors {
 public:
  OpenSslErrors();
  ~OpenSslErrors();
  OpenSslErrors(const OpenSslErrors&) = delete;
  OpenSslErrors& operator=(const OpenSslErrors&) = delete;

  // The reason of the last failure, "certificate verify failed"; "no reason given" if there is none on the
  // list.
  static std::string Reason();
};

// Those that are in PEM text, in their order; null, or none, for text that is nothing of the kind.
std::vector<OpenSslPtr<X509>> CertificatesOf(const std::string& pem);
OpenSslPtr<EVP_PKEY> PrivateKeyOf(const std::string& pem);

// A context for TLS 1.2 and newer, of TLS_client_method() or TLS_server_method(), whose sessions are never
// taken up again, as what is taken up again would not be verified again.
OpenSslPtr<SSL_CTX> NewTlsContext(const SSL_METHOD* method);

// Shows `certificate`, which may be followed by those between it and its CA. InvalidArgument for what is no
// PEM or does not belong together.
absl::Status UseCertificate(SSL_CTX* context, const std::string& certificate, const std::string& key);

// Takes the word of these CAs for the other side. InvalidArgument if there is none in the text.
absl::Status TrustCertificates(SSL_CTX* context, const std::vector<OpenSslPtr<X509>>& cas);

}  // namespace xpu
