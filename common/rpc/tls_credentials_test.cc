#include "common/rpc/tls_credentials.h"

#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/rpc/rpc.h"
#include "common/rpc/tls_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu/hostagent/v1/host_agent.grpc.pb.h"

namespace xpu {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TestAuthority;

std::string Text(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

class TlsCredentialsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/xpu-tls-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
    ca_ = std::make_unique<TestAuthority>(folder_, "ours");
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string folder_;
  std::unique_ptr<TestAuthority> ca_;
};

TEST_F(TlsCredentialsTest, SayWhatIsWrongWithTheFiles) {
  const TlsFiles one = ca_->Sign("one");
  const TlsFiles two = ca_->Sign("two");
  EXPECT_EQ(TlsCredentials::Load(one).status(), absl::OkStatus());
  const auto why = [](const TlsFiles& files) {
    const absl::Status status = TlsCredentials::Load(files).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_THAT(why({one.certificate, two.key, one.ca}), HasSubstr("its key is another certificate's"));
  EXPECT_THAT(why({folder_ + "/none", one.key, one.ca}),
              HasSubstr("certificate from \"" + folder_ + "/none"));
  EXPECT_THAT(why({one.key, one.key, one.ca}), HasSubstr("no certificate in PEM"));
  EXPECT_THAT(why({one.certificate, one.certificate, one.ca}), HasSubstr("no private key in PEM"));
  EXPECT_THAT(why({one.certificate, one.key, one.key}), HasSubstr("CA is no certificate"));
}

TEST_F(TlsCredentialsTest, ACertificateHoldsForItsTimeOnly) {
  const TlsFiles files = ca_->Sign("one");
  const TlsPem pem = *TlsCredentials::Load(files).value()->pem();
  const int64_t now = absl::ToUnixSeconds(absl::Now());
  EXPECT_EQ(CheckPem(pem, now), absl::OkStatus());
  EXPECT_THAT(std::string(CheckPem(pem, now + 3 * 86400).message()), HasSubstr("it is over"));
  EXPECT_THAT(std::string(CheckPem(pem, now - 86400).message()), HasSubstr("does not hold yet"));
}

// The credentials on a loop that runs, and a way to wait for their next change.
class FollowTest : public TlsCredentialsTest {
 protected:
  void Follow(const TlsFiles& files) {
    credentials_ = TlsCredentials::Load(files).value();
    ASSERT_EQ(credentials_->Follow(loop_), absl::OkStatus());
    subscription_ = TlsCredentials::Subscribe(credentials_, [this] {
      absl::MutexLock lock(&mu_);
      ++changes_;
    });
    thread_ = std::thread([this] { loop_.Run(); });
  }
  void TearDown() override {
    if (thread_.joinable()) {
      loop_.Stop();
      thread_.join();
    }
    TlsCredentialsTest::TearDown();
  }
  void AwaitChanges(int count) {
    absl::MutexLock lock(&mu_);
    const auto there = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return changes_ >= count; };
    ASSERT_TRUE(mu_.AwaitWithTimeout(absl::Condition(&there), absl::Seconds(20)));
  }

  EventLoop loop_;
  std::shared_ptr<TlsCredentials> credentials_;
  std::unique_ptr<TlsCredentials::Subscription> subscription_;
  absl::Mutex mu_;
  int changes_ ABSL_GUARDED_BY(mu_) = 0;
  std::thread thread_;
};

TEST_F(FollowTest, ReplacedFilesCountOnceTheyBelongTogether) {
  const TlsFiles files = ca_->Sign("card0");
  Follow(files);
  // The key comes before its certificate; in between the two do not fit.
  ca_->Sign("card0");
  AwaitChanges(1);
  EXPECT_EQ(credentials_->pem()->key, Text(files.key));
  EXPECT_EQ(credentials_->pem()->certificate, Text(files.certificate));
}

TEST_F(FollowTest, FilesThatAreWrittenOverCount) {
  const TlsFiles files = ca_->Sign("card0");
  const TlsFiles next = ca_->Sign("next");
  Follow(files);
  std::ofstream(files.certificate) << Text(next.certificate);
  std::ofstream(files.key) << Text(next.key);
  AwaitChanges(1);
  EXPECT_EQ(credentials_->pem()->key, Text(next.key));
}

// As a kubelet does it with a secret.
TEST_F(FollowTest, ALinkThatIsTurnedCounts) {
  const TlsFiles one = ca_->Sign("one");
  const TlsFiles two = ca_->Sign("two");
  const fs::path mount = folder_ + "/mount";
  for (const auto& [name, files] : {std::pair("1", one), std::pair("2", two)}) {
    fs::create_directories(mount / name);
    fs::copy(files.certificate, mount / name / "tls.crt");
    fs::copy(files.key, mount / name / "tls.key");
    fs::copy(files.ca, mount / name / "ca.crt");
  }
  fs::create_symlink("1", mount / "..data");
  for (const char* name : {"tls.crt", "tls.key", "ca.crt"}) {
    fs::create_symlink(std::string("..data/") + name, mount / name);
  }
  Follow({mount / "tls.crt", mount / "tls.key", mount / "ca.crt"});
  fs::create_symlink("2", mount / "..data_tmp");
  fs::rename(mount / "..data_tmp", mount / "..data");
  AwaitChanges(1);
  EXPECT_EQ(credentials_->pem()->certificate, Text(two.certificate));
}

TEST_F(FollowTest, WhatIsWrongLeavesWhatWasBefore) {
  const TlsFiles files = ca_->Sign("card0");
  Follow(files);
  const auto before = credentials_->pem();
  std::ofstream(files.certificate) << "nonsense";
  // The next good pair is the first change that is told.
  ca_->Sign("card0");
  AwaitChanges(1);
  EXPECT_NE(credentials_->pem(), before);
  EXPECT_EQ(credentials_->pem()->certificate, Text(files.certificate));
}

class Echo : public hostagent::v1::CniService::Service {
  grpc::Status Add(grpc::ServerContext*, const hostagent::v1::CniRequest* request,
                   hostagent::v1::CniResponse* response) override {
    response->set_result(request->config());
    return grpc::Status::OK;
  }
};

class Client {
 public:
  Client(const std::string& address, const TlsFiles& tls)
      : stub_(hostagent::v1::CniService::NewStub(MakeChannel(address, tls).value())) {}
  absl::Status Call() {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    hostagent::v1::CniResponse response;
    return FromGrpc(stub_->Add(&context, {}, &response));
  }

