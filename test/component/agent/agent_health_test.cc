// What grpcurl and probes ask of a server: which services there are, and whether they can do their work.
//
// Both protocols are spoken in bytes: gRPC's library has no headers of their messages.

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/rpc/rpc.h"
#include "gmock/gmock.h"
#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"
#include "test/component/agent/agent_testing.h"

namespace xpu {
namespace {

using testing::AgentOnFakes;
using ::testing::HasSubstr;

constexpr char kSviService[] = "opi_api.network.evpn_gw.v1alpha1.SviService";
// grpc.health.v1.HealthCheckResponse: field 1, an enum.
constexpr char kServing[] = "\x08\x01";
constexpr char kNotServing[] = "\x08\x02";
constexpr char kServiceUnknown[] = "\x08\x03";

// A call with a stream in both directions, in bytes.
class RawStream {
 public:
  RawStream(const std::string& address, const std::string& method) : stub_(MakeChannel(address).value()) {
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    call_ = stub_.PrepareCall(&context_, method, &queue_);
    call_->StartCall(this);
    Next();
  }
  ~RawStream() {
    context_.TryCancel();
    grpc::Status status;
    call_->Finish(&status, this);
    Next();
  }

  void Write(const std::string& message) {
    const grpc::Slice slice(message);
    call_->WriteLast(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions(), this);
    Next();
  }
  // "(the end)" if there is no more.
  std::string Read() {
    grpc::ByteBuffer message;
    call_->Read(&message, this);
    if (!Next()) return "(the end)";
    grpc::Slice slice;
    EXPECT_TRUE(message.DumpToSingleSlice(&slice).ok());
    return std::string(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }

 private:
  bool Next() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
};

// Field `number` with a text.
std::string Field(int number, const std::string& text) {
  return absl::StrCat(std::string(1, static_cast<char>(number << 3 | 2)),
                      std::string(1, static_cast<char>(text.size())), text);
}

class HealthWatch {
 public:
  HealthWatch(const std::string& address, const std::string& service)
      : stream_(address, "/grpc.health.v1.Health/Watch") {
    stream_.Write(service.empty() ? "" : Field(1, service));
  }
  // Reads on until `state` is told; false if the stream ends before.
  bool Await(const std::string& state) {
    for (std::string next = stream_.Read(); next != "(the end)"; next = stream_.Read()) {
      if (next == state) return true;
    }
    return false;
  }

 private:
  RawStream stream_;
};

TEST(AgentHealth, ServicesServeWhileTheSwitchCanBeReached) {
  AgentOnFakes agent;
  HealthWatch all(agent.address(), ""), svis(agent.address(), kSviService);
  EXPECT_TRUE(all.Await(kServing));
  EXPECT_TRUE(svis.Await(kServing));
  agent.the_switch().Disconnect();
  EXPECT_TRUE(all.Await(kNotServing));
  EXPECT_TRUE(svis.Await(kNotServing));
  agent.the_switch().Connect(/*keep_flows=*/true);
  EXPECT_TRUE(all.Await(kServing));
  EXPECT_TRUE(svis.Await(kServing));
}

TEST(AgentHealth, AServiceThatIsNoneIsUnknown) {
  AgentOnFakes agent;
  HealthWatch watch(agent.address(), "no.such.Service");
  EXPECT_TRUE(watch.Await(kServiceUnknown));
}

TEST(AgentHealth, AnAgentWhoseSwitchIsAwayStartsNotServing) {
  AgentOnFakes agent;
  agent.Stop();
  agent.the_switch().Disconnect();
  agent.Start();
  HealthWatch watch(agent.address(), kSviService);
  EXPECT_TRUE(watch.Await(kNotServing));
  agent.the_switch().Connect(/*keep_flows=*/true);
  EXPECT_TRUE(watch.Await(kServing));
}

TEST(AgentReflection, ListsServicesAndDescribesThem) {
  AgentOnFakes agent;
  constexpr char kMethod[] = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
  {
    RawStream stream(agent.address(), kMethod);
    // ServerReflectionRequest.list_services
    stream.Write(Field(7, "*"));
    const std::string services = stream.Read();
    for (const char* service : {"VrfService", "LogicalBridgeService", "BridgePortService", "SviService"}) {
      EXPECT_THAT(services, HasSubstr(absl::StrCat("opi_api.network.evpn_gw.v1alpha1.", service)));
    }
    EXPECT_THAT(services, HasSubstr("grpc.health.v1.Health"));
  }
  RawStream stream(agent.address(), kMethod);
  // ServerReflectionRequest.file_containing_symbol
  stream.Write(Field(4, kSviService));
  EXPECT_THAT(stream.Read(), HasSubstr("gw_ip_prefix"));
}

}  // namespace
}  // namespace xpu
