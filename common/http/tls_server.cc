#include "common/http/tls_server.h"

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>

#include <vector>

#include "common/base/status_macros.h"
#include "common/tls/openssl.h"

namespace xpu {
namespace {

// Where a connection keeps whether its client's certificate is good.
int VerdictIndex() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

// Lets a bad certificate through, so that its bearer is told in the API's words; the verdict is kept.
int Verify(X509_STORE_CTX* store, void*) {
  static const char good = 0;
  auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  const OpenSslErrors errors;
  if (X509_verify_cert(store) == 1) SSL_set_ex_data(ssl, VerdictIndex(), const_cast<char*>(&good));
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

}  // namespace

absl::StatusOr<std::unique_ptr<TlsServer>> TlsServer::Make(const HttpTls& tls) {
  const OpenSslErrors errors;
  OpenSslPtr<SSL_CTX> context = NewTlsContext(TLS_server_method());
  XPU_RETURN_IF_ERROR(Annotate(UseCertificate(context.get(), tls.certificate, tls.key), "the server's TLS"));
  if (!tls.client_ca.empty()) {
    const std::vector<OpenSslPtr<X509>> cas = CertificatesOf(tls.client_ca);
    XPU_RETURN_IF_ERROR(Annotate(TrustCertificates(context.get(), cas), "the clients' TLS"));
    for (const OpenSslPtr<X509>& ca : cas) SSL_CTX_add_client_CA(context.get(), ca.get());
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_cert_verify_callback(context.get(), &Verify, nullptr);
  }
  return std::unique_ptr<TlsServer>(new TlsServer(context.release()));
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
