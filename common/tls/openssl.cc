#include "common/tls/openssl.h"

#include <openssl/err.h>
#include <openssl/pem.h>

namespace xpu {
namespace {

OpenSslPtr<BIO> Open(const std::string& pem) {
  return OpenSslPtr<BIO>(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

}  // namespace

OpenSslErrors::OpenSslErrors() { ERR_clear_error(); }
OpenSslErrors::~OpenSslErrors() { ERR_clear_error(); }

std::string OpenSslErrors::Reason() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  return reason == nullptr ? "no reason given" : reason;
}

std::vector<OpenSslPtr<X509>> CertificatesOf(const std::string& pem) {
  std::vector<OpenSslPtr<X509>> certificates;
  const OpenSslPtr<BIO> bio = Open(pem);
  while (X509* next = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr))
    certificates.emplace_back(next);
  return certificates;
}

OpenSslPtr<EVP_PKEY> PrivateKeyOf(const std::string& pem) {
  return OpenSslPtr<EVP_PKEY>(PEM_read_bio_PrivateKey(Open(pem).get(), nullptr, nullptr, nullptr));
}

OpenSslPtr<SSL_CTX> NewTlsContext(const SSL_METHOD* method) {
  OpenSslPtr<SSL_CTX> context(SSL_CTX_new(method));
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  return context;
}

absl::Status UseCertificate(SSL_CTX* context, const std::string& certificate, const std::string& key) {
  std::vector<OpenSslPtr<X509>> chain = CertificatesOf(certificate);
  if (chain.empty() || SSL_CTX_use_certificate(context, chain.front().get()) != 1) {
    return absl::InvalidArgumentError("the certificate is none in PEM");
  }
  for (size_t i = 1; i < chain.size(); ++i) {
    // Takes it over.
    SSL_CTX_add0_chain_cert(context, chain[i].release());
  }
  const OpenSslPtr<EVP_PKEY> secret = PrivateKeyOf(key);
  if (secret == nullptr || SSL_CTX_use_PrivateKey(context, secret.get()) != 1 ||
      SSL_CTX_check_private_key(context) != 1) {
    return absl::InvalidArgumentError("the key is not that of the certificate");
  }
  return absl::OkStatus();
}

absl::Status TrustCertificates(SSL_CTX* context, const std::vector<OpenSslPtr<X509>>& cas) {
  if (cas.empty()) return absl::InvalidArgumentError("the CA is no certificate in PEM");
  for (const OpenSslPtr<X509>& ca : cas) X509_STORE_add_cert(SSL_CTX_get_cert_store(context), ca.get());
  return absl::OkStatus();
}

}  // namespace xpu
