// How the process starts and fails to, and what it serves beside its own services.

#include <memory>

#include "common/kube/fake_store.h"
#include "common/rpc/rpc.h"
#include "gmock/gmock.h"
#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"
#include "test/component/agent/agent_testing.h"

namespace xpu {
namespace {

using testing::AgentOnFakes;
using ::testing::HasSubstr;

class AgentProcess : public ::testing::Test {
 protected:
  // RunXpuAgent with these options must end by itself.
  absl::Status Run(const XpuAgentOptions& options, ResourceStore* resources = nullptr) {
    EventLoop loop;
    FakeSwitch fake;
    FakeRepresentors representors;
    return RunXpuAgent(options, {.loop = loop,
                                 .the_switch = fake,
                                 .store = store_,
                                 .representors = representors,
                                 .resources = resources,
                                 .ready = [&loop] {
                                   ADD_FAILURE() << "it serves";
                                   loop.Stop();
                                 }});
  }
  MemoryModelStore store_;
};

TEST_F(AgentProcess, NeedsAnAddress) {
  EXPECT_EQ(Run({.card = "card0"}).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(AgentProcess, DoesNotServeTcpInTheClear) {
  absl::Status status = Run({.card = "card0", .listen = {"127.0.0.1:0"}});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("mTLS"));
}

TEST_F(AgentProcess, NeedsTheCardsNameForResources) {
  FakeStore resources;
  absl::Status status = Run({.listen = {"unix:/tmp/never-used.sock"}}, &resources);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("card"));
}

TEST_F(AgentProcess, ADamagedStoreIsNotServedFrom) {
  store_.FailLoad(absl::DataLossError("the file is damaged"));
  EXPECT_EQ(Run({.card = "card0", .listen = {"unix:/tmp/never-used.sock"}}).code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(AgentProcess, AnAddressInUseIsSaidSo) {
  AgentOnFakes other;
  absl::Status status = Run({.card = "card0", .listen = {other.address()}});
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr(other.address().substr(5)));
  EXPECT_EQ(other.client().ListBridgePorts().status(), absl::OkStatus());
}

// One unary call with bytes in and out.
absl::StatusOr<std::string> RawCall(const std::string& address, const std::string& method,
                                    const std::string& request) {
  grpc::GenericStub stub(MakeChannel(address).value());
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  grpc::Slice slice(request);
  auto call = stub.PrepareUnaryCall(&context, method, grpc::ByteBuffer(&slice, 1), &queue);
  call->StartCall();
  grpc::ByteBuffer answer;
  grpc::Status status;
  call->Finish(&answer, &status, &queue);
  void* tag;
  bool ok;
  queue.Next(&tag, &ok);
  if (!status.ok()) return FromGrpc(status);
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (answer.Dump(&slices).ok()) {
    for (const grpc::Slice& part : slices)
      bytes.append(reinterpret_cast<const char*>(part.begin()), part.size());
  }
  return bytes;
}

TEST_F(AgentProcess, AMessageThatIsNoneIsAnErrorAndNothingMore) {
  AgentOnFakes agent;
  for (const char* method : {"/xpu.agent.v1.PortService/BindPort",
                             "/opi_api.network.evpn_gw.v1alpha1.BridgePortService/CreateBridgePort"}) {
    EXPECT_FALSE(RawCall(agent.address(), method, "\xff\xff\xff garbage").ok()) << method;
    // An empty one is refused for what it lacks.
    EXPECT_EQ(RawCall(agent.address(), method, "").status().code(), absl::StatusCode::kInvalidArgument)
        << method;
  }
  EXPECT_EQ(
      RawCall(agent.address(), "/opi_api.network.evpn_gw.v1alpha1.VrfService/Paint", "").status().code(),
      absl::StatusCode::kUnimplemented);
  EXPECT_EQ(agent.client().ListBridgePorts().status(), absl::OkStatus());
}

}  // namespace
}  // namespace xpu
