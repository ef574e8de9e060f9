// './dev conformance' as a person runs it: a kubeconfig, TLS, a token; against xpu-apiserver.

#include <csignal>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "common/kube/kube_client.h"
#include "common/kube/metadata.h"
#include "common/rpc/tls_testing.h"
#include "common/sys/files.h"
#include "common/sys/process.h"
#include "control-plane/apiserver/test_api_server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu::testing {
namespace {

using ::testing::HasSubstr;

const ResourceKind kNetworks = {"xpu.opiproject.org", "v1alpha1", "Network", "networks"};

class ConformanceTest : public ::testing::Test {
 protected:
  // The server is in this process, and its clients drop connections.
  static void SetUpTestSuite() { signal(SIGPIPE, SIG_IGN); }

  apiserver::ApiServerOptions Options() {
    const std::string tokens = folder_.path() + "/tokens.csv";
    EXPECT_TRUE(WriteFileAtomic(tokens,
                                "admins-token,admin,1,system:masters\n"
                                "nobodys-token,nobody,2\n")
                    .ok());
    apiserver::ApiServerOptions options;
    options.listen = {"tls:127.0.0.1:0"};
    options.tls = files_;
    options.token_file = tokens;
    return options;
  }

  ProgramEnd Conformance(const std::string& user) {
    const std::string file = folder_.path() + "/kubeconfig";
    const std::string server(absl::StripPrefix(server_.endpoints()[0], "tls:"));
    EXPECT_TRUE(WriteFileAtomic(file, absl::StrCat("apiVersion: v1\nkind: Config\ncurrent-context: here\n"
                                                   "clusters:\n- name: here\n  cluster: {server: \"https://",
                                                   server, "\", certificate-authority: ", files_.ca,
                                                   "}\nusers:\n- name: me\n  user: {token: ", user,
                                                   "s-token}\ncontexts:\n- name: here\n"
                                                   "  context: {cluster: here, user: me}\n"))
                    .ok());
    const auto end = RunToEnd({.argv = {XPU_CONFORMANCE, "--kubeconfig", file}},
                              absl::Now() + absl::Seconds(100), size_t{1} << 20);
    EXPECT_TRUE(end.ok()) << end.status();
    return end.ok() ? *end : ProgramEnd();
  }

  const TemporaryDirectory folder_ = *TemporaryDirectory::Make();
  const TestAuthority authority_{folder_.path(), "ca"};
  const TlsFiles files_ = authority_.Sign("apiserver");
  apiserver::TestApiServer server_{Options()};
};

TEST_F(ConformanceTest, XpuApiserverConforms) {
  const ProgramEnd end = Conformance("admin");
  EXPECT_EQ(end.status.code, 0) << end.output << end.errors;
  EXPECT_THAT(end.output, HasSubstr("[  PASSED  ]"));
  const auto client = *KubeClient::Make({.server = server_.endpoint()});
  EXPECT_TRUE(client->List(kNetworks, "", {})->items.empty()) << "nothing is left";
}

TEST_F(ConformanceTest, AClusterThatIsInUseIsLeftAlone) {
  const auto client = *KubeClient::Make({.server = server_.endpoint()});
  Resource network = MakeResource(kNetworks, {"default", "in-use"});
  network["spec"] = {{"vni", 1}, {"prefixes", {"10.0.0.0/24"}}};
  ASSERT_TRUE(client->Create(kNetworks, network).ok());
  const ProgramEnd end = Conformance("admin");
  EXPECT_EQ(end.status.code, 2);
  EXPECT_THAT(end.errors, HasSubstr("1 networks, default/in-use the first"));
  EXPECT_TRUE(client->Get(kNetworks, {"default", "in-use"}).ok());
}

TEST_F(ConformanceTest, WhoeverMayNotIsToldByTheServer) {
  const ProgramEnd end = Conformance("nobody");
  EXPECT_EQ(end.status.code, 2);
  EXPECT_THAT(end.errors, HasSubstr("forbidden"));
}

}  // namespace
}  // namespace xpu::testing
