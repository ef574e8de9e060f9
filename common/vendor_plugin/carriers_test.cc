// The services of a plugin, by both that carry them, as gRPC's clients of all three names see them.

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/base/event_loop.h"
#include "common/base/loop_inbox.h"
#include "common/rpc/bad_request.h"
#include "common/rpc/rpc.h"
#include "common/sys/files.h"
#include "common/vendor_plugin/grpc_services.h"
#include "common/vendor_plugin/loop_methods.h"
#include "gmock/gmock.h"
#include "grpcpp/impl/service_type.h"
#include "gtest/gtest.h"
#include "opi/lifecycle/v1/lifecycle.grpc.pb.h"
#include "opi/lifecycle/v1alpha1/lifecycle.grpc.pb.h"
#include "opi/lifecycle/vendor/lifecycle.grpc.pb.h"

namespace xpu {
namespace {

class FakePlugin final : public VendorPlugin {
 public:
  void Init(bool on_card, const std::string& identifier,
            std::function<void(absl::StatusOr<PluginEndpoint>)> done) override {
    if (on_card) return done(absl::FailedPreconditionError("dpu_mode: another's"));
    done(PluginEndpoint{.ip = "192.0.2.7", .port = static_cast<uint16_t>(identifier.size())});
  }
  void GetDevices(std::function<void(absl::StatusOr<std::vector<PluginDevice>>)> done) override {
    done(std::vector<PluginDevice>{{.id = "a", .healthy = true, .numa_node = 1}, {.id = "b"}});
  }
  // Answers later, on another thread.
  void SetNumVfs(int count, std::function<void(absl::StatusOr<int>)> done) override {
    std::thread([count, done = std::move(done)] { done(count + 1); }).detach();
  }
  void CreateNetworkFunction(const MacAddress& input, const MacAddress& output,
                             std::function<void(absl::Status)> done) override {
    done(input == output ? absl::AlreadyExistsError("the same twice") : absl::OkStatus());
  }
  void DeleteNetworkFunction(const MacAddress&, const MacAddress&,
                             std::function<void(absl::Status)> done) override {
    done(absl::OkStatus());
  }
  void IsHealthy(std::function<void(bool)> done) override { done(true); }
};

// Serves the plugin on a socket for as long as it lives.
class Carrier {
 public:
  virtual ~Carrier() = default;
};

class ByGrpc final : public Carrier {
 public:
  ByGrpc(VendorPlugin& plugin, const std::string& socket)
      : services_(MakeVendorPluginServices(plugin, "responder")) {
    std::vector<grpc::Service*> services;
    for (const auto& service : services_) services.push_back(service.get());
    server_ = RpcServer::Start({"unix:" + socket}, services).value();
  }

 private:
  const std::vector<std::unique_ptr<grpc::Service>> services_;
  std::unique_ptr<RpcServer> server_;
};

class ByLoop final : public Carrier {
 public:
  ByLoop(VendorPlugin& plugin, const std::string& socket) {
    inbox_.emplace(loop_);
    server_ =
        LoopRpcServer::Start(loop_, socket, VendorPluginMethods(plugin, "responder", inbox_->post())).value();
    thread_ = std::thread([this] { loop_.Run(); });
  }
  ~ByLoop() override {
    loop_.PostAndWait([this] {
      server_.reset();
      inbox_.reset();
    });
    loop_.Stop();
    thread_.join();
  }

 private:
  EventLoop loop_;
  std::optional<LoopInbox> inbox_;
  std::unique_ptr<LoopRpcServer> server_;
  std::thread thread_;
};

using MakeCarrier = std::unique_ptr<Carrier> (*)(VendorPlugin& plugin, const std::string& socket);

class CarriersTest : public ::testing::TestWithParam<MakeCarrier> {
 protected:
  template <typename Stub, typename Request, typename Response>
  static absl::Status Call(Stub& stub,
                           grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                           const Request& request, Response* response) {
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    return FromGrpc((stub.*method)(&context, request, response));
  }

