// The CNI plugin as a runtime starts it, against a gRPC server of gRPC's own making.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "common/rpc/rpc.h"
#include "nlohmann/json.hpp"
#include "test/lib/runtime/container_runtime.h"
#include "xpu/hostagent/v1/host_agent.grpc.pb.h"

namespace xpu {
namespace {

using hostagent::v1::CniRequest;
using hostagent::v1::CniResponse;
using nlohmann::json;
using ::testing::AllOf;
using testing::CniCall;
using testing::CniOutcome;
using testing::ContainerRuntime;
using ::testing::HasSubstr;

using Handler = std::function<grpc::Status(grpc::ServerContext&, const CniRequest&, CniResponse&)>;

class CniServer : public hostagent::v1::CniService::Service {
 public:
  Handler on_add;
  Handler on_del;
  Handler on_check;
  Handler on_gc;
  Handler on_status;

 private:
  grpc::Status Add(grpc::ServerContext* context, const CniRequest* request, CniResponse* response) override {
    return on_add(*context, *request, *response);
  }
  grpc::Status Del(grpc::ServerContext* context, const CniRequest* request, CniResponse* response) override {
    return on_del(*context, *request, *response);
  }
  grpc::Status Check(grpc::ServerContext* context, const CniRequest* request,
                     CniResponse* response) override {
    return on_check(*context, *request, *response);
  }
  grpc::Status Gc(grpc::ServerContext* context, const CniRequest* request, CniResponse* response) override {
    return on_gc(*context, *request, *response);
  }
  grpc::Status Status(grpc::ServerContext* context, const CniRequest* request,
                      CniResponse* response) override {
    return on_status(*context, *request, *response);
  }
};

class CniShimTest : public ::testing::Test {
 protected:
  CniShimTest() {
    char folder[] = "/tmp/cni-shim-XXXXXX";
    folder_ = mkdtemp(folder);
    socket_ = folder_ + "/host-agent.sock";
  }
  ~CniShimTest() override {
    server_ = nullptr;
    std::filesystem::remove_all(folder_);
  }

