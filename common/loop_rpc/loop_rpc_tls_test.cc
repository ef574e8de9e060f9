// LoopRpcClient over TCP and TLS, against a server of gRPC's library, and how it follows its connection.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <sys/socket.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "common/loop_rpc/loop_rpc_client.h"
#include "common/loop_rpc/loop_rpc_server.h"
#include "common/rpc/rpc.h"
#include "common/rpc/tls_testing.h"
#include "common/sys/files.h"
#include "grpcpp/grpcpp.h"
#include "kubelet/deviceplugin/v1beta1/api.grpc.pb.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;
using testing::ReservedPort;
using testing::TestAuthority;
using v1beta1::DevicePlugin;

constexpr char kAllocate[] = "/v1beta1.DevicePlugin/Allocate";
constexpr char kListAndWatch[] = "/v1beta1.DevicePlugin/ListAndWatch";
constexpr absl::Duration kPatience = absl::Seconds(60);

// Answers with the ids that were asked for, and the caller's metadata "xpu-claim".
class Echo : public DevicePlugin::WithCallbackMethod_ListAndWatch<DevicePlugin::Service> {
 public:
  grpc::Status Allocate(grpc::ServerContext* context, const v1beta1::AllocateRequest* request,
                        v1beta1::AllocateResponse* response) override {
    auto& envs = *response->add_container_responses()->mutable_envs();
    envs["ID"] = request->container_requests(0).devices_ids(0);
    const auto claim = context->client_metadata().find("xpu-claim");
    if (claim != context->client_metadata().end()) {
      envs["CLAIM"] = std::string(claim->second.data(), claim->second.size());
    }
    if (envs["ID"] != "slow") return grpc::Status::OK;
    slow_.Notify();
    hold_.WaitForNotification();
    return grpc::Status::OK;
  }
  // One message, or one after the other, until the other end has gone.
  grpc::ServerWriteReactor<v1beta1::ListAndWatchResponse>* ListAndWatch(grpc::CallbackServerContext*,
                                                                        const v1beta1::Empty*) override {
    return new Writer(*this);
  }

  bool endless_ = false;
  absl::Notification slow_, hold_, ended_;

 private:
  class Writer : public grpc::ServerWriteReactor<v1beta1::ListAndWatchResponse> {
   public:
    explicit Writer(Echo& echo) : echo_(echo) {
      response_.add_devices()->set_id(std::string(100'000, 'x'));
      StartWrite(&response_);
    }
    void OnWriteDone(bool ok) override {
      absl::MutexLock lock(&mu_);
      if (ok && !cancelled_ && echo_.endless_) return StartWrite(&response_);
      writing_ = false;
      if (cancelled_ || !ok) FinishOnce();
    }
    void OnCancel() override {
      absl::MutexLock lock(&mu_);
      cancelled_ = true;
      if (!writing_) FinishOnce();
    }
    void OnDone() override {
      echo_.ended_.Notify();
      delete this;
    }

   private:
    void FinishOnce() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      if (!std::exchange(finished_, true)) Finish(grpc::Status::CANCELLED);
    }
    Echo& echo_;
    v1beta1::ListAndWatchResponse response_;
    absl::Mutex mu_;
    bool writing_ ABSL_GUARDED_BY(mu_) = true;
    bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
    bool finished_ ABSL_GUARDED_BY(mu_) = false;
  };
};

std::string RequestOf(const std::string& id) {
  v1beta1::AllocateRequest request;
  request.add_container_requests()->add_devices_ids(id);
  return request.SerializeAsString();
}
std::string EnvOf(const LoopRpcClient::Reply& reply, const std::string& name) {
  v1beta1::AllocateResponse response;
  EXPECT_TRUE(response.ParseFromString(reply.response));
  return response.container_responses(0).envs().at(name);
}

// A client on a loop that runs, for the test's thread.
class Client {
 public:
  Client(const std::string& address, const TlsFiles& tls, absl::Duration connect_timeout = kPatience)
      : credentials_(tls.empty() ? nullptr : TlsCredentials::Load(tls).value()),
        thread_([this] { loop_.Run(); }) {
    const RpcAddress parsed = RpcAddress::Parse(address).value();
    LoopRpcClient::Options options;
    options.connect_timeout = connect_timeout;
    options.tls = [this, host = parsed.host] { return TlsSession::Client(*credentials_->pem(), host); };
    loop_.PostAndWait([&] { client_ = std::make_unique<LoopRpcClient>(loop_, parsed, options); });
  }
  ~Client() {
    loop_.PostAndWait([this] { client_ = nullptr; });
    loop_.Stop();
    thread_.join();
  }

