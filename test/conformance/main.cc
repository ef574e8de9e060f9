// xpu-conformance: whether an API server keeps what xpu's client and agents rely on. Runs the suites of the
// client against the server that a kubeconfig names; needs the rights to make CustomResourceDefinitions and
// namespaces there.

#include <csignal>
#include <cstdio>

#include "CLI/CLI.hpp"
#include "common/kube/kube_cli.h"
#include "common/kube/resource_store_contract.h"
#include "common/kube/writers_contract.h"
#include "common/log/log.h"
#include "gtest/gtest.h"
#include "test/conformance/foreign_server.h"

namespace xpu {
namespace {

class ForeignHarness : public ResourceStoreHarness {
 public:
  ~ForeignHarness() override {
    const absl::Status cleared = testing::ForeignServer::Get().Clear();
    EXPECT_TRUE(cleared.ok()) << cleared;
  }
  ResourceStore& store() override { return testing::ForeignServer::Get().client(); }
};

std::unique_ptr<ResourceStoreHarness> MakeHarness() { return std::make_unique<ForeignHarness>(); }
INSTANTIATE_TEST_SUITE_P(Server, ResourceStoreContract, ::testing::Values(&MakeHarness));
// Nobody can be asked to make a foreign server forget.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ResourceStoreHistoryContract);

}  // namespace
}  // namespace xpu

int main(int argc, char** argv) {
  ::testing::InitGoogleMock(&argc, argv);
  xpu::KubeFlags flags;
  CLI::App app{
      "Whether an API server keeps what xpu's client and agents rely on. It makes and removes Networks and "
      "the like, "
      "so use a cluster that has none; --gtest_filter=… chooses tests."};
  xpu::AddKubeFlags(app, flags, "to look at");
  CLI11_PARSE(app, argc, argv);
  signal(SIGPIPE, SIG_IGN);
  if (const absl::Status ready = xpu::InitLogging("xpu-conformance", "error"); !ready.ok()) return 2;
  xpu::testing::ForeignServer& server = xpu::testing::ForeignServer::Get();
  if (const absl::Status opened = server.Open(flags); !opened.ok()) {
    fprintf(stderr, "xpu-conformance: %s\n", std::string(opened.message()).c_str());
    return 2;
  }
  const int failed = RUN_ALL_TESTS();
  if (const absl::Status closed = server.Close(); !closed.ok()) {
    fprintf(stderr, "xpu-conformance: objects of it are left: %s\n", std::string(closed.message()).c_str());
    return 2;
  }
  return failed;
}
