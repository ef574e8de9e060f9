#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/kube/resource_store.h"

namespace xpu {

struct KubeClientOptions {
  // "unix:/path", "https://host:port" or "http://host:port".
  std::string server;
  // PEM files for https; the system's authorities if `ca` is empty, no client certificate if the others are.
  std::string ca;
  std::string certificate;
  std::string key;
  // A file with a bearer token; read again for each request, as Kubernetes renews it in place.
  std::string token_file;
  // For one request, from the call to the whole answer. Watches have none.
  absl::Duration deadline = absl::Seconds(10);
};

// A ResourceStore behind the Kubernetes API: kube-apiserver or xpu-apiserver. Connections are kept open, made
// again by themselves, and all served by one thread; watch callbacks run on a second one, in order.
//
// Watch() answers at once; that the server cannot be reached or refuses is told by `ended`. A watch must go
// away before its client.
class KubeClient : public ResourceStore {
 public:
  // Does not connect. InvalidArgument if the server's address cannot be read.
  static absl::StatusOr<std::unique_ptr<KubeClient>> Make(const KubeClientOptions& options);

  // GET of any path, e.g. "/version"; for people and tests.
  virtual absl::StatusOr<nlohmann::json> GetPath(const std::string& path) = 0;
};

}  // namespace xpu