  // A call whose end can be waited for.
  struct Under {
    absl::Notification done;
    LoopRpcClient::Reply reply;
  };
  std::shared_ptr<Under> Begin(const std::string& id, const LoopRpcClient::CallOptions& options) {
    auto under = std::make_shared<Under>();
    loop_.PostAndWait([&] {
      client_->Call(kAllocate, RequestOf(id), options, [under](const LoopRpcClient::Reply& reply) {
        under->reply = reply;
        under->done.Notify();
      });
    });
    return under;
  }
  LoopRpcClient::Reply Call(const std::string& id = "a",
                            const LoopRpcClient::CallOptions& options = {.timeout = kPatience}) {
    const auto under = Begin(id, options);
    under->done.WaitForNotification();
    return under->reply;
  }
  void Watch() {
    loop_.PostAndWait([this] {
      client_->Watch([this](bool connected) {
        absl::MutexLock lock(&mu_);
        told_.push_back(connected);
      });
    });
  }
  bool AwaitTold(const std::vector<bool>& told) {
    absl::MutexLock lock(&mu_);
    const auto is = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return told_ == told; };
    return mu_.AwaitWithTimeout(absl::Condition(&is), kPatience);
  }
  // The last that was told, after so many.
  bool AwaitLast(bool connected, size_t after) {
    absl::MutexLock lock(&mu_);
    const auto is = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return told_.size() > after && told_.back() == connected;
    };
    return mu_.AwaitWithTimeout(absl::Condition(&is), kPatience);
  }
  size_t told() {
    absl::MutexLock lock(&mu_);
    return told_.size();
  }
  // Takes up what is in the files.
  void Renew() {
    ASSERT_EQ(credentials_->Reload(), absl::OkStatus());
    loop_.PostAndWait([this] { client_->Renew(); });
  }

  EventLoop loop_;
  std::unique_ptr<LoopRpcClient> client_;

 private:
  const std::shared_ptr<TlsCredentials> credentials_;
  absl::Mutex mu_;
  std::vector<bool> told_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

class LoopRpcTlsTest : public ::testing::Test {
 protected:
  ~LoopRpcTlsTest() override {
    if (!echo_.hold_.HasBeenNotified()) echo_.hold_.Notify();
  }
  std::string Local() const { return absl::StrCat("127.0.0.1:", port_.port()); }
  void Serve(const TlsFiles& tls) { Serve({Local()}, tls); }
  void Serve(const std::vector<std::string>& addresses, const TlsFiles& tls) {
    auto server = RpcServer::Start(addresses, {&echo_}, tls);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  // The same certificate, but its time was over a minute ago.
  void Expire(const TlsFiles& files, const std::string& ca_key) {
    const auto read = [](const std::string& path) {
      std::ifstream in(path);
      return std::string(std::istreambuf_iterator<char>(in), {});
    };
    const auto certificates = CertificatesOf(read(files.certificate));
    const OpenSslPtr<EVP_PKEY> key = PrivateKeyOf(read(ca_key));
    ASSERT_TRUE(certificates.size() == 1 && key != nullptr);
    X509_gmtime_adj(X509_getm_notBefore(certificates[0].get()), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificates[0].get()), -60);
    ASSERT_GT(X509_sign(certificates[0].get(), key.get(), EVP_sha256()), 0);
    FILE* out = fopen(files.certificate.c_str(), "w");
    ASSERT_EQ(PEM_write_X509(out, certificates[0].get()), 1);
    fclose(out);
  }

