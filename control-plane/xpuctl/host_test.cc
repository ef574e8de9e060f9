#include "control-plane/xpuctl/host.h"

#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <sstream>

#include "CLI/CLI.hpp"
#include "common/rpc/rpc.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "xpu/hostagent/v1/host_agent.grpc.pb.h"

namespace xpu {
namespace {

using nlohmann::json;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
namespace pb = hostagent::v1;

// A host agent that has one card with a function in a pod.
class Agent final : public pb::HostAgentService::Service {
  grpc::Status ListPhysicalFunctions(grpc::ServerContext*, const pb::ListPhysicalFunctionsRequest*,
                                     pb::ListPhysicalFunctionsResponse* response) override {
    pb::PhysicalFunction& pf = *response->add_physical_functions();
    pf.set_pci_address("0000:03:00.0");
    pf.set_card("card0");
    pf.set_present(true);
    pf.set_wanted_vfs(8);
    pf.set_vfs(4);
    pf.set_total_vfs(16);
    pf.set_wanted_sfs(-1);
    pf.set_reason("in use by pod default/web");
    return grpc::Status::OK;
  }
  grpc::Status ListClaims(grpc::ServerContext*, const pb::ListClaimsRequest*,
                          pb::ListClaimsResponse* response) override {
    pb::Claim& claim = *response->add_claims();
    claim.set_function("0000:03:00.2");
    claim.set_state("attached");
    claim.set_claim(7);
    claim.set_pod_namespace("default");
    claim.set_pod_name("web");
    claim.set_container_id("c1");
    claim.set_ifname("net1");
    claim.set_network("default/blue");
    claim.add_addresses("10.0.0.2/24");
    return grpc::Status::OK;
  }
  grpc::Status WatchFunctions(grpc::ServerContext* context, const pb::WatchFunctionsRequest*,
                              grpc::ServerWriter<pb::WatchFunctionsResponse>* writer) override {
    pb::WatchFunctionsResponse response;
    pb::Function& function = *response.add_functions();
    function.set_id("0000:03:00.0-sf88");
    function.set_kind(pb::Function::KIND_SF);
    function.set_card("card0");
    function.set_pf_address("0000:03:00.0");
    function.set_index(88);
    function.set_driver("mlx5_core.sf");
    function.set_auxiliary_device("mlx5_core.sf.4");
    function.set_numa_node(-1);
    function.set_reason("the card does not answer");
    writer->Write(response);
    return context->IsCancelled() ? grpc::Status::CANCELLED : grpc::Status::OK;
  }
};

class HostCommandTest : public ::testing::Test {
 protected:
  HostCommandTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "xpuctl-host-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    server_ = *RpcServer::Start({address()}, {&agent_});
  }
  ~HostCommandTest() override {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }
  std::string address() const { return "unix:" + folder_ + "/agent.sock"; }

  // Returns what a person sees on the standard output.
  std::string Run(const std::string& arguments, int expected = 0) {
    CLI::App app;
    AddHostCommand(app, out_, err_, [this](const char* name) {
      return std::string(name) == "XPU_HOST_AGENT" ? address() : std::string();
    });
    int code = 0;
    try {
      app.parse("host " + arguments);
    } catch (const CLI::ParseError& e) {
      code = e.get_exit_code();
    }
    EXPECT_EQ(code, expected) << err_.str();
    return out_.str();
  }

  std::string folder_;
  Agent agent_;
  std::unique_ptr<RpcServer> server_;
  std::ostringstream out_, err_;
};

TEST_F(HostCommandTest, ShowsPhysicalFunctionsAndWhatStandsInTheWay) {
  EXPECT_THAT(Run(""),
              ContainsRegex("0000:03:00.0 +card0 +yes +4 +8 +16 +0 +any +in use by pod default/web"));
}

TEST_F(HostCommandTest, ShowsThemToPrograms) {
  const json shown = json::parse(Run("pfs -o json"));
  ASSERT_EQ(shown["items"].size(), 1u);
  EXPECT_EQ(shown["items"][0]["pciAddress"], "0000:03:00.0");
  EXPECT_EQ(shown["items"][0]["wantedVfs"], 8);
  EXPECT_FALSE(shown["items"][0].contains("wantedSfs")) << "whatever there is";
  EXPECT_EQ(shown["items"][0]["reason"], "in use by pod default/web");
}

TEST_F(HostCommandTest, ShowsFunctions) {
  EXPECT_THAT(Run("functions"),
              ContainsRegex("0000:03:00.0-sf88 +card0 +0000:03:00.0 +88 +mlx5_core.sf +-1 +no +the card"));
  out_.str("");
  const json shown = json::parse(Run("functions -o json"));
  EXPECT_EQ(shown["items"][0]["kind"], "SF");
  EXPECT_EQ(shown["items"][0]["auxiliaryDevice"], "mlx5_core.sf.4");
  EXPECT_EQ(shown["items"][0]["healthy"], false);
}

TEST_F(HostCommandTest, ShowsClaims) {
  EXPECT_THAT(Run("claims"),
              ContainsRegex("0000:03:00.2 +attached +default/web +net1 +default/blue +10.0.0.2/24"));
  out_.str("");
  EXPECT_EQ(json::parse(Run("claims -o json"))["items"][0]["addresses"][0], "10.0.0.2/24");
}

TEST_F(HostCommandTest, SaysWhereItAskedWhenNobodyAnswers) {
  Run("--host-agent unix:/nowhere/agent.sock", 1);
  EXPECT_THAT(err_.str(), HasSubstr("unix:/nowhere/agent.sock"));
  EXPECT_EQ(out_.str(), "");
}

}  // namespace
}  // namespace xpu
