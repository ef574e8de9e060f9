#include "control-plane/xpuctl/refusals.h"

#include <memory>
#include <sstream>

#include "CLI/CLI.hpp"
#include "common/rpc/rpc.h"
#include "common/sys/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "xpu/agent/v1/access_service.grpc.pb.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;

class Agent final : public agent::v1::AccessService::Service {
  grpc::Status ListRefusals(grpc::ServerContext*, const agent::v1::ListRefusalsRequest*,
                            agent::v1::ListRefusalsResponse* response) override {
    agent::v1::Refusal& refusal = *response->add_refusals();
    refusal.set_identity("spiffe://site/card/card1/host");
    refusal.set_reason("other-card");
    refusal.set_count(7);
    refusal.set_last_call("/xpu.agent.v1.PortService/BindPort");
    refusal.set_last_time("2026-01-02T03:04:05+00:00");
    return grpc::Status::OK;
  }
};

class RefusalsCommandTest : public ::testing::Test {
 protected:
  int Run(const std::vector<std::string>& args) {
    CLI::App app;
    AddRefusalsCommand(app, out_, err_, [this](const char* name) {
      return std::string(name) == "XPU_AGENT" ? address_ : std::string();
    });
    try {
      std::vector<std::string> reversed(args.rbegin(), args.rend());
      app.parse(reversed);
    } catch (const CLI::RuntimeError& error) {
      return error.get_exit_code();
    }
    return 0;
  }

  TemporaryDirectory folder_ = TemporaryDirectory::Make().value();
  std::string address_ = "unix:" + folder_.path() + "/agent.sock";
  Agent agent_;
  std::unique_ptr<RpcServer> server_ = RpcServer::Start({address_}, {&agent_}).value();
  std::ostringstream out_, err_;
};

TEST_F(RefusalsCommandTest, ShowsWhoWasRefusedWhat) {
  EXPECT_EQ(Run({"refusals"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("spiffe://site/card/card1/host"));
  EXPECT_THAT(out_.str(), HasSubstr("other-card"));
  EXPECT_THAT(out_.str(), HasSubstr("7"));
}

TEST_F(RefusalsCommandTest, ForProgramsToo) {
  EXPECT_EQ(Run({"refusals", "-o", "json"}), 0) << err_.str();
  const auto items = nlohmann::json::parse(out_.str())["items"];
  ASSERT_EQ(items.size(), 1u);
  EXPECT_EQ(items[0]["count"], 7);
  EXPECT_EQ(items[0]["lastCall"], "/xpu.agent.v1.PortService/BindPort");
}

TEST_F(RefusalsCommandTest, SaysWhereItLooked) {
  EXPECT_EQ(Run({"refusals", "--agent", "unix:/nowhere.sock"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("unix:/nowhere.sock"));
}

}  // namespace
}  // namespace xpu