 private:
  std::unique_ptr<hostagent::v1::CniService::Stub> stub_;
};

TEST_F(TlsCredentialsTest, AServersNewConnectionsHaveTheNewOnesAndItsOldOnesStay) {
  const TestAuthority next(folder_, "next");
  const TlsFiles of_server = ca_->Sign("server");
  const TlsFiles of_client = ca_->Sign("client");
  const TlsFiles of_next = next.Sign("of-next");
  const auto credentials = TlsCredentials::Load(of_server).value();
  const std::string address = absl::StrCat("127.0.0.1:", 20000 + getpid() % 20000);
  Echo echo;
  auto server = RpcServer::Start({address}, {&echo}, RpcServerOptions{.tls = credentials});
  ASSERT_TRUE(server.ok()) << server.status();
  Client early(address, of_client);
  EXPECT_EQ(early.Call(), absl::OkStatus());
  EXPECT_EQ(Client(address, of_next).Call().code(), absl::StatusCode::kUnavailable);

  // Everything another: the server's certificate and whose clients it takes.
  for (const auto& [from, to] :
       {std::pair(of_next.key, of_server.key), std::pair(of_next.certificate, of_server.certificate),
        std::pair(of_next.ca, of_server.ca)}) {
    fs::copy(from, to, fs::copy_options::overwrite_existing);
  }
  ASSERT_EQ(credentials->Reload(), absl::OkStatus());
  EXPECT_EQ(early.Call(), absl::OkStatus()) << "a connection that was there";
  EXPECT_EQ(Client(address, of_next).Call(), absl::OkStatus());
  EXPECT_EQ(Client(address, {of_client.certificate, of_client.key, of_next.ca}).Call().code(),
            absl::StatusCode::kUnavailable);
}

class Gate : public CallGate {
 public:
  absl::Status Admit(const std::vector<std::string>& uris, absl::string_view method) override {
    absl::MutexLock lock(&mu_);
    for (const std::string& uri : uris) seen_.push_back(uri);
    seen_.emplace_back(method);
    return answer_;
  }
  absl::Mutex mu_;
  std::vector<std::string> seen_ ABSL_GUARDED_BY(mu_);
  absl::Status answer_ ABSL_GUARDED_BY(mu_);
};

TEST_F(TlsCredentialsTest, TheGateSeesWhoCallsWhatAndItsErrorIsTheAnswer) {
  const auto credentials = TlsCredentials::Load(ca_->Sign("server")).value();
  const std::string address = absl::StrCat("127.0.0.1:", 20000 + getpid() % 20000);
  const std::string local = "unix:" + folder_ + "/s";
  Echo echo;
  Gate gate;
  auto server =
      RpcServer::Start({address, local}, {&echo}, RpcServerOptions{.tls = credentials, .gate = &gate});
  ASSERT_TRUE(server.ok()) << server.status();
  Client client(address, ca_->Sign("client", "spiffe://site/card/card0/host"));
  EXPECT_EQ(client.Call(), absl::OkStatus());
  {
    absl::MutexLock lock(&gate.mu_);
    EXPECT_THAT(gate.seen_, ElementsAre("spiffe://site/card/card0/host", "/xpu.hostagent.v1.CniService/Add"));
    gate.answer_ = absl::PermissionDeniedError("not you");
  }
  EXPECT_EQ(client.Call(), absl::PermissionDeniedError("not you"));
  EXPECT_EQ(Client(local, {}).Call(), absl::OkStatus()) << "this machine's own root";
}

}  // namespace
}  // namespace xpu
