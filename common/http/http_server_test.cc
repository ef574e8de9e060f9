#include "common/http/http_server.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/synchronization/notification.h"
#include "common/base/unique_fd.h"
#include "common/http/test_http.h"

namespace xpu {
namespace {

// A server on a thread of its own, with a handler of the test's.
class HttpServerTest : public ::testing::Test {
 protected:
  HttpServerTest() {
    char folder[] = "/tmp/xpu-http-XXXXXX";
    folder_ = mkdtemp(folder);
    endpoint_ = "unix:" + folder_ + "/http.sock";
    server_ =
        std::make_unique<HttpServer>(loop_, HttpServer::Options{.max_body_bytes = 1000},
                                     [this](HttpRequest request) { return handler_(std::move(request)); });
    EXPECT_TRUE(server_->Listen(endpoint_).ok());
    thread_ = std::thread([this] { loop_.Run(); });
  }
  ~HttpServerTest() override {
    loop_.PostAndWait([this] { server_ = nullptr; });
    loop_.Stop();
    thread_.join();
    std::filesystem::remove_all(folder_);
  }

  // A connection that has sent a request and hears no answer yet.
  UniqueFd Ask() const {
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = endpoint_.substr(strlen("unix:"));
    memcpy(address.sun_path, path.data(), path.size());
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    const std::string request = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";
    EXPECT_EQ(write(fd.get(), request.data(), request.size()), static_cast<ssize_t>(request.size()));
    return fd;
  }
  // What the handler gives is kept in `pending_`, and `asked_` notified.
  HttpReply Keep() {
    HttpReply reply;
    reply.later = [this](std::unique_ptr<HttpPending> pending) {
      pending_ = std::move(pending);
      asked_.Notify();
    };
    return reply;
  }

  EventLoop loop_;
  std::string folder_;
  std::string endpoint_;
  std::function<HttpReply(HttpRequest)> handler_ = [this](const HttpRequest&) { return Keep(); };
  std::unique_ptr<HttpPending> pending_;
  absl::Notification asked_;
  std::unique_ptr<HttpServer> server_;
  std::thread thread_;
};

TEST_F(HttpServerTest, TheHandlerSeesTheRequestAndItsReplyGoesOut) {
  handler_ = [](const HttpRequest& request) {
    return HttpReply{.code = 418,
                     .content_type = "text/plain",
                     .body = request.method + " " + request.path.at(0) + "|" + request.path.at(1) + " " +
                             request.query.at("q") + " " + request.content_type + " " + request.body};
  };
  TestHttp http(endpoint_);
  const TestReply reply = http.Do("POST", "/a/b%2Fc?q=x+y", "hello", "Text/Plain; charset=utf-8");
  EXPECT_EQ(reply.code, 418);
  EXPECT_EQ(reply.content_type, "text/plain");
  EXPECT_EQ(reply.body, "POST a|b/c x y text/plain hello");
}

TEST_F(HttpServerTest, ABodyThatIsTooLargeIsRefusedUnseen) {
  handler_ = [](const HttpRequest& request) {
    return HttpReply{.body = std::to_string(request.body.size())};
  };
  TestHttp http(endpoint_);
  EXPECT_EQ(http.Do("POST", "/", std::string(1000, 'x')).body, "1000");
  EXPECT_EQ(http.Do("POST", "/", std::string(1001, 'x')).code, 413);
  EXPECT_EQ(TestHttp(endpoint_).Do("POST", "/", "x").body, "1");
}

TEST_F(HttpServerTest, AReplyMayComeLaterWhileOthersAreServed) {
  bool first = true;
  handler_ = [&](const HttpRequest&) {
    return std::exchange(first, false) ? Keep() : HttpReply{.body = "quick"};
  };
  TestReply slow;
  std::thread asking([&] { slow = TestHttp(endpoint_).Get("/slow"); });
  asked_.WaitForNotification();
  TestHttp http(endpoint_);
  EXPECT_EQ(http.Get("/").body, "quick");
  loop_.Post([&] { pending_->Send({.code = 400, .content_type = "text/plain", .body = "no"}); });
  asking.join();
  EXPECT_EQ(slow.code, 400);
  EXPECT_EQ(slow.content_type, "text/plain");
  EXPECT_EQ(slow.body, "no");
  // The connection of the first goes on to be of use.
  EXPECT_EQ(http.Get("/").body, "quick");
}

TEST_F(HttpServerTest, AReplyThatNobodySendsIsAnError) {
  std::thread asking([&] { EXPECT_EQ(TestHttp(endpoint_).Get("/").code, 500); });
  asked_.WaitForNotification();
  loop_.PostAndWait([&] { pending_ = nullptr; });
  asking.join();
}

TEST_F(HttpServerTest, AReplyToAClientThatHasGoneDoesNoHarm) {
  {
    const UniqueFd client = Ask();
    asked_.WaitForNotification();
  }
  loop_.PostAndWait([&] { pending_->Send({.body = "too late"}); });
  handler_ = [](const HttpRequest&) { return HttpReply{.body = "alive"}; };
  EXPECT_EQ(TestHttp(endpoint_).Get("/").body, "alive");
}

TEST_F(HttpServerTest, AReplyAfterTheServerDoesNoHarm) {
  const UniqueFd client = Ask();
  asked_.WaitForNotification();
  loop_.PostAndWait([&] {
    server_ = nullptr;
    pending_->Send({.body = "too late"});
  });
  char byte = 0;
  EXPECT_EQ(read(client.get(), &byte, 1), 0);
}

}  // namespace
}  // namespace xpu
