// The commands of docs/guide/zero-trust.md, run as they stand there.

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "common/rpc/rpc.h"
#include "gtest/gtest.h"
#include "test/component/agent/agent_testing.h"

namespace xpu {
namespace {

std::string Commands() {
  std::ostringstream page;
  page << std::ifstream(XPU_DOCS_DIR "/guide/zero-trust.md").rdbuf();
  const std::string text = page.str();
  const std::string begin = "```bash\n";
  const size_t from = text.find(begin) + begin.size();
  return text.substr(from, text.find("```", from) - from);
}

TEST(ZeroTrustGuideTest, ItsCredentialsLetTheRightOnesIn) {
  const TemporaryDirectory folder = TemporaryDirectory::Make().value();
  std::ofstream(folder.path() + "/commands") << Commands();
  ASSERT_EQ(system(absl::StrCat("cd ", folder.path(), " && bash -e commands 2>/dev/null").c_str()), 0);
  const auto files = [&](const std::string& name) {
    return TlsFiles{.certificate = absl::StrCat(folder.path(), "/", name, ".crt"),
                    .key = absl::StrCat(folder.path(), "/", name, ".key"),
                    .ca = folder.path() + "/ca.crt"};
  };
  const std::string address = absl::StrCat("127.0.0.1:", 40000 + getpid() % 20000);
  testing::AgentOnFakes agent({.adjust = [&](XpuAgentOptions& options) {
    options.listen.push_back(address);
    options.tls = files("card0-agent");
    options.trust_domain = "site";
  }});
  const auto client = [&](const std::string& name) {
    return GrpcOpiClient::Make(address, {.tls = files(name), .deadline = absl::Seconds(20)}).value();
  };
  MakeNetwork(*client("ann"), "blue", 100);
  EXPECT_EQ(client("card0-host")->BindPort(BindOf("host0-1", "blue", 1, 1)).status(), absl::OkStatus());
  EXPECT_EQ(client("card0-host")->DeleteLogicalBridge("logicalBridges/blue").code(),
            absl::StatusCode::kPermissionDenied);
}

}  // namespace
}  // namespace xpu
