// Two ends that are handed each other's bytes, and ends that are handed whatever.

#include "common/loop_rpc/grpc_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>

#include "absl/strings/cord.h"
#include "common/base/test_seed.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Role = GrpcSession::Role;
using Stream = GrpcSession::Stream;

// One end, and what it was told.
struct Peer {
  explicit Peer(GrpcSession::Options options) {
    session = std::make_unique<GrpcSession>(
        options,
        GrpcSession::Events{
            .called = [this](Stream stream,
                             GrpcSession::Request request) { called[stream] = std::move(request); },
            .cancelled = [this](Stream stream) { cancelled.push_back(stream); },
            .drained = [this](Stream stream) { drained.push_back(stream); },
            .message = [this](Stream stream,
                              std::string message) { messages[stream].push_back(std::move(message)); },
            .ended =
                [this](Stream stream, const GrpcSession::End& end) {
                  EXPECT_FALSE(ended.contains(stream)) << "told twice";
                  ended[stream] = end;
                },
        });
  }
  // What it has to send.
  std::string Output() const {
    std::string out;
    session->TakeOutput(size_t{1} << 30, out);
    return out;
  }

  std::map<Stream, GrpcSession::Request> called;
  std::vector<Stream> cancelled;
  std::vector<Stream> drained;
  std::map<Stream, std::vector<std::string>> messages;
  std::map<Stream, GrpcSession::End> ended;
  std::unique_ptr<GrpcSession> session;
};