  const TemporaryDirectory folder_ = TemporaryDirectory::Make().value();
  const TestAuthority ca_{folder_.path(), "ca"};
  const TlsFiles of_server_ = ca_.Sign("server");
  const TlsFiles of_client_ = ca_.Sign("client", "spiffe://site/card/card0/host");
  const ReservedPort port_;
  Echo echo_;
  std::unique_ptr<RpcServer> server_;
};

TEST_F(LoopRpcTlsTest, ReachesNumbersAndNamesWithMessagesOfAnySize) {
  const ReservedPort v6("::1");
  const std::string address_v6 = absl::StrCat("[::1]:", v6.port());
  Serve({Local(), address_v6}, of_server_);
  // The name has two addresses, and there is nobody at one of them.
  const std::string name = absl::StrCat("localhost:", port_.port());
  for (const std::string& address : {Local(), address_v6, name}) {
    Client client(address, of_client_);
    // Within and beyond records of TLS, frames and windows.
    for (const size_t size : {size_t{1}, size_t{20'000}, size_t{100'000}, size_t{3'000'000}}) {
      const std::string id(size, 'x');
      const LoopRpcClient::Reply reply = client.Call(id);
      ASSERT_EQ(reply.status, absl::OkStatus()) << address;
      EXPECT_EQ(EnvOf(reply, "ID"), id);
    }
  }
}

TEST_F(LoopRpcTlsTest, MetadataGoesAlong) {
  Serve(of_server_);
  Client client(Local(), of_client_);
  const auto reply = client.Call("a", {.timeout = kPatience, .metadata = {{"xpu-claim", "7"}}});
  ASSERT_EQ(reply.status, absl::OkStatus());
  EXPECT_EQ(EnvOf(reply, "CLAIM"), "7");
}

TEST_F(LoopRpcTlsTest, ManyCallsShareAConnection) {
  Serve(of_server_);
  Client client(Local(), of_client_);
  std::vector<std::shared_ptr<Client::Under>> calls;
  for (int i = 0; i < 300; ++i) calls.push_back(client.Begin(absl::StrCat(i), {.timeout = kPatience}));
  for (int i = 0; i < 300; ++i) {
    calls[i]->done.WaitForNotification();
    ASSERT_EQ(calls[i]->reply.status, absl::OkStatus());
    EXPECT_EQ(EnvOf(calls[i]->reply, "ID"), absl::StrCat(i));
  }
}

TEST_F(LoopRpcTlsTest, AServerOfAnotherAuthorityIsNotBelieved) {
  const TestAuthority other(folder_.path(), "other");
  Serve(of_server_);
  Client client(Local(), {of_client_.certificate, of_client_.key, other.Sign("x").ca});
  const absl::Status status = client.Call().status;
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("the certificate that 127.0.0.1 shows is not good"));
}

TEST_F(LoopRpcTlsTest, AServerWhoseCertificateIsOverIsNotBelieved) {
  Expire(of_server_, folder_.path() + "/ca.ca.key");
  // Which it would say itself when it starts.
  std::unique_ptr<grpc::Server> server;
  const auto text = [](const std::string& path) { return ReadFile(path).value(); };
  grpc::SslServerCredentialsOptions options(GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  options.pem_key_cert_pairs.push_back({text(of_server_.key), text(of_server_.certificate)});
  grpc::ServerBuilder builder;
  builder.AddListeningPort(Local(), grpc::SslServerCredentials(options));
  builder.RegisterService(&echo_);
  server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);
  Client client(Local(), of_client_);
  const absl::Status status = client.Call().status;
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("certificate has expired"));
}

