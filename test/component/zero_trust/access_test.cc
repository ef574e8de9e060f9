// The pair over TCP: who may do what on a card, by certificate.

#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/rpc/rpc.h"
#include "common/rpc/tls_testing.h"
#include "gmock/gmock.h"
#include "opi/network/evpn_gw/v1alpha1/evpn_gw.grpc.pb.h"
#include "test/component/agent/agent_testing.h"
#include "xpu/agent/v1/access_service.grpc.pb.h"

namespace xpu {
namespace {

using testing::AgentOnFakes;
using ::testing::Contains;
using testing::TestAuthority;
using Code = absl::StatusCode;

class AccessTest : public ::testing::Test {
 protected:
  // Of its own for each test, as the ports of the one before may still be closing.
  static std::string NextAddress() {
    static int next = 0;
    return absl::StrCat("127.0.0.1:", 20000 + (getpid() * 16 + next++) % 20000);
  }
  std::unique_ptr<GrpcOpiClient> Connect(const std::string& uri) {
    return ConnectWith(ca_.Sign("client", uri));
  }
  std::unique_ptr<GrpcOpiClient> ConnectWith(const TlsFiles& tls) {
    return GrpcOpiClient::Make(address_, {.tls = tls, .deadline = absl::Seconds(20)}).value();
  }
  std::unique_ptr<GrpcOpiClient> Host() { return Connect("spiffe://site/card/card0/host"); }
  std::unique_ptr<GrpcOpiClient> Operator() { return Connect("spiffe://site/operator/ann"); }

  // "identity reason count", as an operator on the card sees them.
  std::vector<std::string> Refusals() {
    const auto stub = agent::v1::AccessService::NewStub(MakeChannel(agent_.address()).value());
    grpc::ClientContext context;
    agent::v1::ListRefusalsResponse response;
    EXPECT_TRUE(stub->ListRefusals(&context, {}, &response).ok());
    std::vector<std::string> lines;
    for (const agent::v1::Refusal& refusal : response.refusals()) {
      lines.push_back(absl::StrCat(refusal.identity(), " ", refusal.reason(), " ", refusal.count()));
    }
    return lines;
  }

