// LoopRpcServer and LoopRpcClient, each against gRPC's library.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/synchronization/notification.h"
#include "common/loop_rpc/loop_rpc_client.h"
#include "common/loop_rpc/loop_rpc_server.h"
#include "common/loop_rpc/typed_method.h"
#include "common/loop_rpc/unix_socket.h"
#include "common/rpc/rpc.h"
#include "grpcpp/grpcpp.h"
#include "kubelet/deviceplugin/v1beta1/api.grpc.pb.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;
using v1beta1::DevicePlugin;

constexpr char kAllocate[] = "/v1beta1.DevicePlugin/Allocate";
constexpr char kListAndWatch[] = "/v1beta1.DevicePlugin/ListAndWatch";

class LoopRpcTest : public ::testing::Test {
 protected:
  LoopRpcTest() : folder_(MakeFolder()), thread_([this] { loop_.Run(); }) {}
  ~LoopRpcTest() override {
    loop_.PostAndWait([this] {
      server_ = nullptr;
      client_ = nullptr;
    });
    loop_.Stop();
    thread_.join();
    std::filesystem::remove_all(folder_);
  }

  std::string socket() const { return folder_ + "/test.sock"; }
  absl::Status Serve(const LoopRpcServer::Methods& methods) {
    absl::Status status;
    loop_.PostAndWait([&] {
      auto server = LoopRpcServer::Start(loop_, socket(), methods);
      status = server.status();
      if (server.ok()) server_ = *std::move(server);
    });
    return status;
  }
  std::unique_ptr<DevicePlugin::Stub> Stub() const {
    return DevicePlugin::NewStub(*MakeChannel("unix:" + socket()));
  }
  static void Prepare(grpc::ClientContext& context) {
    context.set_wait_for_ready(true);
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
  }
  static absl::StatusOr<v1beta1::AllocateResponse> Allocate(DevicePlugin::Stub& stub, const std::string& id) {
    grpc::ClientContext context;
    Prepare(context);
    v1beta1::AllocateRequest request;
    request.add_container_requests()->add_devices_ids(id);
    v1beta1::AllocateResponse response;
    const grpc::Status status = stub.Allocate(&context, request, &response);
    if (!status.ok()) return FromGrpc(status);
    return response;
  }
  // Calls Allocate with the client, from the loop.
  LoopRpcClient::Reply Call(const std::string& message, const LoopRpcClient::CallOptions& options = {}) {
    LoopRpcClient::Reply reply;
    absl::Notification done;
    Begin(message, options, [&](const LoopRpcClient::Reply& got) {
      reply = got;
      done.Notify();
    });
    done.WaitForNotification();
    return reply;
  }
  uint64_t Begin(const std::string& message, const LoopRpcClient::CallOptions& options,
                 LoopRpcClient::Done done) {
    uint64_t call = 0;
    loop_.PostAndWait([&] {
      if (client_ == nullptr) client_ = std::make_unique<LoopRpcClient>(loop_, socket());
      call = client_->Call(kAllocate, message, options, std::move(done));
    });
    return call;
  }
  static std::string MakeFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "xpu-loop-rpc-XXXXXX").string();
    return mkdtemp(pattern.data());
  }

  const std::string folder_;
  EventLoop loop_;
  std::unique_ptr<LoopRpcServer> server_;
  std::unique_ptr<LoopRpcClient> client_;
  std::thread thread_;
};

// Answers with the id that was asked for.
void Echo(const LoopCall& call, const std::string& text) {
  v1beta1::AllocateRequest request;
  ASSERT_TRUE(request.ParseFromString(text));
  v1beta1::AllocateResponse response;
  (*response.add_container_responses()->mutable_envs())["ID"] = request.container_requests(0).devices_ids(0);
  call.Answer(response.SerializeAsString());
}

