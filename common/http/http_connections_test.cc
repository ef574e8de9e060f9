// Clients that take more connections than they should, or keep the server waiting.

#include "common/http/http_connections.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "common/base/unique_fd.h"

namespace xpu {
namespace {

const std::string kGet = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";

class HttpConnectionsTest : public ::testing::Test {
 protected:
  ~HttpConnectionsTest() override {
    if (server_ == nullptr) return;
    loop_.PostAndWait([this] { server_ = nullptr; });
    loop_.Stop();
    thread_.join();
  }
  void Start(const HttpLimits& limits) {
    HttpServer::Options options;
    options.limits = limits;
    options.refuse = [](HttpRefusal why) {
      return HttpReply{.code = why == HttpRefusal::kFull ? 503 : 429, .body = "no"};
    };
    server_ = std::make_unique<HttpServer>(
        loop_, options, [this](HttpRequest request) { return handler_(std::move(request)); });
    const absl::StatusOr<std::string> endpoint = server_->Listen("127.0.0.1:0");
    ASSERT_TRUE(endpoint.ok()) << endpoint.status();
    ASSERT_TRUE(absl::SimpleAtoi(endpoint->substr(endpoint->rfind(':') + 1), &port_));
    thread_ = std::thread([this] { loop_.Run(); });
  }
  UniqueFd Connect() const {
    UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port_));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    return fd;
  }
  static void Send(const UniqueFd& fd, const std::string& text) {
    EXPECT_EQ(send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  // Up to the end of a reply "yes" or "no", or of the connection.
  static std::string Receive(const UniqueFd& fd) {
    std::string all;
    char c = 0;
    while (!absl::EndsWith(all, "\r\n\r\nyes") && recv(fd.get(), &c, 1, 0) == 1) all.push_back(c);
    return all;
  }
  static std::string Ask(const UniqueFd& fd, const std::string& request = kGet) {
    Send(fd, request);
    return Receive(fd);
  }
  HttpCounts Counts() {
    HttpCounts counts;
    loop_.PostAndWait([&] { counts = server_->counts(); });
    return counts;
  }

  EventLoop loop_;
  std::function<HttpReply(HttpRequest)> handler_ = [](const HttpRequest&) {
    return HttpReply{.body = "yes"};
  };
  std::unique_ptr<HttpServer> server_;
  std::thread thread_;
  int port_ = 0;
};

TEST_F(HttpConnectionsTest, AServerThatIsFullSaysSoUntilSomebodyGoes) {
  Start({.connections = 2});
  const UniqueFd first = Connect(), second = Connect();
  EXPECT_TRUE(absl::StartsWith(Ask(first), "HTTP/1.1 200"));
  EXPECT_TRUE(absl::StartsWith(Ask(second), "HTTP/1.1 200"));
  const std::string refused = Ask(Connect());
  EXPECT_TRUE(absl::StartsWith(refused, "HTTP/1.1 503")) << refused;
  EXPECT_TRUE(absl::EndsWith(refused, "no")) << "and the connection is closed";
  EXPECT_TRUE(absl::StartsWith(Ask(first), "HTTP/1.1 200")) << "who is there is served";
  // It is closed once its end has been counted.
  Send(second, "GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
  char c = 0;
  while (recv(second.get(), &c, 1, 0) == 1) {
  }
  EXPECT_TRUE(absl::StartsWith(Ask(Connect()), "HTTP/1.1 200"));
  EXPECT_EQ(Counts().refused_full, 1u);
}

TEST_F(HttpConnectionsTest, OneAddressHasItsShare) {
  Start({.connections_per_address = 1});
  const UniqueFd first = Connect();
  EXPECT_TRUE(absl::StartsWith(Ask(first), "HTTP/1.1 200"));
  EXPECT_TRUE(absl::StartsWith(Ask(Connect()), "HTTP/1.1 429"));
  EXPECT_EQ(Counts().refused_address, 1u);
  EXPECT_EQ(Counts().refused_full, 0u);
}

TEST_F(HttpConnectionsTest, AHeadThatComesDropByDropHasAnEnd) {
  Start({.head = absl::Milliseconds(100)});
  const UniqueFd fd = Connect();
  Send(fd, "GET / HTTP/1.1\r\nX-Long: ");
  pollfd polled{fd.get(), POLLIN, 0};
  // Each octet comes soon after the one before; only the whole takes too long.
  while (poll(&polled, 1, 1) == 0) send(fd.get(), "x", 1, MSG_NOSIGNAL);
  EXPECT_EQ(Receive(fd), "");
  EXPECT_EQ(Counts().timeouts, 1u);
  EXPECT_EQ(Counts().open, 0u);
}

TEST_F(HttpConnectionsTest, WhoSaysNothingAtAllIsNotWaitedForEither) {
  Start({.head = absl::Milliseconds(50)});
  EXPECT_EQ(Receive(Connect()), "");
  EXPECT_EQ(Counts().timeouts, 1u);
}

TEST_F(HttpConnectionsTest, ABodyHasItsOwnTime) {
  Start({.head = absl::Hours(1), .body = absl::Milliseconds(100)});
  const UniqueFd fd = Connect();
  const std::string head = "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\n";
  EXPECT_TRUE(absl::StartsWith(Ask(fd, head + "12345"), "HTTP/1.1 200"));
  EXPECT_EQ(Ask(fd, head + "1234"), "");
  EXPECT_EQ(Counts().timeouts, 1u);
}

TEST_F(HttpConnectionsTest, AfterAReplyTheNextRequestHasItsTime) {
  Start({.idle = absl::Milliseconds(50)});
  const UniqueFd fd = Connect();
  EXPECT_TRUE(absl::StartsWith(Ask(fd), "HTTP/1.1 200"));
  EXPECT_EQ(Receive(fd), "");
  EXPECT_EQ(Counts().timeouts, 1u);
}

TEST_F(HttpConnectionsTest, WhoWaitsForTheServerIsNotHurried) {
  std::unique_ptr<HttpPending> pending;
  absl::Notification asked;
  handler_ = [&](const HttpRequest&) {
    HttpReply reply;
    reply.later = [&](std::unique_ptr<HttpPending> to) {
      pending = std::move(to);
      asked.Notify();
    };
    return reply;
  };
  Start({.head = absl::Milliseconds(50), .body = absl::Milliseconds(50), .idle = absl::Milliseconds(50)});
  const UniqueFd fd = Connect();
  Send(fd, kGet);
  asked.WaitForNotification();
  // Longer than any of the times: another one, that has them all before it, comes to its end.
  EXPECT_EQ(Receive(Connect()), "");
  loop_.PostAndWait([&] {
    pending->Send({.body = "yes"});
    pending = nullptr;
  });
  EXPECT_TRUE(absl::StartsWith(Receive(fd), "HTTP/1.1 200"));
}

TEST_F(HttpConnectionsTest, AServerGoesWithConnectionsOpen) {
  Start({});
  const UniqueFd idle = Connect(), reading = Connect();
  EXPECT_TRUE(absl::StartsWith(Ask(idle), "HTTP/1.1 200"));
  Send(reading, "GET / HT");
  EXPECT_EQ(Counts().open, 2u);
  loop_.PostAndWait([this] { server_ = nullptr; });
  EXPECT_EQ(Receive(idle), "");
  EXPECT_EQ(Receive(reading), "");
  loop_.Stop();
  thread_.join();
}

}  // namespace
}  // namespace xpu