  const TemporaryDirectory folder_ = TemporaryDirectory::Make().value();
  const std::string socket_ = folder_.path() + "/plugin.sock";
  FakePlugin plugin_;
  const std::unique_ptr<Carrier> carrier_ = GetParam()(plugin_, socket_);
  const std::shared_ptr<grpc::Channel> channel_ = MakeChannel("unix:" + socket_).value();
};

TEST_P(CarriersTest, AnswerUnderEachName) {
  {
    const auto stub = Vendor::LifeCycleService::NewStub(channel_);
    Vendor::InitRequest request;
    request.set_dpu_identifier("four");
    Vendor::IpPort answer;
    ASSERT_EQ(Call(*stub, &Vendor::LifeCycleService::Stub::Init, request, &answer), absl::OkStatus());
    EXPECT_EQ(answer.ip(), "192.0.2.7");
    EXPECT_EQ(answer.port(), 4);
  }
  {
    namespace alpha = ::opi_api::lifecycle::v1alpha1;
    const auto stub = alpha::DeviceService::NewStub(channel_);
    alpha::DeviceListResponse answer;
    ASSERT_EQ(Call(*stub, &alpha::DeviceService::Stub::GetDevices, google::protobuf::Empty(), &answer),
              absl::OkStatus());
    ASSERT_EQ(answer.devices_size(), 2);
    EXPECT_EQ(answer.devices().at("a").health(), "Healthy");
    EXPECT_EQ(answer.devices().at("a").topology().node(), "1");
    EXPECT_EQ(answer.devices().at("b").health(), "Unhealthy");
    EXPECT_FALSE(answer.devices().at("b").has_topology());
  }
  namespace stable = ::opi_api::lifecycle::v1;
  const auto devices = stable::DeviceService::NewStub(channel_);
  stable::VfCount wanted, count;
  wanted.set_vf_cnt(7);
  ASSERT_EQ(Call(*devices, &stable::DeviceService::Stub::SetNumVfs, wanted, &count), absl::OkStatus());
  EXPECT_EQ(count.vf_cnt(), 8);
  const auto heartbeat = stable::HeartbeatService::NewStub(channel_);
  stable::PingRequest ping;
  stable::PingResponse pong;
  ASSERT_EQ(Call(*heartbeat, &stable::HeartbeatService::Stub::Ping, ping, &pong), absl::OkStatus());
  EXPECT_TRUE(pong.healthy());
  EXPECT_EQ(pong.responder_id(), "responder");
}

TEST_P(CarriersTest, ErrorsComeWithTheirFields) {
  const auto stub = Vendor::NetworkFunctionService::NewStub(channel_);
  const auto create = [&](const std::string& input, const std::string& output) {
    Vendor::NFRequest request;
    request.set_input(input);
    request.set_output(output);
    Vendor::Empty answer;
    return Call(*stub, &Vendor::NetworkFunctionService::Stub::CreateNetworkFunction, request, &answer);
  };
  EXPECT_EQ(create("02:00:00:00:00:01", "02:00:00:00:00:02"), absl::OkStatus());
  EXPECT_EQ(create("02:00:00:00:00:01", "02:00:00:00:00:01"), absl::AlreadyExistsError("the same twice"));
  for (const auto& [field, status] : {std::pair("input", create("x", "02:00:00:00:00:02")),
                                      std::pair("output", create("02:00:00:00:00:01", "x"))}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    const std::vector<FieldViolation> violations = ViolationsOf(status);
    ASSERT_EQ(violations.size(), 1u) << status;
    EXPECT_EQ(violations[0].field, field);
  }
  const auto devices = Vendor::DeviceService::NewStub(channel_);
  Vendor::VfCount below, count;
  below.set_vf_cnt(-1);
  EXPECT_EQ(Call(*devices, &Vendor::DeviceService::Stub::SetNumVfs, below, &count).code(),
            absl::StatusCode::kInvalidArgument);
  const auto life = Vendor::LifeCycleService::NewStub(channel_);
  Vendor::InitRequest on_card;
  on_card.set_dpu_mode(true);
  Vendor::IpPort nowhere;
  EXPECT_EQ(Call(*life, &Vendor::LifeCycleService::Stub::Init, on_card, &nowhere).code(),
            absl::StatusCode::kFailedPrecondition);
}

INSTANTIATE_TEST_SUITE_P(Grpc, CarriersTest,
                         ::testing::Values([](VendorPlugin& plugin,
                                              const std::string& socket) -> std::unique_ptr<Carrier> {
                           return std::make_unique<ByGrpc>(plugin, socket);
                         }));
INSTANTIATE_TEST_SUITE_P(Loop, CarriersTest,
                         ::testing::Values([](VendorPlugin& plugin,
                                              const std::string& socket) -> std::unique_ptr<Carrier> {
                           return std::make_unique<ByLoop>(plugin, socket);
                         }));

}  // namespace
}  // namespace xpu
