#include "common/http/tls_server.h"

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

namespace xpu {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
template <typename T>
using Ptr = std::unique_ptr<T, Free>;

Ptr<BIO> Open(const std::string& pem) {
  return Ptr<BIO>(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

// Where a connection keeps whether its client's certificate is good.
int VerdictIndex() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

// Lets a bad certificate through, so that its bearer is told in the API's words; the verdict is kept.
int Verify(X509_STORE_CTX* store, void*) {
  static const char good = 0;
  auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  if (X509_verify_cert(store) == 1) SSL_set_ex_data(ssl, VerdictIndex(), const_cast<char*>(&good));
  ERR_clear_error();
  return 1;
}

std::vector<std::string> Names(X509* certificate, int nid) {
  std::vector<std::string> names;
  X509_NAME* subject = X509_get_subject_name(certificate);
  for (int at = X509_NAME_get_index_by_NID(subject, nid, -1); at >= 0;
       at = X509_NAME_get_index_by_NID(subject, nid, at)) {
    unsigned char* text = nullptr;
    const int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (size >= 0) names.emplace_back(reinterpret_cast<char*>(text), static_cast<size_t>(size));
    OPENSSL_free(text);
  }
  return names;
}

absl::Status UseChain(SSL_CTX* context, const std::string& pem) {
  const Ptr<BIO> bio = Open(pem);
  const Ptr<X509> leaf(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (leaf == nullptr || SSL_CTX_use_certificate(context, leaf.get()) != 1) {
    return absl::InvalidArgumentError("the server's certificate is none in PEM");
  }
  while (X509* next = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    // Takes it over.
    SSL_CTX_add0_chain_cert(context, next);
  }
  return absl::OkStatus();
}

absl::Status TrustClients(SSL_CTX* context, const std::string& pem) {
  const Ptr<BIO> bio = Open(pem);
  int count = 0;
  while (X509* next = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    const Ptr<X509> ca(next);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), ca.get());
    SSL_CTX_add_client_CA(context, ca.get());
    ++count;
  }
  if (count == 0) return absl::InvalidArgumentError("the CA of the clients is no certificate in PEM");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<TlsServer>> TlsServer::Make(const HttpTls& tls) {
  const absl::Cleanup forget_errors = [] { ERR_clear_error(); };
  std::unique_ptr<TlsServer> server(new TlsServer(SSL_CTX_new(TLS_server_method())));
  SSL_CTX* context = server->context_;
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  // A resumed session would not be verified again.
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  if (absl::Status used = UseChain(context, tls.certificate); !used.ok()) return used;
  const Ptr<EVP_PKEY> key(PEM_read_bio_PrivateKey(Open(tls.key).get(), nullptr, nullptr, nullptr));
  if (key == nullptr || SSL_CTX_use_PrivateKey(context, key.get()) != 1 ||
      SSL_CTX_check_private_key(context) != 1) {
    return absl::InvalidArgumentError("the server's key is not that of its certificate");
  }
  if (tls.client_ca.empty()) return server;
  if (absl::Status trusted = TrustClients(context, tls.client_ca); !trusted.ok()) return trusted;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(context, &Verify, nullptr);
  return server;
}

TlsServer::~TlsServer() { SSL_CTX_free(context_); }

bufferevent* TlsServer::NewConnection(event_base* base) {
  bufferevent* connection = bufferevent_openssl_socket_new(base, -1, SSL_new(context_),
                                                           BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
  // Clients go away without closing TLS first.
  bufferevent_openssl_set_allow_dirty_shutdown(connection, 1);
  return connection;
}

std::optional<HttpPeer> PeerOfTls(bufferevent* connection) {
  SSL* ssl = bufferevent_openssl_get_ssl(connection);
  if (ssl == nullptr) return std::nullopt;
  HttpPeer peer;
  peer.transport = HttpPeer::Transport::kTls;
  X509* certificate = SSL_get0_peer_certificate(ssl);
  if (certificate == nullptr) return peer;
  if (SSL_get_ex_data(ssl, VerdictIndex()) == nullptr) {
    peer.certificate = HttpPeer::Certificate::kBad;
    return peer;
  }
  peer.certificate = HttpPeer::Certificate::kGood;
  if (const std::vector<std::string> names = Names(certificate, NID_commonName); !names.empty()) {
    peer.common_name = names.front();
  }
  peer.organizations = Names(certificate, NID_organizationName);
  return peer;
}

}  // namespace xpu
