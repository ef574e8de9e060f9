#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/kube/kube_client.h"
#include "common/kube/kubeconfig.h"

namespace xpu::testing {

// An API server that is there already, and what the suites need on it: the kinds, and namespaces without
// objects of these. Nothing else on it is touched.
class ForeignServer {
 public:
  // The one that everything of this process is about.
  static ForeignServer& Get();

  // Connects, and makes the CustomResourceDefinitions if they are missing. FailedPrecondition if there are
  // objects of the kinds: the suites need a cluster without.
  absl::Status Open(const KubeFlags& flags);
  // Removes all objects of the kinds, and the namespaces that the suites have made.
  absl::Status Clear();
  absl::Status Close();

  KubeClient& client() { return *client_; }
  // Another client, as another process has it.
  absl::StatusOr<std::unique_ptr<KubeClient>> Connect() const;

 private:
  absl::Status MakeKinds();

  KubeEndpoint endpoint_;
  std::unique_ptr<KubeClient> client_;
};

}  // namespace xpu::testing
