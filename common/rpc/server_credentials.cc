#include "common/rpc/server_credentials.h"

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/grpc_security_constants.h>
#include <grpc/slice.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace xpu {
namespace {

// Tells gRPC whether the next handshake needs other credentials. Lives as long as gRPC's own object does.
class Fetcher {
 public:
  explicit Fetcher(std::shared_ptr<TlsCredentials> tls) : tls_(std::move(tls)) {}

  static grpc_ssl_certificate_config_reload_status Fetch(void* self,
                                                         grpc_ssl_server_certificate_config** config) {
    return static_cast<Fetcher*>(self)->Fetch(config);
  }

 private:
  grpc_ssl_certificate_config_reload_status Fetch(grpc_ssl_server_certificate_config** config) {
    const std::shared_ptr<const TlsPem> now = tls_->pem();
    absl::MutexLock lock(&mu_);
    if (now == given_) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    const grpc_ssl_pem_key_cert_pair pair = {now->key.c_str(), now->certificate.c_str()};
    *config = grpc_ssl_server_certificate_config_create(now->ca.c_str(), &pair, 1);
    given_ = now;
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  const std::shared_ptr<TlsCredentials> tls_;
  absl::Mutex mu_;
  std::shared_ptr<const TlsPem> given_ ABSL_GUARDED_BY(mu_);
};

void Admit(void* gate, grpc_auth_context* context, const grpc_metadata* metadata, size_t count,
           grpc_process_auth_metadata_done_cb done, void* user_data) {
  std::vector<std::string> uris;
  grpc_auth_property_iterator properties =
      grpc_auth_context_find_properties_by_name(context, GRPC_PEER_URI_PROPERTY_NAME);
  while (const grpc_auth_property* property = grpc_auth_property_iterator_next(&properties)) {
    uris.emplace_back(property->value, property->value_length);
  }
  std::string method;
  for (size_t i = 0; i < count; ++i) {
    if (grpc_slice_str_cmp(metadata[i].key, ":path") != 0) continue;
    method.assign(reinterpret_cast<const char*>(GRPC_SLICE_START_PTR(metadata[i].value)),
                  GRPC_SLICE_LENGTH(metadata[i].value));
  }
  const absl::Status status = static_cast<CallGate*>(gate)->Admit(uris, method);
  // absl and gRPC share their codes.
  done(user_data, nullptr, 0, nullptr, 0, static_cast<grpc_status_code>(status.code()),
       std::string(status.message()).c_str());
}

class Credentials final : public grpc::ServerCredentials {
 public:
  Credentials(std::shared_ptr<TlsCredentials> tls, CallGate* gate) : tls_(std::move(tls)), gate_(gate) {}

  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    // Of each port, as each has to be given the first ones.
    fetchers_.push_back(std::make_unique<Fetcher>(tls_));
    grpc_server_credentials* credentials = grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(
            GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY, &Fetcher::Fetch,
            fetchers_.back().get()));
    if (gate_ != nullptr) {
      grpc_server_credentials_set_auth_metadata_processor(
          credentials, {.process = &Admit, .destroy = nullptr, .state = gate_});
    }
    const int port = grpc_server_add_http2_port(server, address.c_str(), credentials);
    grpc_server_credentials_release(credentials);
    return port;
  }

  const std::shared_ptr<TlsCredentials> tls_;
  std::vector<std::unique_ptr<Fetcher>> fetchers_;
  CallGate* const gate_;
};

}  // namespace

std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(std::shared_ptr<TlsCredentials> tls,
                                                               CallGate* gate) {
  return std::make_shared<Credentials>(std::move(tls), gate);
}

}  // namespace xpu
