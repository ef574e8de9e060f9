#include "common/rpc/rpc.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "common/rpc/tls_testing.h"
#include "gtest/gtest.h"
#include "xpu/hostagent/v1/host_agent.grpc.pb.h"

namespace xpu {
namespace {

using hostagent::v1::CniRequest;
using hostagent::v1::CniResponse;
using hostagent::v1::CniService;

class Echo : public CniService::Service {
  grpc::Status Add(grpc::ServerContext*, const CniRequest* request, CniResponse* response) override {
    if (request->ifname().empty()) return ToGrpc(absl::InvalidArgumentError("no interface name"));
    response->set_result(request->config());
    return grpc::Status::OK;
  }
};

class RpcTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/xpu-rpc-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
    address_ = "unix:" + folder_ + "/s";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  absl::StatusOr<std::string> Call(const std::string& address, const std::string& ifname,
                                   const TlsFiles& tls = {}) {
    auto channel = MakeChannel(address, tls);
    if (!channel.ok()) return channel.status();
    auto stub = CniService::NewStub(*channel);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    CniRequest request;
    request.set_ifname(ifname);
    request.set_config("hello");
    CniResponse response;
    const grpc::Status status = stub->Add(&context, request, &response);
    if (!status.ok()) return FromGrpc(status);
    return response.result();
  }

  std::string folder_, address_;
  Echo echo_;
};

TEST_F(RpcTest, CallsThroughAUnixSocketThatIsForRootOnly) {
  auto server = RpcServer::Start({address_}, {&echo_});
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_EQ(*Call(address_, "eth0"), "hello");
  EXPECT_EQ(Call(address_, "").status(), absl::InvalidArgumentError("no interface name"));
  struct stat info;
  ASSERT_EQ(stat((folder_ + "/s").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(RpcTest, ReplacesASocketThatAKilledProcessLeft) {
  {
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    strcpy(address.sun_path, (folder_ + "/s").c_str());
    ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    close(fd);
  }
  auto server = RpcServer::Start({address_}, {&echo_});
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_TRUE(Call(address_, "eth0").ok());
}

TEST_F(RpcTest, RefusesAnAddressInUseAndWhatIsNoSocket) {
  auto server = RpcServer::Start({address_}, {&echo_});
  Echo other;
  EXPECT_EQ(RpcServer::Start({address_}, {&other}).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(Call(address_, "eth0").ok());
  std::ofstream(folder_ + "/file") << "x";
  EXPECT_EQ(RpcServer::Start({"unix:" + folder_ + "/file"}, {&other}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(RpcServer::Start({"unix:" + folder_ + "/no/folder"}, {&other}).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(RpcTest, NothingIsServedOrAskedInTheClearOverTcp) {
  EXPECT_EQ(RpcServer::Start({"127.0.0.1:0"}, {&echo_}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(MakeChannel("127.0.0.1:1").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(MakeChannel("unix:relative").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(MakeChannel("unix:/" + std::string(200, 'x')).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(RpcTest, TlsNeedsACertificateOfTheSameCa) {
  const TlsFiles ours = testing::TestAuthority(folder_, "ours").Sign("our-side");
  const TlsFiles theirs = testing::TestAuthority(folder_, "theirs").Sign("their-side");
  const std::string address = absl::StrCat("127.0.0.1:", 20000 + getpid() % 20000);
  auto server = RpcServer::Start({address}, {&echo_}, ours);
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_EQ(*Call(address, "eth0", ours), "hello");
  TlsFiles stranger = theirs;
  stranger.ca = ours.ca;
  EXPECT_EQ(Call(address, "eth0", stranger).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Call(address, "eth0", theirs).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(RpcTest, CodesSurviveTheTrip) {
  for (int code = 0; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), code == 0 ? "" : "why");
    EXPECT_EQ(FromGrpc(ToGrpc(status)), status);
  }
}

}  // namespace
}  // namespace xpu