TEST_F(LoopRpcTlsTest, AServerWithAnothersNameIsNotBelieved) {
  Serve({absl::StrCat("127.0.0.2:", port_.port())}, of_server_);
  Client client(absl::StrCat("127.0.0.2:", port_.port()), of_client_);
  const absl::Status status = client.Call().status;
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("IP address mismatch"));
}

TEST_F(LoopRpcTlsTest, AServerThatDoesNotTakeOurCertificateSaysSo) {
  const TestAuthority other(folder_.path(), "other");
  TlsFiles forged = other.Sign("forged");
  forged.ca = of_server_.ca;
  Serve(of_server_);
  Client client(Local(), forged);
  client.Watch();
  // Until the server has spoken, there is no connection.
  EXPECT_TRUE(client.AwaitTold({false}));
  const absl::Status status = client.Call().status;
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(client.AwaitTold({false}));
}

TEST_F(LoopRpcTlsTest, WhatSpeaksNoTlsIsNoServer) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort(Local(), grpc::InsecureServerCredentials());
  builder.RegisterService(&echo_);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);
  Client client(Local(), of_client_);
  EXPECT_EQ(client.Call().status.code(), absl::StatusCode::kUnavailable);
}

TEST_F(LoopRpcTlsTest, WhereNobodyListensIsToldAtOnce) {
  Client client(Local(), of_client_);
  const LoopRpcClient::Reply reply = client.Call();
  EXPECT_EQ(reply.status.code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(reply.answered);
  EXPECT_THAT(std::string(reply.status.message()), HasSubstr("Connection refused"));
  // A call that waits gets its answer once there is a server.
  const auto waits = client.Begin("later", {.timeout = kPatience, .wait_for_ready = true});
  Serve(of_server_);
  waits->done.WaitForNotification();
  EXPECT_EQ(waits->reply.status, absl::OkStatus());
}

// A listener of the test's own.
class SilentServer {
 public:
  explicit SilentServer(int port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const int on = 1;
    setsockopt(fd_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(fd_.get(), 16), 0);
  }
  UniqueFd Accept() const { return UniqueFd(accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC)); }

 private:
  const UniqueFd fd_;
};

TEST_F(LoopRpcTlsTest, AServerThatSaysNothingIsGivenUp) {
  const SilentServer server(port_.port());
  Client client(Local(), of_client_, absl::Milliseconds(100));
  const LoopRpcClient::Reply reply = client.Call();
  EXPECT_EQ(reply.status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(reply.status.message()), HasSubstr("did not answer within 100ms"));
}

