#include "cni/grpc_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "cni/scripted_server.h"
#include "common/base/unique_fd.h"

namespace xpu {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

using Server = ScriptedServer;

constexpr uint32_t kRefusedStream = 0x7;
constexpr uint32_t kCancel = 0x8;

CallReply Call(const std::string& socket, milliseconds time = std::chrono::seconds(60)) {
  return CallUnary(socket, "/a.Service/Method", "request", steady_clock::now() + time);
}

std::string Trailers(const std::string& status, const std::string& message = "") {
  Server::Headers trailers = {{"grpc-status", status}};
  if (!message.empty()) trailers.emplace_back("grpc-message", message);
  return Server::HeadersFrame(trailers, true);
}

std::string Success(const std::string& response) {
  return Server::Opening() + Server::DataFrame(Server::Message(response)) + Trailers("0");
}

CallReply Meet(const std::string& script, bool close = false) {
  Server server({.bytes = script, .close = close});
  return Call(server.socket());
}

TEST(GrpcCallTest, SendsWhatTheProtocolAsksFor) {
  Server server({.bytes = Success("response")});
  const CallReply reply = Call(server.socket(), std::chrono::seconds(60));
  EXPECT_EQ(reply.end, CallEnd::kAnswered);
  EXPECT_EQ(reply.status, 0);
  EXPECT_EQ(reply.response, "response");

  server.Join();
  EXPECT_EQ(server.request_data(), Server::Message("request"));
  auto headers = server.request_headers();
  const std::string timeout = headers["grpc-timeout"];
  headers.erase("grpc-timeout");
  EXPECT_THAT(headers,
              UnorderedElementsAre(Pair(":method", "POST"), Pair(":scheme", "http"),
                                   Pair(":path", "/a.Service/Method"), Pair(":authority", "localhost"),
                                   Pair("te", "trailers"), Pair("content-type", "application/grpc"),
                                   Pair("user-agent", "xpu-cni")));
  // In milliseconds, and less than what was allowed, as some of it has gone.
  const auto told = ParseGrpcTimeout(timeout);
  ASSERT_TRUE(told.has_value()) << timeout;
  EXPECT_LE(*told, std::chrono::seconds(60));
  EXPECT_GT(*told, std::chrono::seconds(30));
}

class PieceTest : public ::testing::TestWithParam<size_t> {};

TEST_P(PieceTest, SeamsBetweenReadsDoNotMatter) {
  const std::string response(3000, 'x');
  const std::string script = Server::Opening() + Server::DataFrame(Server::Message(response)) + Trailers("0");
  Server server({.bytes = script, .piece = GetParam()});
  const CallReply reply = Call(server.socket());
  EXPECT_EQ(reply.status, 0) << reply.why;
  EXPECT_EQ(reply.response, response);
}

INSTANTIATE_TEST_SUITE_P(Sizes, PieceTest, ::testing::Values(1, 2, 3, 7, 9, 10, 64, 999, 16384));

TEST(GrpcCallTest, AMessageMayBeCutIntoAnyDataFrames) {
  const std::string message = Server::Message("response");
  std::string script = Server::Opening() + Server::DataFrame("");
  for (char c : message) script += Server::DataFrame(std::string(1, c)) + Server::DataFrame("");
  EXPECT_EQ(Meet(script + Trailers("0")).response, "response");
}

TEST(GrpcCallTest, PaddingAndUnknownFramesAreSkipped) {
  const std::string padded = std::string(1, 4) + Server::Message("response") + std::string(4, '\0');
  const std::string script = Server::SettingsFrame() + Server::Frame(0xbe, 0, 0, "extension") +
                             Server::HeadersFrame({{":status", "200"}}, false) +
                             Server::Frame(0x0, Server::kPadded, 1, padded) + Server::Frame(0xbe, 0, 1, "") +
                             Trailers("0");
  EXPECT_EQ(Meet(script).response, "response");
}

TEST(GrpcCallTest, AnEmptyMessageIsAnAnswer) {
  const CallReply reply = Meet(Success(""));
  EXPECT_EQ(reply.end, CallEnd::kAnswered);
  EXPECT_EQ(reply.status, 0);
  EXPECT_EQ(reply.response, "");
}

TEST(GrpcCallTest, TrailersAloneCarryAnError) {
  const CallReply reply = Meet(Server::SettingsFrame() +
                               Server::HeadersFrame({{":status", "200"},
                                                     {"content-type", "application/grpc"},
                                                     {"grpc-status", "7"},
                                                     {"grpc-message", "not%20yours: 100%25%0Ab%C3%A4h"}},
                                                    true));
  EXPECT_EQ(reply.end, CallEnd::kAnswered);
  EXPECT_EQ(reply.status, 7);
  EXPECT_EQ(reply.message, "not yours: 100%\nb\xc3\xa4h");
}

TEST(GrpcCallTest, AnErrorAfterAMessageCounts) {
  const CallReply reply =
      Meet(Server::Opening() + Server::DataFrame(Server::Message("response")) + Trailers("13", "broke"));
  EXPECT_EQ(reply.status, 13);
  EXPECT_EQ(reply.message, "broke");
  EXPECT_EQ(reply.response, "");
}

TEST(GrpcCallTest, AMalformedStatusIsUnknown) {
  for (const char* status : {"", "-1", "x", "99999999999"}) {
    EXPECT_EQ(Meet(Server::Opening() + Server::HeadersFrame({{"grpc-status", status}}, true)).status, 2)
        << status;
  }
}

TEST(GrpcCallTest, AResetWithoutErrorAfterTheTrailersIsHarmless) {
  EXPECT_EQ(Meet(Success("response") + Server::RstStreamFrame(0)).response, "response");
}

struct BrokenCase {
  const char* name;
  std::string script;
  bool close;
  CallEnd end;
  const char* why;
};

class BrokenServerTest : public ::testing::TestWithParam<BrokenCase> {};

TEST_P(BrokenServerTest, IsToldApart) {
  const CallReply reply = Meet(GetParam().script, GetParam().close);
  EXPECT_EQ(reply.end, GetParam().end) << reply.why;
  EXPECT_THAT(reply.why, HasSubstr(GetParam().why));
}

std::vector<BrokenCase> BrokenCases() {
  const std::string opening = Server::Opening();
  const std::string message = Server::Message("response");
  std::string compressed = message;
  compressed[0] = 1;
  const auto ok_with = [&](const std::string& data) {
    return opening + Server::DataFrame(data) + Trailers("0");
  };
  return {
      {"ClosedAtOnce", "", true, CallEnd::kBroken, "closed before the answer"},
      {"ClosedAfterHeaders", opening, true, CallEnd::kBroken, "closed before the answer"},
      {"ClosedInAFrame", opening.substr(0, opening.size() - 3), true, CallEnd::kBroken,
       "closed before the answer"},
      {"ClosedBeforeTrailers", opening + Server::DataFrame(message), true, CallEnd::kBroken, "closed before"},
      {"Reset", opening + Server::RstStreamFrame(kCancel), false, CallEnd::kBroken, "CANCEL"},
      {"Refused", Server::SettingsFrame() + Server::RstStreamFrame(kRefusedStream), false,
       CallEnd::kUnreachable, "refused"},
      {"GoingAway", Server::SettingsFrame() + Server::GoawayFrame(0, 0), false, CallEnd::kUnreachable,
       "refused"},
      {"NoStatus", opening + Server::DataFrame(message, true), false, CallEnd::kBroken,
       "without a gRPC status"},
      {"WebServer", Server::SettingsFrame() + Server::HeadersFrame({{":status", "404"}}, true), false,
       CallEnd::kBroken, "HTTP status 404"},
      {"Http1", "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", false, CallEnd::kBroken, "HTTP/2"},
      {"NoMessage", opening + Trailers("0"), false, CallEnd::kBroken, "without a message"},
      {"HalfPrefix", ok_with(message.substr(0, 4)), false, CallEnd::kBroken, "without a message"},
      {"HalfMessage", ok_with(message.substr(0, 9)), false, CallEnd::kBroken, "not one whole message"},
      {"TwoMessages", ok_with(message + message), false, CallEnd::kBroken, "not one whole message"},
      {"Compressed", ok_with(compressed), false, CallEnd::kBroken, "compressed"},
  };
}

INSTANTIATE_TEST_SUITE_P(Table, BrokenServerTest, ::testing::ValuesIn(BrokenCases()),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(GrpcCallTest, AnAnswerBeforeTheRequestIsTaken) {
  Server server({.bytes = Server::SettingsFrame() +
                          Server::HeadersFrame({{":status", "200"}, {"grpc-status", "8"}}, true),
                 .close = true,
                 .hasty = true});
  EXPECT_EQ(Call(server.socket()).status, 8);
}

TEST(GrpcCallTest, ASilentServerMeetsTheDeadline) {
  Server server({.bytes = Server::Opening()});
  const CallReply reply = Call(server.socket(), milliseconds(50));
  EXPECT_EQ(reply.end, CallEnd::kTimedOut);
}

class SocketTest : public ::testing::Test {
 protected:
  SocketTest() {
    char folder[] = "/tmp/grpc-call-XXXXXX";
    folder_ = mkdtemp(folder);
    socket_ = folder_ + "/server.sock";
  }
  ~SocketTest() override { std::filesystem::remove_all(folder_); }

  UniqueFd Bind(const std::string& path) {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = Address(path);
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  static sockaddr_un Address(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path, path.data(), path.size());
    return address;
  }

  std::string folder_;
  std::string socket_;
};

TEST_F(SocketTest, NoSocketIsUnreachable) {
  const CallReply reply = Call(socket_);
  EXPECT_EQ(reply.end, CallEnd::kUnreachable);
  EXPECT_THAT(reply.why, HasSubstr("No such file"));
}

TEST_F(SocketTest, ASocketThatNobodyListensOnIsUnreachable) {
  const UniqueFd fd = Bind(socket_);
  const CallReply reply = Call(socket_);
  EXPECT_EQ(reply.end, CallEnd::kUnreachable);
  EXPECT_THAT(reply.why, HasSubstr("Connection refused"));
}

TEST_F(SocketTest, APathThatDoesNotFitIsUnreachable) {
  const CallReply reply = Call("/tmp/" + std::string(108, 'x'));
  EXPECT_EQ(reply.end, CallEnd::kUnreachable);
  EXPECT_THAT(reply.why, HasSubstr("107"));
}

TEST_F(SocketTest, AServerThatAcceptsNobodyMeetsTheDeadline) {
  const UniqueFd listener = Bind(socket_);
  ASSERT_EQ(listen(listener.get(), 0), 0);
  const sockaddr_un address = Address(socket_);
  std::vector<UniqueFd> waiting;
  do {
    waiting.emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  } while (connect(waiting.back().get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  EXPECT_EQ(Call(socket_, milliseconds(50)).end, CallEnd::kTimedOut);
}

}  // namespace
}  // namespace xpu
