#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/kube/kubeconfig.h"
#include "common/kube/resource_store.h"

namespace xpu {

// A ResourceStore behind the Kubernetes API: kube-apiserver or xpu-apiserver. Connections are kept open, made
// again by themselves, and all served by one thread; watch callbacks run on a second one, in order.
//
// A server that cannot select by fields that a kind declares (ListOptions::labels_of_fields) is found out by
// its refusal; from then on the client selects itself, from pages and events as they come, and holds nothing
// of the rest.
//
// Watch() answers at once; that the server cannot be reached or refuses is told by `ended`. A watch must go
// away before its client.
class KubeClient : public ResourceStore {
 public:
  // Does not connect. InvalidArgument if the server's address cannot be read. `deadline` is for one request,
  // from the call to the whole answer; watches have none.
  static absl::StatusOr<std::unique_ptr<KubeClient>> Make(const KubeEndpoint& endpoint,
                                                          absl::Duration deadline = absl::Seconds(10));

  // GET of any path, e.g. "/version"; for people and tests.
  virtual absl::StatusOr<nlohmann::json> GetPath(const std::string& path) = 0;
};

}  // namespace xpu