TEST_F(LoopRpcTest, AnswersGrpcsClients) {
  ASSERT_TRUE(Serve({{kAllocate, &Echo}}).ok());
  const auto stub = Stub();
  // Beyond flow-control windows and frames, and nothing at all.
  for (const size_t size : {size_t{1}, size_t{100'000}, size_t{3'000'000}, size_t{0}}) {
    const std::string id(size, 'x');
    const auto response = Allocate(*stub, id);
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_EQ(response->container_responses(0).envs().at("ID"), id);
  }
}

TEST_F(LoopRpcTest, ManyCallsOfManyClientsAreEachAnswered) {
  ASSERT_TRUE(Serve({{kAllocate, &Echo}}).ok());
  std::vector<std::thread> clients;
  for (int c = 0; c < 8; ++c) {
    clients.emplace_back([this, c] {
      const auto stub = Stub();
      for (int i = 0; i < 50; ++i) {
        const std::string id = std::to_string(c * 1000 + i);
        const auto response = Allocate(*stub, id);
        ASSERT_TRUE(response.ok()) << response.status();
        EXPECT_EQ(response->container_responses(0).envs().at("ID"), id);
      }
    });
  }
  for (std::thread& client : clients) client.join();
}

TEST_F(LoopRpcTest, ErrorsArriveWithTheirWords) {
  ASSERT_TRUE(Serve({{kAllocate,
                      [](const LoopCall& call, const std::string&) {
                        call.Finish(absl::FailedPreconditionError("100 % \"claimed\"\nby pöd"));
                      }}})
                  .ok());
  const auto stub = Stub();
  const absl::Status status = Allocate(*stub, "a").status();
  EXPECT_EQ(status, absl::FailedPreconditionError("100 % \"claimed\"\nby pöd"));
  grpc::ClientContext context;
  Prepare(context);
  v1beta1::DevicePluginOptions options;
  EXPECT_EQ(stub->GetDevicePluginOptions(&context, {}, &options).error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(LoopRpcTest, StreamsGoOnUntilTheOtherEndHasEnough) {
  absl::Notification ended;
  LoopCall* open = nullptr;
  ASSERT_TRUE(Serve({{kListAndWatch,
                      [&](const LoopCall& call, const std::string&) {
                        open = new LoopCall(call);
                        call.OnEnd([&] { ended.Notify(); });
                        v1beta1::ListAndWatchResponse list;
                        list.add_devices()->set_id(std::string(500'000, 'x'));
                        call.Write(list.SerializeAsString());
                      }}})
                  .ok());
  const auto stub = Stub();
  grpc::ClientContext context;
  Prepare(context);
  const auto stream = stub->ListAndWatch(&context, {});
  v1beta1::ListAndWatchResponse list;
  ASSERT_TRUE(stream->Read(&list));
  EXPECT_EQ(list.devices(0).id().size(), 500'000u);
  loop_.PostAndWait([&] { open->Write(v1beta1::ListAndWatchResponse().SerializeAsString()); });
  ASSERT_TRUE(stream->Read(&list));
  EXPECT_EQ(list.devices_size(), 0);
  context.TryCancel();
  EXPECT_FALSE(stream->Read(&list));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  ended.WaitForNotification();
  // What comes too late has no effect.
  loop_.PostAndWait([&] {
    open->Write("late");
    open->Finish(absl::OkStatus());
  });
  delete open;
}

TEST_F(LoopRpcTest, TheEndOfTheServerEndsItsCalls) {
  absl::Notification called;
  absl::Notification ended;
  ASSERT_TRUE(Serve({{kAllocate,
                      [&](const LoopCall& call, const std::string&) {
                        call.OnEnd([&] { ended.Notify(); });
                        called.Notify();
                      }}})
                  .ok());
  struct stat info {};
  ASSERT_EQ(stat(socket().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  absl::Status status;
  std::thread client([&] { status = Allocate(*Stub(), "a").status(); });
  called.WaitForNotification();
  loop_.PostAndWait([&] { server_ = nullptr; });
  ended.WaitForNotification();
  EXPECT_FALSE(std::filesystem::exists(socket()));
  client.join();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
}

TEST_F(LoopRpcTest, WhatIsNoHttp2IsSentAway) {
  ASSERT_TRUE(Serve({{kAllocate, &Echo}}).ok());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  strcpy(address.sun_path, socket().c_str());
  ASSERT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_GT(send(fd.get(), "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL), 0);
  char buffer[4096];
  while (recv(fd.get(), buffer, sizeof buffer, 0) > 0) {
  }
  EXPECT_TRUE(Allocate(*Stub(), "a").ok()) << "others are served as before";
}

TEST_F(LoopRpcTest, ASocketInUseIsLeftAloneAndAStaleOneReplaced) {
  ASSERT_TRUE(Serve({{kAllocate, &Echo}}).ok());
  loop_.PostAndWait([&] {
    EXPECT_EQ(LoopRpcServer::Start(loop_, socket(), {}).status().code(),
              absl::StatusCode::kFailedPrecondition);
  });
  loop_.PostAndWait([&] { server_ = nullptr; });
  {
    const UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    strcpy(address.sun_path, socket().c_str());
    ASSERT_EQ(bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  EXPECT_TRUE(Serve({{kAllocate, &Echo}}).ok());
  std::ofstream(folder_ + "/file") << "x";
  loop_.PostAndWait([&] {
    EXPECT_FALSE(LoopRpcServer::Start(loop_, folder_ + "/file", {}).ok());
    EXPECT_FALSE(LoopRpcServer::Start(loop_, folder_ + "/" + std::string(120, 'x'), {}).ok());
  });
}

// gRPC's server, for the client.
class GrpcServer : public DevicePlugin::Service {
 public:
  absl::Notification* hold = nullptr;

 private:
  grpc::Status Allocate(grpc::ServerContext*, const v1beta1::AllocateRequest* request,
                        v1beta1::AllocateResponse* response) override {
    const std::string& id = request->container_requests(0).devices_ids(0);
    if (hold != nullptr) hold->WaitForNotification();
    if (id == "bad") return grpc::Status(grpc::StatusCode::NOT_FOUND, "no pöd");
    (*response->add_container_responses()->mutable_envs())["ID"] = id;
    return grpc::Status::OK;
  }
};

std::string Request(const std::string& id) {
  v1beta1::AllocateRequest request;
  request.add_container_requests()->add_devices_ids(id);
  return request.SerializeAsString();
}

TEST_F(LoopRpcTest, AsksGrpcsServers) {
  EXPECT_FALSE(Call(Request("a")).answered) << "nobody is there";
  GrpcServer service;
  auto server = *RpcServer::Start({"unix:" + socket()}, {&service});
  for (const size_t size : {size_t{1}, size_t{100'000}, size_t{3'000'000}}) {
    const LoopRpcClient::Reply reply = Call(Request(std::string(size, 'x')));
    ASSERT_TRUE(reply.answered && reply.status.ok()) << reply.status;
    v1beta1::AllocateResponse response;
    ASSERT_TRUE(response.ParseFromString(reply.response));
    EXPECT_EQ(response.container_responses(0).envs().at("ID").size(), size);
  }
  EXPECT_EQ(Call(Request("bad")).status, absl::NotFoundError("no pöd"));
  // A server that is replaced is found again.
  server = nullptr;
  server = *RpcServer::Start({"unix:" + socket()}, {&service});
  EXPECT_TRUE(Call(Request("a")).status.ok());
}

TEST_F(LoopRpcTest, ACallThatTakesTooLongEnds) {
  GrpcServer service;
  absl::Notification hold;
  service.hold = &hold;
  const auto server = *RpcServer::Start({"unix:" + socket()}, {&service});
  const LoopRpcClient::Reply reply = Call(Request("a"), {.timeout = absl::Milliseconds(20)});
  EXPECT_TRUE(reply.answered);
  EXPECT_EQ(reply.status.code(), absl::StatusCode::kDeadlineExceeded);
  hold.Notify();
}

TEST_F(LoopRpcTest, AStreamBringsEachMessageAndItsEnd) {
  class Lists : public DevicePlugin::Service {
    grpc::Status ListAndWatch(grpc::ServerContext*, const v1beta1::Empty*,
                              grpc::ServerWriter<v1beta1::ListAndWatchResponse>* writer) override {
      for (const size_t size : {size_t{3}, size_t{2'000'000}, size_t{0}}) {
        v1beta1::ListAndWatchResponse list;
        list.add_devices()->set_id(std::string(size, 'x'));
        writer->Write(list);
      }
      return grpc::Status(grpc::StatusCode::ABORTED, "enough");
    }
  } service;
  const auto server = *RpcServer::Start({"unix:" + socket()}, {&service});
  std::vector<size_t> sizes;
  LoopRpcClient::Reply reply;
  absl::Notification done;
  loop_.PostAndWait([&] {
    client_ = std::make_unique<LoopRpcClient>(loop_, socket());
    client_->Stream(
        kListAndWatch, "", {},
        [&](const std::string& message) {
          v1beta1::ListAndWatchResponse list;
          EXPECT_TRUE(list.ParseFromString(message));
          sizes.push_back(list.devices(0).id().size());
        },
        [&](const LoopRpcClient::Reply& got) {
          reply = got;
          // As whoever has no more use for it does.
          client_ = nullptr;
          done.Notify();
        });
  });
  done.WaitForNotification();
  EXPECT_THAT(sizes, ::testing::ElementsAre(3, 2'000'000, 0));
  EXPECT_EQ(reply.status, absl::AbortedError("enough"));
}

TEST_F(LoopRpcTest, ACallCanWaitForTheServer) {
  LoopRpcClient::Reply reply;
  absl::Notification done;
  Begin(Request("a"), {.wait_for_ready = true}, [&](const LoopRpcClient::Reply& got) {
    reply = got;
    done.Notify();
  });
  EXPECT_EQ(Call(Request("a"), {.timeout = absl::Milliseconds(30), .wait_for_ready = true}).status.code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_FALSE(done.HasBeenNotified());
  ASSERT_TRUE(Serve({{kAllocate, &Echo}}).ok());
  done.WaitForNotification();
  EXPECT_TRUE(reply.answered);
  EXPECT_TRUE(reply.status.ok()) << reply.status;
}

TEST_F(LoopRpcTest, WhoCancelsIsToldNothingAndTheServerIs) {
  absl::Notification called;
  absl::Notification ended;
  ASSERT_TRUE(Serve({{kAllocate,
                      [&](const LoopCall& call, const std::string&) {
                        call.OnEnd([&] { ended.Notify(); });
                        called.Notify();
                      }}})
                  .ok());
  bool told = false;
  const uint64_t call = Begin("x", {}, [&](const LoopRpcClient::Reply&) { told = true; });
  called.WaitForNotification();
  loop_.PostAndWait([&] { client_->Cancel(call); });
  ended.WaitForNotification();
  loop_.PostAndWait([&] { client_ = nullptr; });
  EXPECT_FALSE(told);
}

TEST_F(LoopRpcTest, WhoIsToldMayDestroyTheClientAndNothingMoreIsTold) {
  std::vector<LoopCall> calls;
  ASSERT_TRUE(Serve({{kAllocate,
                      [&](const LoopCall& call, const std::string& request) {
                        calls.push_back(call);
                        if (calls.size() < 3) return;
                        for (const LoopCall& waiting : calls) waiting.Answer(request);
                      }}})
                  .ok());
  int told = 0;
  absl::Notification done;
  const auto destroy = [&](const LoopRpcClient::Reply& reply) {
    EXPECT_TRUE(reply.status.ok()) << reply.status;
    ++told;
    client_ = nullptr;
    done.Notify();
  };
  for (int i = 0; i < 3; ++i) Begin("x", {}, destroy);
  done.WaitForNotification();
  // The next client is served behind what there was to tell of the first.
  EXPECT_EQ(Call("x").response, "x");
  EXPECT_EQ(told, 1);
}

TEST_F(LoopRpcTest, FromTheEndOfACallTheNextIsMade) {
  ASSERT_TRUE(
      Serve({{kAllocate, [](const LoopCall& call, const std::string& request) { call.Answer(request); }}})
          .ok());
  std::vector<std::string> told;
  absl::Notification done;
  LoopRpcClient::Done next = [&](const LoopRpcClient::Reply& reply) {
    told.push_back(reply.response);
    if (told.size() == 3) return done.Notify();
    client_->Call(kAllocate, reply.response + "x", {}, next);
    // Not from within the call.
    EXPECT_LT(told.size(), 3u);
  };
  Begin("x", {}, next);
  done.WaitForNotification();
  EXPECT_THAT(told, ::testing::ElementsAre("x", "xx", "xxx"));
}

TEST_F(LoopRpcTest, AClientThatIsKilledEndsItsCalls) {
  absl::Notification called;
  absl::Notification ended;
  ASSERT_TRUE(Serve({{kListAndWatch,
                      [&](const LoopCall& call, const std::string&) {
                        call.OnEnd([&] { ended.Notify(); });
                        // What is under way when it goes is of no use to anybody.
                        call.Write(std::string(1'000'000, 'x'));
                        called.Notify();
                      }}})
                  .ok());
  GrpcSession session({.role = GrpcSession::Role::kClient}, {});
  session.Call(kListAndWatch, "", {});
  std::string out;
  session.TakeOutput(size_t{1} << 20, out);
  UniqueFd fd = *ConnectToUnixSocket(socket());
  ASSERT_EQ(send(fd.get(), out.data(), out.size(), MSG_NOSIGNAL), static_cast<ssize_t>(out.size()));
  called.WaitForNotification();
  fd = UniqueFd();
  ended.WaitForNotification();
}

TEST_F(LoopRpcTest, TheServerEndsACallWhoseTimeIsOver) {
  absl::Notification ended;
  ASSERT_TRUE(Serve({{kAllocate, [&](const LoopCall& call,
                                     const std::string&) { call.OnEnd([&] { ended.Notify(); }); }}})
                  .ok());
  // A client that sends its deadline but does not keep it itself.
  absl::Notification done;
  absl::Status status;
  std::unique_ptr<RpcConnection> connection;
  loop_.PostAndWait([&] {
    connection = std::make_unique<RpcConnection>(
        loop_, *ConnectToUnixSocket(socket()), GrpcSession::Options{.role = GrpcSession::Role::kClient},
        GrpcSession::Events{.message = [](auto, const auto&) {},
                            .ended =
                                [&](auto, const GrpcSession::End& end) {
                                  status = end.status;
                                  done.Notify();
                                }},
        [] {});
    connection->Call(kAllocate, "x", std::chrono::milliseconds(5));
  });
  ended.WaitForNotification();
  done.WaitForNotification();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  loop_.PostAndWait([&] { connection = nullptr; });
}

TEST_F(LoopRpcTest, AServerDrainsBeforeItGoes) {
  absl::Notification called;
  std::vector<LoopCall> held;
  ASSERT_TRUE(Serve({{kAllocate,
                      [&](const LoopCall& call, const std::string&) {
                        held.push_back(call);
                        called.Notify();
                      }}})
                  .ok());
  LoopRpcClient::Reply reply;
  absl::Notification done;
  Begin("x", {}, [&](const LoopRpcClient::Reply& got) {
    reply = got;
    done.Notify();
  });
  called.WaitForNotification();
  absl::Notification drained;
  loop_.PostAndWait([&] { server_->Drain([&] { drained.Notify(); }); });
  EXPECT_FALSE(Call("late").answered) << "nobody is taken any more";
  EXPECT_FALSE(drained.HasBeenNotified());
  loop_.PostAndWait([&] { held.front().Answer("done"); });
  done.WaitForNotification();
  EXPECT_TRUE(reply.answered);
  EXPECT_EQ(reply.response, "done");
  drained.WaitForNotification();
  // Without any call.
  absl::Notification again;
  loop_.PostAndWait([&] { server_ = nullptr; });
  ASSERT_TRUE(Serve({{kAllocate, &Echo}}).ok());
  loop_.PostAndWait([&] { server_->Drain([&] { again.Notify(); }); });
  again.WaitForNotification();
}

TEST_F(LoopRpcTest, AnAnswerMayComeFromAnyThread) {
  std::unique_ptr<LoopInbox> inbox;
  loop_.PostAndWait([&] { inbox = std::make_unique<LoopInbox>(loop_); });
  std::vector<std::thread> workers;
  ASSERT_TRUE(Serve({{kAllocate, UnaryMethod<v1beta1::AllocateRequest, v1beta1::AllocateResponse>(
                                     inbox->post(),
                                     [&](const v1beta1::AllocateRequest& request,
                                         const RpcReply<v1beta1::AllocateResponse>& reply) {
                                       workers.emplace_back([request, reply] {
                                         if (request.container_requests_size() == 0) {
                                           return reply(absl::InvalidArgumentError("nothing is asked for"));
                                         }
                                         v1beta1::AllocateResponse response;
                                         response.add_container_responses();
                                         reply(response);
                                       });
                                     })}})
                  .ok());
  EXPECT_TRUE(Call(Request("a")).status.ok());
  EXPECT_EQ(Call("").status, absl::InvalidArgumentError("nothing is asked for"));
  EXPECT_EQ(Call("\xff").status.code(), absl::StatusCode::kInternal);
  for (std::thread& worker : workers) worker.join();
  loop_.PostAndWait([&] { inbox = nullptr; });
}

// A client that asks and asks and reads nothing is served no faster than it reads, and no other waits for it.
TEST_F(LoopRpcTest, WhoDoesNotReadHoldsUpNobody) {
  int drained = 0;
  ASSERT_TRUE(Serve({{kAllocate, &Echo},
                     {kListAndWatch,
                      [&](const LoopCall& call, const std::string&) {
                        call.OnDrained([&drained, call] {
                          ++drained;
                          call.Write(std::string(100'000, 'x'));
                        });
                        call.Write(std::string(100'000, 'x'));
                      }}})
                  .ok());
  GrpcSession lazy({.role = GrpcSession::Role::kClient},
                   {.message = [](auto, const auto&) {}, .ended = [](auto, const auto&) {}});
  for (int i = 0; i < 50; ++i) lazy.Call(kListAndWatch, "", {});
  std::string out;
  lazy.TakeOutput(size_t{1} << 20, out);
  const UniqueFd fd = *ConnectToUnixSocket(socket());
  ASSERT_EQ(send(fd.get(), out.data(), out.size(), MSG_NOSIGNAL), static_cast<ssize_t>(out.size()));
  const auto stub = Stub();
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(Allocate(*stub, "a").ok());
  int seen = 0;
  loop_.PostAndWait([&] { seen = drained; });
  EXPECT_EQ(seen, 0) << "the window of a stream is smaller than a message";
}

}  // namespace
}  // namespace xpu