class GrpcSessionTest : public ::testing::Test {
 protected:
  // Until neither has anything to say.
  void Talk() {
    while (true) {
      const std::string to_server = client_.Output();
      if (!to_server.empty()) server_.session->Receive(to_server);
      const std::string to_client = server_.Output();
      if (!to_client.empty()) client_.session->Receive(to_client);
      if (to_server.empty() && to_client.empty()) return;
    }
  }
  Stream Call(const std::string& message = "hello", std::optional<std::chrono::nanoseconds> timeout = {}) {
    const Stream stream = client_.session->Call("/a.B/C", message, timeout);
    EXPECT_GT(stream, 0);
    Talk();
    return stream;
  }
  // As a client of another make would: a request with these headers, and this body.
  std::string Raw(const std::vector<std::pair<std::string, std::string>>& headers, const std::string& body) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session* raw = nullptr;
    nghttp2_session_client_new(&raw, callbacks, nullptr);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(raw, NGHTTP2_FLAG_NONE, nullptr, 0);
    std::vector<nghttp2_nv> nv;
    for (const auto& [name, value] : headers) {
      nv.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
                    reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
                    NGHTTP2_NV_FLAG_NONE});
    }
    std::string left = body;
    nghttp2_data_provider provider{};
    provider.source.ptr = &left;
    provider.read_callback = [](nghttp2_session*, int32_t, uint8_t* buffer, size_t size, uint32_t* flags,
                                nghttp2_data_source* source, void*) -> ssize_t {
      auto* text = static_cast<std::string*>(source->ptr);
      const size_t n = std::min(size, text->size());
      std::copy_n(text->data(), n, buffer);
      text->erase(0, n);
      if (text->empty()) *flags |= NGHTTP2_DATA_FLAG_EOF;
      return static_cast<ssize_t>(n);
    };
    nghttp2_submit_request(raw, nullptr, nv.data(), nv.size(), &provider, nullptr);
    std::string out;
    const uint8_t* bytes = nullptr;
    ssize_t n = 0;
    while ((n = nghttp2_session_mem_send(raw, &bytes)) > 0) {
      out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(n));
    }
    nghttp2_session_del(raw);
    return out;
  }
  static std::vector<std::pair<std::string, std::string>> Headers() {
    return {{":method", "POST"}, {":scheme", "http"}, {":path", "/a.B/C"},
            {":authority", "x"}, {"te", "trailers"},  {"content-type", "application/grpc"}};
  }

  Peer server_{{.role = Role::kServer, .max_message = 100'000}};
  Peer client_{{.role = Role::kClient, .max_message = 100'000}};
};

TEST_F(GrpcSessionTest, AUnaryCall) {
  const Stream stream = Call("hello", std::chrono::seconds(2));
  ASSERT_THAT(server_.called, SizeIs(1));
  EXPECT_EQ(server_.called[stream].path, "/a.B/C");
  EXPECT_EQ(server_.called[stream].message, "hello");
  EXPECT_EQ(server_.called[stream].timeout, std::chrono::seconds(2));
  server_.session->Write(stream, "world");
  server_.session->Finish(stream, absl::OkStatus());
  Talk();
  EXPECT_THAT(client_.messages[stream], ElementsAre("world"));
  EXPECT_TRUE(client_.ended[stream].answered);
  EXPECT_TRUE(client_.ended[stream].status.ok());
  EXPECT_THAT(server_.cancelled, IsEmpty());
  // What comes too late has no effect.
  server_.session->Write(stream, "late");
  server_.session->Finish(stream, absl::OkStatus());
  Talk();
  EXPECT_THAT(client_.messages[stream], SizeIs(1));
}

TEST_F(GrpcSessionTest, BytesMayComeOneByOne) {
  const Stream stream = client_.session->Call("/a.B/C", "hello", {});
  for (const char byte : client_.Output()) ASSERT_TRUE(server_.session->Receive(std::string_view(&byte, 1)));
  EXPECT_EQ(server_.called[stream].message, "hello");
  server_.session->Write(stream, "one");
  server_.session->Write(stream, "");
  server_.session->Finish(stream, absl::NotFoundError("no pöd"));
  for (const char byte : server_.Output()) ASSERT_TRUE(client_.session->Receive(std::string_view(&byte, 1)));
  EXPECT_THAT(client_.messages[stream], ElementsAre("one", ""));
  EXPECT_EQ(client_.ended[stream].status, absl::NotFoundError("no pöd"));
}

TEST_F(GrpcSessionTest, DetailsOfAStatusTravel) {
  const Stream stream = Call();
  absl::Status status = absl::AbortedError("100 %");
  status.SetPayload(kGrpcDetails, absl::Cord(std::string("\x08\x0a\x00\xff", 4)));
  server_.session->Finish(stream, status);
  Talk();
  EXPECT_EQ(client_.ended[stream].status, status);
}

TEST_F(GrpcSessionTest, AStreamIsWrittenAsTheOtherEndReads) {
  const Stream stream = Call();
  // More than the windows let through.
  const std::string large(90'000, 'x');
  server_.session->Write(stream, large);
  std::string first = server_.Output();
  server_.session->TellDrained();
  EXPECT_THAT(server_.drained, IsEmpty()) << "what the window keeps back is not drained";
  client_.session->Receive(first);
  Talk();
  server_.session->TellDrained();
  EXPECT_THAT(server_.drained, ElementsAre(stream));
  server_.session->TellDrained();
  EXPECT_THAT(server_.drained, SizeIs(1)) << "told once";
  server_.session->Write(stream, "next");
  Talk();
  EXPECT_THAT(client_.messages[stream], ElementsAre(large, "next"));
  EXPECT_FALSE(client_.ended.contains(stream));
}

TEST_F(GrpcSessionTest, AClientThatHasEnoughIsHeard) {
  const Stream stream = Call();
  client_.session->Cancel(stream);
  Talk();
  EXPECT_THAT(server_.cancelled, ElementsAre(stream));
  EXPECT_FALSE(client_.ended.contains(stream)) << "who cancels is told nothing";
}

TEST_F(GrpcSessionTest, TheEndOfTheConnectionEndsAllCalls) {
  const Stream open = Call();
  const Stream finished = Call();
  server_.session->Finish(finished, absl::OkStatus());
  client_.session->EndAll();
  server_.session->EndAll();
  EXPECT_THAT(server_.cancelled, ElementsAre(open));
  EXPECT_FALSE(client_.ended[open].answered);
  EXPECT_EQ(client_.ended[open].status.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(client_.session->over());
}

TEST_F(GrpcSessionTest, MessagesThatAreTooLargeAreRefused) {
  const Stream asked = Call(std::string(100'001, 'x'));
  EXPECT_THAT(server_.called, IsEmpty());
  EXPECT_EQ(client_.ended[asked].status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(client_.ended[asked].status.message(), HasSubstr("100000"));

  const Stream answered = Call();
  server_.session->Write(answered, std::string(100'001, 'x'));
  Talk();
  EXPECT_EQ(client_.ended[answered].status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(client_.messages[answered], IsEmpty());
  EXPECT_THAT(server_.cancelled, ElementsAre(answered));

  const Stream most = Call(std::string(100'000, 'x'));
  EXPECT_EQ(server_.called[most].message.size(), 100'000u);
}

TEST_F(GrpcSessionTest, CallsBeyondTheLimitAreRefusedUnseen) {
  Peer server({.role = Role::kServer, .max_streams = 100});
  server_.session = std::move(server.session);
  std::vector<Stream> streams;
  for (int i = 0; i < 250; ++i) streams.push_back(client_.session->Call("/a.B/C", "x", {}));
  Talk();
  EXPECT_THAT(server.called, SizeIs(100));
  EXPECT_THAT(client_.ended, SizeIs(150));
  for (const auto& [stream, end] : client_.ended) EXPECT_TRUE(end.unseen) << stream;
  for (const auto& [stream, request] : server.called) server_.session->Finish(stream, absl::OkStatus());
  Talk();
  for (const Stream stream : streams) {
    EXPECT_EQ(client_.ended[stream].status.ok(), server.called.contains(stream)) << stream;
  }
  EXPECT_TRUE(client_.session->accepting());
  EXPECT_GT(Call(), 0);
  EXPECT_THAT(server.called, SizeIs(101)) << "there is room again";
}

TEST_F(GrpcSessionTest, AServerThatDrainsFinishesWhatItHas) {
  const Stream running = Call();
  server_.session->Drain();
  const std::string goodbye = server_.Output();
  // One that is on its way meanwhile, and one that has not gone out yet.
  const Stream late = client_.session->Call("/a.B/C", "too late", {});
  server_.session->Receive(client_.Output());
  const Stream later = client_.session->Call("/a.B/C", "too late", {});
  client_.session->Receive(goodbye);
  Talk();
  EXPECT_TRUE(client_.ended[later].unseen);
  EXPECT_FALSE(client_.session->accepting());
  EXPECT_LT(client_.session->Call("/a.B/C", "much too late", {}), 0);
  EXPECT_TRUE(client_.ended[late].unseen);
  EXPECT_FALSE(server_.called.contains(late));
  EXPECT_FALSE(server_.session->over());
  server_.session->Write(running, "done");
  server_.session->Finish(running, absl::OkStatus());
  Talk();
  EXPECT_TRUE(client_.ended[running].status.ok());
  EXPECT_TRUE(server_.session->over());
  EXPECT_TRUE(client_.session->over());
}

TEST_F(GrpcSessionTest, RequestsThatAreNotGrpcsAreRefused) {
  struct Case {
    std::pair<std::string, std::string> header;
    std::string body;
    // A part of what the answer has to say.
    absl::StatusCode code;
  };
  const std::string message = FrameGrpcMessage("x");
  std::string compressed = message;
  compressed[0] = 1;
  const Case cases[] = {
      {{"x", "y"}, "", absl::StatusCode::kInternal},
      {{"x", "y"}, message.substr(0, 3), absl::StatusCode::kInternal},
      {{"x", "y"}, message.substr(0, 5), absl::StatusCode::kInternal},
      {{"x", "y"}, message + message, absl::StatusCode::kInternal},
      {{"x", "y"}, compressed, absl::StatusCode::kInternal},
      {{"grpc-encoding", "gzip"}, compressed, absl::StatusCode::kUnimplemented},
      {{"grpc-timeout", "soon"}, message, absl::StatusCode::kInternal},
      {{"content-type", "text/plain"}, message, absl::StatusCode::kUnknown},
      {{"content-type", "application/grpc-web"}, message, absl::StatusCode::kUnknown},
  };
  for (const Case& wrong : cases) {
    SCOPED_TRACE(wrong.header.first + ": " + wrong.header.second);
    Peer server({.role = Role::kServer});
    auto headers = Headers();
    std::erase_if(headers, [&](const auto& header) { return header.first == wrong.header.first; });
    headers.push_back(wrong.header);
    server.session->Receive(Raw(headers, wrong.body));
    EXPECT_THAT(server.called, IsEmpty());
    // A client that has begun one call reads the answer.
    Peer client({.role = Role::kClient});
    const Stream stream = client.session->Call("/a.B/C", "x", {});
    client.Output();
    client.session->Receive(server.Output());
    ASSERT_TRUE(client.ended.contains(stream));
    EXPECT_EQ(client.ended[stream].status.code(), wrong.code) << client.ended[stream].status;
  }
  Peer server({.role = Role::kServer});
  auto headers = Headers();
  headers.back().second = "application/grpc+proto";
  server.session->Receive(Raw(headers, message));
  EXPECT_THAT(server.called, SizeIs(1));
}

TEST_F(GrpcSessionTest, WhatIsNoHttp2EndsTheConnection) {
  EXPECT_FALSE(server_.session->Receive("GET / HTTP/1.1\r\n\r\n"));
  EXPECT_TRUE(server_.session->over());
  client_.session->Call("/a.B/C", "x", {});
  client_.session->Receive("HTTP/1.1 400 Bad Request\r\n\r\n");
  client_.Output();
  EXPECT_TRUE(client_.session->over());
  client_.session->EndAll();
  EXPECT_THAT(client_.ended, SizeIs(1));
}

// Whatever happens to the bytes under way, each call that was begun ends once and nothing is out of bounds.
TEST_F(GrpcSessionTest, BytesThatAreChangedUnderWayDoNoHarm) {
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 300; ++round) {
    Peer server({.role = Role::kServer, .max_message = 1000});
    Peer client({.role = Role::kClient, .max_message = 1000});
    std::vector<Stream> begun;
    for (int i = 0; i < 5; ++i) begun.push_back(client.session->Call("/a.B/C", std::string(i * 30, 'x'), {}));
    for (int step = 0; step < 6; ++step) {
      for (auto [from, to] : {std::pair(&client, &server), std::pair(&server, &client)}) {
        std::string bytes = from->Output();
        for (uint64_t n = random() % 3; n > 0 && !bytes.empty(); --n) {
          bytes[random() % bytes.size()] = static_cast<char>(random());
        }
        to->session->Receive(bytes);
      }
      for (const auto& [stream, request] : server.called) {
        server.session->Write(stream, request.message);
        if (random() % 2 == 0) server.session->Finish(stream, absl::OkStatus());
      }
    }
    client.session->EndAll();
    server.session->EndAll();
    for (const Stream stream : begun) ASSERT_TRUE(client.ended.contains(stream));
    std::sort(server.cancelled.begin(), server.cancelled.end());
    ASSERT_EQ(std::adjacent_find(server.cancelled.begin(), server.cancelled.end()), server.cancelled.end());
  }
}

}  // namespace
}  // namespace xpu
