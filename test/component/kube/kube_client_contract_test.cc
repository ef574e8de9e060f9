// The contract of every resource store, held by the client and xpu-apiserver together.
#include <csignal>

#include "common/kube/kube_client.h"
#include "common/kube/resource_store_contract.h"
#include "common/kube/writers_contract.h"
#include "control-plane/apiserver/test_api_server.h"

namespace xpu {
namespace {

class ServerHarness : public ResourceStoreHarness {
 public:
  // The server is in this process, and its clients drop connections.
  ServerHarness() { signal(SIGPIPE, SIG_IGN); }
  ResourceStore& store() override { return *client_; }
  void Compact() override { server_.Compact(); }

 private:
  apiserver::TestApiServer server_;
  std::unique_ptr<KubeClient> client_ = KubeClient::Make({.server = server_.endpoint()}).value();
};

std::unique_ptr<ResourceStoreHarness> MakeHarness() { return std::make_unique<ServerHarness>(); }
INSTANTIATE_TEST_SUITE_P(KubeClientAndApiServer, ResourceStoreContract, testing::Values(&MakeHarness));
INSTANTIATE_TEST_SUITE_P(KubeClientAndApiServer, ResourceStoreHistoryContract, testing::Values(&MakeHarness));

}  // namespace
}  // namespace xpu
