// The end that SIGTERM asks for: what runs is answered, what comes is refused, and it does not take for ever.

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/escaping.h"
#include "absl/time/time.h"
#include "common/http/test_http.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/service/agent_under_test.h"
#include "host-agent/service/function_watch.h"

namespace xpu {
namespace {

using nlohmann::json;
using ::testing::IsEmpty;
using ::testing::SizeIs;
namespace pb = hostagent::v1;

class DrainTest : public ::testing::Test {
 protected:
  // A call on a connection of its own.
  grpc::Status AddAnew(const std::string& pod, pb::CniResponse* response) {
    const auto stub = pb::CniService::NewStub(*MakeChannel(agent_.endpoint()));
    pb::CniRequest request = AgentUnderTest::Request(pod);
    const json config = {{"cniVersion", "1.0.0"},
                         {"name", "blue"},
                         {"type", "xpu-cni"},
                         {"deviceID", world_.vf(0).ToString()}};
    request.set_config(config.dump());
    grpc::ClientContext context;
    return stub->Add(&context, request, response);
  }

  FakeWorld world_;
  AgentUnderTest agent_{world_};
};

TEST_F(DrainTest, ACallThatRunsIsAnsweredAndNewOnesAreRefused) {
  FunctionWatch watch(agent_.agent());
  const std::string pod = world_.MakePod("web");
  world_.opi.BlockCalls("BindPort");
  std::thread add([&] { EXPECT_FALSE(agent_.Add(0, pod).has_error()); });
  ASSERT_TRUE(world_.opi.WaitForBlocked("BindPort", 1));
  agent_.Drain();
  // The goodbye was said before.
  EXPECT_TRUE(watch.WaitForEnd());
  pb::CniResponse response;
  EXPECT_EQ(AddAnew(pod, &response).error_code(), grpc::StatusCode::UNAVAILABLE);
  world_.opi.ReleaseCalls("BindPort");
  add.join();
  agent_.AwaitEnd();
  EXPECT_THAT(world_.Bindings(), SizeIs(1));
  EXPECT_TRUE(world_.InPod(pod, "net1").has_value());
}

TEST_F(DrainTest, ACallOfTheOtherPluginIsAnsweredToo) {
  const std::string pod = world_.MakePod("web");
  const auto post = [&] {
    const json config = {{"cniVersion", "1.0.0"},
                         {"name", "dpu-cni"},
                         {"type", "dpu-cni"},
                         {"deviceID", world_.vf(0).ToString()},
                         {"BridgeID", "blue"}};
    const json body = {{"env",
                        {{"CNI_COMMAND", "ADD"},
                         {"CNI_CONTAINERID", "cweb"},
                         {"CNI_NETNS", pod},
                         {"CNI_IFNAME", "net1"},
                         {"CNI_ARGS", "K8S_POD_NAMESPACE=default;K8S_POD_NAME=web"},
                         {"CNI_PATH", "/opt/cni/bin"}}},
                       {"config", absl::Base64Escape(config.dump())}};
    return TestHttp("unix:" + agent_.dpu_operator_socket()).Post("/cni", body).code;
  };
  FunctionWatch watch(agent_.agent());
  world_.opi.BlockCalls("BindPort");
  std::thread running([&] { EXPECT_EQ(post(), 200); });
  ASSERT_TRUE(world_.opi.WaitForBlocked("BindPort", 1));
  agent_.Drain();
  ASSERT_TRUE(watch.WaitForEnd());
  EXPECT_EQ(post(), 503);
  world_.opi.ReleaseCalls("BindPort");
  running.join();
  agent_.AwaitEnd();
}

TEST_F(DrainTest, AnAgentThatNobodyCallsEndsAtOnce) {
  agent_.Drain();
  agent_.AwaitEnd();
}

TEST_F(DrainTest, WhatTakesTooLongIsCutOffAndTakenUpByTheNextLife) {
  agent_.Stop();
  agent_.SetDrain(absl::Milliseconds(20));
  agent_.Start();
  const std::string pod = world_.MakePod("web");
  world_.opi.BlockCalls("BindPort");
  pb::CniResponse response;
  grpc::Status status;
  std::thread add([&] { status = AddAnew(pod, &response); });
  ASSERT_TRUE(world_.opi.WaitForBlocked("BindPort", 1));
  agent_.Drain();
  add.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  world_.opi.ReleaseCalls("BindPort");
  agent_.AwaitEnd();
  agent_.Start();
  EXPECT_FALSE(agent_.Add(0, pod).has_error()) << "the runtime tries again";
  EXPECT_FALSE(agent_.Del(pod).has_error());
  EXPECT_THAT(world_.Bindings(), SizeIs(0));
}

TEST_F(DrainTest, AReleaseThatTakesTooLongIsDoneAllTheSame) {
  agent_.Stop();
  agent_.SetDrain(absl::Milliseconds(20));
  agent_.Start();
  const std::string pod = world_.MakePod("web");
  ASSERT_FALSE(agent_.Add(0, pod).has_error());
  world_.opi.BlockCalls("UnbindPort");
  std::thread del([&] {
    const auto stub = pb::CniService::NewStub(*MakeChannel(agent_.endpoint()));
    grpc::ClientContext context;
    pb::CniResponse response;
    EXPECT_EQ(stub->Del(&context, AgentUnderTest::Request(pod), &response).error_code(),
              grpc::StatusCode::UNAVAILABLE);
  });
  ASSERT_TRUE(world_.opi.WaitForBlocked("UnbindPort", 1));
  agent_.Drain();
  del.join();
  world_.opi.ReleaseCalls("UnbindPort");
  agent_.AwaitEnd();
  EXPECT_THAT(*world_.journal.Load(), IsEmpty());
  EXPECT_THAT(world_.Bindings(), IsEmpty());
}

}  // namespace
}  // namespace xpu