  TemporaryDirectory folder_ = TemporaryDirectory::Make().value();
  TestAuthority ca_{folder_.path(), "ca"};
  const std::string address_ = NextAddress();
  const TlsFiles of_agent_ = ca_.Sign("agent", "spiffe://site/card/card0/agent");
  AgentOnFakes agent_{{.adjust = [this](XpuAgentOptions& options) {
    options.listen.push_back(address_);
    options.tls = of_agent_;
    options.trust_domain = "site";
    options.calls_per_second = 1;
    options.call_burst = 40;
  }}};
};

TEST_F(AccessTest, AnOperatorMakesNetworksAndAHostUsesThem) {
  MakeNetwork(*Operator(), "blue", 100);
  const auto host = Host();
  EXPECT_EQ(host->CreateBridgePort("host0-1", PortSpecOf(1), 5).status(), absl::OkStatus());
  EXPECT_EQ(host->BindPort(BindOf("host0-1", "blue", 1, 5)).status(), absl::OkStatus());
  EXPECT_EQ(host->GetLogicalBridge("logicalBridges/blue").status(), absl::OkStatus());
  EXPECT_EQ(host->ListPortBindings().value().size(), 1u);
  EXPECT_EQ(host->UnbindPort(UnbindOf("host0-1", 5, true)), absl::OkStatus());
  EXPECT_THAT(Refusals(), ::testing::IsEmpty());
}

TEST_F(AccessTest, AHostOfAnotherCardGetsNothing) {
  MakeNetwork(agent_.client(), "blue", 100);
  const auto host = Connect("spiffe://site/card/card1/host");
  EXPECT_EQ(host->BindPort(BindOf("host0-1", "blue", 1, 5)).status().code(), Code::kPermissionDenied);
  EXPECT_EQ(host->CreateBridgePort("host0-1", PortSpecOf(1), 5).status().code(), Code::kPermissionDenied);
  EXPECT_EQ(host->ListPortBindings().status().code(), Code::kPermissionDenied);
  EXPECT_EQ(agent_.client().ListBridgePorts().value().size(), 0u);
  EXPECT_THAT(Refusals(), Contains("spiffe://site/card/card1/host other-card 3"));
}

TEST_F(AccessTest, AStrangerGetsNothing) {
  EXPECT_EQ(Connect("")->ListBridgePorts().status().code(), Code::kPermissionDenied);
  EXPECT_EQ(Connect("spiffe://elsewhere/operator/eve")->ListBridgePorts().status().code(),
            Code::kPermissionDenied);
  EXPECT_THAT(Refusals(),
              ::testing::ElementsAre("spiffe://elsewhere/operator/eve stranger 1", "unnamed stranger 1"));
  // Signed by somebody else, it does not even come as far as to ask.
  TlsFiles forged = TestAuthority(folder_.path(), "other").Sign("forged", "spiffe://site/operator/ann");
  forged.ca = of_agent_.ca;
  EXPECT_EQ(ConnectWith(forged)->ListBridgePorts().status().code(), Code::kUnavailable);
  EXPECT_THAT(Refusals(), Contains(::testing::StartsWith("unknown handshake ")));
}

TEST_F(AccessTest, WhoSpeaksNoTlsIsCounted) {
  // The other side of what the guide says of a unix socket: in the clear there is no answer.
  const auto channel = grpc::CreateChannel(address_, grpc::InsecureChannelCredentials());
  const auto stub = evpn::BridgePortService::NewStub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  evpn::ListBridgePortsResponse response;
  EXPECT_EQ(FromGrpc(stub->ListBridgePorts(&context, {}, &response)).code(), Code::kUnavailable);
  EXPECT_THAT(Refusals(), Contains(::testing::StartsWith("unknown handshake ")));
}

TEST_F(AccessTest, AHostMakesNoNetworksAndTouchesNoObjectsOfOthers) {
  MakeNetwork(agent_.client(), "blue", 100);
  ASSERT_EQ(agent_.client().CreateBridgePort("host0-2", PortSpecOf(2), 0).status(), absl::OkStatus());
  const auto host = Host();
  EXPECT_EQ(host->CreateLogicalBridge("mine", BridgeSpecOf(101)).status().code(), Code::kPermissionDenied);
  EXPECT_EQ(host->DeleteLogicalBridge("logicalBridges/blue").code(), Code::kPermissionDenied);
  agent::v1::Subnets subnets;
  subnets.set_logical_bridge("logicalBridges/blue");
  EXPECT_EQ(host->SetSubnets(subnets).status().code(), Code::kPermissionDenied);
  EXPECT_THAT(Refusals(), Contains("spiffe://site/card/card0/host not-a-hosts 3"));

  EXPECT_EQ(host->DeleteBridgePort("bridgePorts/host0-2", 7).code(), Code::kPermissionDenied);
  EXPECT_EQ(host->BindPort(BindOf("host0-2", "blue", 2, 7)).status().code(), Code::kPermissionDenied);
  EXPECT_EQ(host->UnbindPort(UnbindOf("host0-2", 7, true)).code(), Code::kPermissionDenied);
  EXPECT_EQ(host->CreateBridgePort("uplink", PortSpecOf(3), 7).status().code(), Code::kPermissionDenied);
  EXPECT_EQ(host->CreateBridgePort("host0-3", PortSpecOf(3), 0).status().code(), Code::kPermissionDenied);
  evpn::BridgePortSpec into_blue = PortSpecOf(3);
  into_blue.add_logical_bridges("logicalBridges/blue");
  EXPECT_EQ(host->CreateBridgePort("host0-3", into_blue, 7).status().code(), Code::kPermissionDenied);
  EXPECT_THAT(Refusals(), Contains("spiffe://site/card/card0/host not-its-own 6"));

  EXPECT_EQ(agent_.client().ListBridgePorts().value().size(), 1u);
  EXPECT_EQ(agent_.client().ListLogicalBridges().value().size(), 1u);
}

TEST_F(AccessTest, AFloodIsRefusedAndTheOthersDoNotNotice) {
  const auto host = Host();
  int refused = 0;
  for (int i = 0; i < 80; ++i) {
    const absl::Status status = host->ListPortBindings().status();
    if (status.code() == Code::kResourceExhausted) {
      ++refused;
    } else {
      EXPECT_EQ(status, absl::OkStatus());
    }
  }
  EXPECT_GT(refused, 0);
  EXPECT_EQ(Operator()->ListPortBindings().status(), absl::OkStatus());
  EXPECT_EQ(agent_.client().ListPortBindings().status(), absl::OkStatus());
  EXPECT_THAT(Refusals(),
              ::testing::ElementsAre(absl::StrCat("spiffe://site/card/card0/host flood ", refused)));
}

TEST_F(AccessTest, NewCredentialsAreTakenUpWithoutARestart) {
  const auto before = Operator();
  EXPECT_EQ(before->ListBridgePorts().status(), absl::OkStatus());
  // Another authority for everybody.
  const TestAuthority next(folder_.path(), "next");
  const TlsFiles of_next = next.Sign("next-agent", "spiffe://site/card/card0/agent");
  const TlsFiles of_operator = next.Sign("next-operator", "spiffe://site/operator/ann");
  for (const auto& [from, to] : {std::pair(of_next.ca, of_agent_.ca), std::pair(of_next.key, of_agent_.key),
                                 std::pair(of_next.certificate, of_agent_.certificate)}) {
    std::filesystem::rename(from, to + ".new");
    std::filesystem::rename(to + ".new", to);
  }
  TlsFiles tls = of_operator;
  tls.ca = of_agent_.ca;
  // The agent hears of the files by itself. Until it has, it refuses the connection, which gRPC then tries
  // again.
  const auto stub = evpn::BridgePortService::NewStub(MakeChannel(address_, tls).value());
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  evpn::ListBridgePortsResponse response;
  EXPECT_EQ(FromGrpc(stub->ListBridgePorts(&context, {}, &response)), absl::OkStatus());
  EXPECT_EQ(before->ListBridgePorts().status(), absl::OkStatus()) << "a connection that was there";
}

}  // namespace
}  // namespace xpu