TEST_F(LoopRpcTlsTest, AConnectionThatIsResetEndsItsCalls) {
  const SilentServer server(port_.port());
  Client client(Local(), of_client_);
  const auto call = client.Begin("a", {.timeout = kPatience});
  {
    const UniqueFd taken = server.Accept();
    // Closing resets.
    const linger now{.l_onoff = 1, .l_linger = 0};
    setsockopt(taken.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  call->done.WaitForNotification();
  EXPECT_EQ(call->reply.status.code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(call->reply.answered);
}

TEST_F(LoopRpcTlsTest, ACallThatTakesTooLongEnds) {
  Serve(of_server_);
  Client client(Local(), of_client_);
  ASSERT_EQ(client.Call().status, absl::OkStatus());
  EXPECT_EQ(client.Call("slow", {.timeout = absl::Milliseconds(50)}).status.code(),
            absl::StatusCode::kDeadlineExceeded);
}

TEST_F(LoopRpcTlsTest, TheWatcherHearsOfEachConnectionThatComesAndGoes) {
  Client client(Local(), of_client_);
  client.Watch();
  ASSERT_TRUE(client.AwaitTold({false}));
  for (int round = 0; round < 3; ++round) {
    const size_t before = client.told();
    Serve(of_server_);
    ASSERT_TRUE(client.AwaitLast(true, before));
    EXPECT_EQ(client.Call().status, absl::OkStatus());
    server_.reset();
    ASSERT_TRUE(client.AwaitLast(false, before + 1));
    EXPECT_EQ(client.Call().status.code(), absl::StatusCode::kUnavailable);
  }
}

TEST_F(LoopRpcTlsTest, AServerThatStopsEndsAStreamInItsMiddle) {
  Serve(of_server_);
  echo_.endless_ = true;
  Client client(Local(), of_client_);
  absl::Notification heard, done;
  absl::Status end;
  client.loop_.PostAndWait([&] {
    client.client_->Stream(
        kListAndWatch, "", {.timeout = kPatience},
        [&](const std::string& message) {
          EXPECT_GT(message.size(), 100'000u);
          if (!heard.HasBeenNotified()) heard.Notify();
        },
        [&](const LoopRpcClient::Reply& reply) {
          end = reply.status;
          done.Notify();
        });
  });
  heard.WaitForNotification();
  server_.reset();
  done.WaitForNotification();
  EXPECT_FALSE(end.ok());
}

TEST_F(LoopRpcTlsTest, AStreamThatIsCancelledEndsAtTheServerAndTheConnectionStays) {
  Serve(of_server_);
  Client client(Local(), of_client_);
  absl::Notification heard;
  uint64_t stream = 0;
  client.loop_.PostAndWait([&] {
    stream = client.client_->Stream(
        kListAndWatch, "", {}, [&](const std::string&) { heard.Notify(); },
        [](const LoopRpcClient::Reply&) { ADD_FAILURE() << "nothing is told of what was cancelled"; });
  });
  heard.WaitForNotification();
  client.loop_.PostAndWait([&] { client.client_->Cancel(stream); });
  echo_.ended_.WaitForNotification();
  EXPECT_EQ(client.Call().status, absl::OkStatus());
}

TEST_F(LoopRpcTlsTest, NewCredentialsCountForANewConnectionAndTheOldOneFinishes) {
  Serve(of_server_);
  Client client(Local(), of_client_);
  client.Watch();
  ASSERT_TRUE(client.AwaitTold({true}));
  const auto slow = client.Begin("slow", {.timeout = kPatience});
  echo_.slow_.WaitForNotification();
  ca_.Sign("client", "spiffe://site/card/card0/host");
  client.Renew();
  EXPECT_EQ(client.Call().status, absl::OkStatus());
  EXPECT_FALSE(slow->done.HasBeenNotified());
  echo_.hold_.Notify();
  slow->done.WaitForNotification();
  EXPECT_EQ(slow->reply.status, absl::OkStatus());
  // The new one is no change to who watches.
  EXPECT_EQ(client.told(), 1u);
}

TEST_F(LoopRpcTlsTest, ASocketIsWatchedTooAndAGoodbyeIsTold) {
  const std::string socket = folder_.path() + "/s";
  Client client("unix:" + socket, {});
  client.Watch();
  ASSERT_TRUE(client.AwaitTold({false}));
  std::unique_ptr<LoopRpcServer> server;
  std::optional<LoopCall> held;
  absl::Notification called, drained;
  client.loop_.PostAndWait([&] {
    server = LoopRpcServer::Start(client.loop_, socket,
                                  {{kAllocate,
                                    [&](const LoopCall& call, const std::string&) {
                                      held = call;
                                      called.Notify();
                                    }}})
                 .value();
  });
  ASSERT_TRUE(client.AwaitTold({false, true}));
  const auto call = client.Begin("a", {.timeout = kPatience});
  called.WaitForNotification();
  client.loop_.PostAndWait([&] { server->Drain([&] { drained.Notify(); }); });
  // The server takes no more calls, but finishes this one.
  ASSERT_TRUE(client.AwaitTold({false, true, false}));
  client.loop_.PostAndWait([&] { held->Answer(""); });
  call->done.WaitForNotification();
  EXPECT_EQ(call->reply.status, absl::OkStatus());
  drained.WaitForNotification();
  client.loop_.PostAndWait([&] {
    server = nullptr;
    held.reset();
  });
}

}  // namespace
}  // namespace xpu