  void Serve() {
    auto server = RpcServer::Start({"unix:" + socket_}, {&service_});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  // An agent that answers ADD with this.
  void ServeAdd(Handler handler) {
    service_.on_add = std::move(handler);
    Serve();
  }

  static CniCall Call(const std::string& command, const std::string& config) {
    return {.command = command,
            .container_id = "c0ffee",
            .netns = "/run/netns/blue",
            .ifname = "net1",
            .args = "K8S_POD_NAME=web-0",
            .config = config};
  }
  CniOutcome Run(const CniCall& call) const {
    const ContainerRuntime runtime({.plugin = XPU_CNI, .environment = {{"XPU_HOST_AGENT", socket_}}});
    absl::StatusOr<CniOutcome> outcome = runtime.Run(call);
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    return outcome.ok() ? *outcome : CniOutcome();
  }
  CniOutcome Add() const { return Run(Call("ADD", kConfig)); }

  static constexpr char kConfig[] = R"({"cniVersion": "0.4.0", "name": "blue"})";
  std::string folder_;
  std::string socket_;
  CniServer service_;
  std::unique_ptr<RpcServer> server_;
};

TEST_F(CniShimTest, AddHandsOverEverythingAsTheRuntimeGaveIt) {
  CniRequest seen;
  std::chrono::system_clock::time_point deadline;
  ServeAdd([&](grpc::ServerContext& context, const CniRequest& request, CniResponse& response) {
    seen = request;
    deadline = context.deadline();
    response.set_result("{}");
    return grpc::Status::OK;
  });
  const auto start = std::chrono::system_clock::now();
  const std::string config =
      "  {\"cniVersion\":\t\"1.0.0\", \"name\": \"b\\u006cue\", \"x\": [1.0, {}]}\r\n\n";
  EXPECT_EQ(Run(Call("ADD", config)).exit_code, 0);
  EXPECT_EQ(seen.container_id(), "c0ffee");
  EXPECT_EQ(seen.netns(), "/run/netns/blue");
  EXPECT_EQ(seen.ifname(), "net1");
  EXPECT_EQ(seen.args(), "K8S_POD_NAME=web-0");
  EXPECT_EQ(seen.path(), "/usr/lib/cni");
  EXPECT_EQ(seen.config(), config);
  // The server knows how long the shim waits.
  EXPECT_GT(deadline, start + std::chrono::seconds(100));
  EXPECT_LT(deadline, std::chrono::system_clock::now() + std::chrono::seconds(111));
}

TEST_F(CniShimTest, TheResultOfAddComesOutByteForByte) {
  const std::string result = std::string("{\"ips\": [ ]}\n\0 \xff binary", 23);
  ServeAdd([&](auto&, auto&, CniResponse& response) {
    response.set_result(result);
    return grpc::Status::OK;
  });
  const CniOutcome outcome = Add();
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.output, result);
  EXPECT_EQ(outcome.error_output, "");
}

TEST_F(CniShimTest, DelSaysNothing) {
  service_.on_del = [](auto&, auto&, CniResponse& response) {
    response.set_result("");
    return grpc::Status::OK;
  };
  Serve();
  const CniOutcome outcome = Run(Call("DEL", kConfig));
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.output, "");
}

TEST_F(CniShimTest, AnErrorOfTheAgentBecomesTheErrorObject) {
  ServeAdd([](auto&, auto&, CniResponse& response) {
    response.mutable_error()->set_code(7);
    response.mutable_error()->set_msg("network \"blue\" is not there");
    response.mutable_error()->set_details("apply it");
    response.mutable_error()->set_cni_version("0.3.1");
    return grpc::Status::OK;
  });
  const CniOutcome outcome = Add();
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(json::parse(outcome.output), json::parse(R"({"cniVersion": "0.3.1", "code": 7,
      "msg": "network \"blue\" is not there", "details": "apply it"})"));
}

TEST_F(CniShimTest, AnErrorWithoutVersionHasThatOfTheConfiguration) {
  ServeAdd([](auto&, auto&, CniResponse& response) {
    response.mutable_error()->set_code(101);
    response.mutable_error()->set_msg("broken");
    return grpc::Status::OK;
  });
  const json object = json::parse(Add().output);
  EXPECT_EQ(object["cniVersion"], "0.4.0");
  EXPECT_EQ(object["code"], 101);
  EXPECT_EQ(object["msg"], "broken");
  EXPECT_FALSE(object.contains("details"));
}

struct StatusCase {
  grpc::StatusCode code;
  int cni_code;
  const char* name;
};

class CniShimStatusTest : public CniShimTest, public ::testing::WithParamInterface<StatusCase> {};

TEST_P(CniShimStatusTest, IsReportedWithItsNameAndMessage) {
  ServeAdd(
      [](auto&, auto&, auto&) { return grpc::Status(GetParam().code, "the card's 100% \"gone\"\n: bäh"); });
  const CniOutcome outcome = Add();
  EXPECT_EQ(outcome.exit_code, 1);
  const json object = json::parse(outcome.output);
  EXPECT_EQ(object["code"], GetParam().cni_code);
  EXPECT_THAT(object["msg"].get<std::string>(),
              AllOf(HasSubstr(GetParam().name), HasSubstr("the card's 100% \"gone\"\n: bäh")));
}

INSTANTIATE_TEST_SUITE_P(Table, CniShimStatusTest,
                         ::testing::Values(StatusCase{grpc::StatusCode::UNAVAILABLE, 11, "UNAVAILABLE"},
                                           StatusCase{grpc::StatusCode::DEADLINE_EXCEEDED, 11,
                                                      "DEADLINE_EXCEEDED"},
                                           StatusCase{grpc::StatusCode::INTERNAL, 100, "INTERNAL"},
                                           StatusCase{grpc::StatusCode::DATA_LOSS, 100, "DATA_LOSS"},
                                           StatusCase{grpc::StatusCode::CANCELLED, 100, "CANCELLED"},
                                           StatusCase{grpc::StatusCode::UNIMPLEMENTED, 100, "UNIMPLEMENTED"}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_F(CniShimTest, AMessageThatIsNoTextStillMakesJson) {
  ServeAdd([](auto&, auto&, auto&) { return grpc::Status(grpc::StatusCode::INTERNAL, "bad \xff byte"); });
  EXPECT_EQ(json::parse(Add().output)["details"], "bad \xef\xbf\xbd byte");
}

TEST_F(CniShimTest, AnAgentOfAnotherVersionIsNamedAsSuch) {
  hostagent::v1::HostAgentService::Service other;
  auto server = RpcServer::Start({"unix:" + socket_}, {&other});
  ASSERT_TRUE(server.ok()) << server.status();
  const json object = json::parse(Add().output);
  EXPECT_EQ(object["code"], 100);
  EXPECT_THAT(object["details"].get<std::string>(), HasSubstr("another version"));
}

TEST_F(CniShimTest, SizesBeyondTheFlowControlWindowPass) {
  // HTTP/2 lets 65,535 bytes go before the other side has to say more.
  const std::string filler(900'000, 'x');
  const std::string config = R"({"cniVersion": "1.0.0", "filler": ")" + filler + "\"}";
  const std::string result(3'500'000, 'r');
  ServeAdd([&](auto&, const CniRequest& request, CniResponse& response) {
    if (request.config() != config) return grpc::Status(grpc::StatusCode::INTERNAL, "damaged");
    response.set_result(result);
    return grpc::Status::OK;
  });
  const CniOutcome outcome = Run(Call("ADD", config));
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.output, result);
}

TEST_F(CniShimTest, AnAnswerWithoutBoundIsRefused) {
  ServeAdd([&](auto&, auto&, CniResponse& response) {
    response.set_result(std::string(5 << 20, 'r'));
    return grpc::Status::OK;
  });
  const json object = json::parse(Add().output);
  EXPECT_THAT(object["msg"].get<std::string>(), HasSubstr("larger than 4 MiB"));
}

TEST_F(CniShimTest, AnAgentThatStopsInTheMiddleIsAReasonToTryAgain) {
  absl::Notification asked;
  absl::Notification answered;
  ServeAdd([&](auto&, auto&, auto&) {
    asked.Notify();
    answered.WaitForNotification();
    return grpc::Status::OK;
  });
  // Stop() cancels the call, which the shim sees at once, and then waits for the handler.
  std::thread stopper([&] {
    asked.WaitForNotification();
    server_->Stop();
  });
  const CniOutcome outcome = Add();
  answered.Notify();
  stopper.join();
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(json::parse(outcome.output)["code"], 11);
}

TEST_F(CniShimTest, NoAgentIsAReasonToTryAgain) {
  for (const char* command : {"ADD", "DEL", "CHECK", "GC", "STATUS"}) {
    const CniOutcome outcome = Run(Call(command, kConfig));
    EXPECT_EQ(outcome.exit_code, 1);
    const json object = json::parse(outcome.output);
    EXPECT_EQ(object["code"], std::string_view(command) == "STATUS" ? 50 : 11);
    EXPECT_THAT(object["msg"].get<std::string>(), HasSubstr(socket_));
  }
}

TEST_F(CniShimTest, VersionNeedsNoAgent) {
  const CniOutcome outcome = Run({.command = "VERSION", .config = R"({"cniVersion": "1.0.0"})"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.output,
            "{\"cniVersion\":\"1.0.0\",\"supportedVersions\":[\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"]}\n");
}

TEST_F(CniShimTest, VersionIsTheSameHoweverItIsWritten) {
  // The first is answered before main(), the others by it.
  const CniOutcome plain = Run({.command = "VERSION", .config = R"({"cniVersion":"0.4.0"})"});
  const std::string filler = R"({"filler": ")" + std::string(1000, 'x') + R"(", "cniVersion": "0.4.0"})";
  for (const std::string& config : {std::string(R"({"cniVersion": "0.4.0", "name": "blue"})"),
                                    std::string(R"({"cniVersion": "0\u002e4.0"})"), filler}) {
    const CniOutcome outcome = Run({.command = "VERSION", .config = config});
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_EQ(outcome.output, plain.output);
  }
  EXPECT_EQ(json::parse(Run({.command = "VERSION"}).output)["cniVersion"], "1.1.0");
  EXPECT_EQ(json::parse(Run({.command = "VERSION", .config = "{"}).output)["code"], 6);
}

TEST_F(CniShimTest, TheNameOfTheProgramDoesNotMatter) {
  const std::string sriov = folder_ + "/sriov";
  std::filesystem::create_symlink(XPU_CNI, sriov);
  ServeAdd([](auto&, auto&, CniResponse& response) {
    response.set_result("{}");
    return grpc::Status::OK;
  });
  const ContainerRuntime runtime({.plugin = sriov, .environment = {{"XPU_HOST_AGENT", socket_}}});
  EXPECT_EQ(runtime.Run(Call("ADD", kConfig))->output, "{}");
}

struct CommandCase {
  const char* command;
  // Calls about no interface have no container, namespace and interface name.
  bool of_an_interface;
};

class CniShimCommandTest : public CniShimTest, public ::testing::WithParamInterface<CommandCase> {};

TEST_P(CniShimCommandTest, GoesToTheMethodOfItsName) {
  std::vector<std::string> asked;
  const auto note = [&](const char* command) {
    return [&asked, command](auto&, const CniRequest& request, CniResponse& response) {
      asked.push_back(command);
      EXPECT_EQ(request.container_id().empty(), !GetParam().of_an_interface);
      EXPECT_EQ(request.config(), kConfig);
      response.set_result("");
      return grpc::Status::OK;
    };
  };
  service_.on_add = note("ADD");
  service_.on_del = note("DEL");
  service_.on_check = note("CHECK");
  service_.on_gc = note("GC");
  service_.on_status = note("STATUS");
  Serve();
  CniCall call = Call(GetParam().command, kConfig);
  if (!GetParam().of_an_interface) call.container_id = call.netns = call.ifname = "";
  const CniOutcome outcome = Run(call);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  EXPECT_EQ(outcome.output, "");
  EXPECT_EQ(asked, std::vector<std::string>{GetParam().command});
}

INSTANTIATE_TEST_SUITE_P(Table, CniShimCommandTest,
                         ::testing::Values(CommandCase{"ADD", true}, CommandCase{"DEL", true},
                                           CommandCase{"CHECK", true}, CommandCase{"GC", false},
                                           CommandCase{"STATUS", false}),
                         [](const auto& test) { return std::string(test.param.command); });

TEST_F(CniShimTest, NothingIsAskedWhenTheCallIsMalformed) {
  int asked = 0;
  service_.on_add = service_.on_del = [&](auto&, auto&, auto&) {
    ++asked;
    return grpc::Status::OK;
  };
  Serve();
  CniCall call = Call("ADD", kConfig);
  call.ifname = "";
  EXPECT_EQ(json::parse(Run(call).output)["code"], 4);
  call = Call("ADD", "{\"cniVersion\": ");
  EXPECT_EQ(json::parse(Run(call).output)["code"], 6);
  call = Call("UPDATE", kConfig);
  EXPECT_EQ(json::parse(Run(call).output)["code"], 4);
  call = Call("", kConfig);
  const CniOutcome outcome = Run(call);
  EXPECT_EQ(json::parse(outcome.output)["code"], 4);
  EXPECT_THAT(outcome.error_output, HasSubstr("xpu-cni is the CNI plugin"));
  EXPECT_EQ(asked, 0);
}

TEST_F(CniShimTest, ManyAtOnceDoNotMixUp) {
  ServeAdd([](auto&, const CniRequest& request, CniResponse& response) {
    response.set_result(request.container_id());
    return grpc::Status::OK;
  });
  std::vector<std::thread> threads;
  for (int i = 0; i < 32; ++i) {
    threads.emplace_back([this, i] {
      CniCall call = Call("ADD", kConfig);
      call.container_id = "container-" + std::to_string(i);
      EXPECT_EQ(Run(call).output, call.container_id);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace xpu
