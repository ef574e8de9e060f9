// The informer on HTTP as servers really answer: bookmarks, pages, and every way to say "not now".
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/base/event_loop.h"
#include "common/kube/informer.h"
#include "common/kube/kube_client.h"
#include "common/kube/script_server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using Reply = ScriptServer::Reply;
using Request = ScriptServer::Request;

const ResourceKind kNetworks = {"xpu.opiproject.org", "v1alpha1", "Network", "networks"};

class InformerHttpTest : public ::testing::Test {
 protected:
  ~InformerHttpTest() override {
    if (!thread_.joinable()) return;
    loop_.PostAndWait([this] { informer_.reset(); });
    loop_.Stop();
    thread_.join();
  }

  void Start(ScriptServer::Script script) {
    server_ = std::make_unique<ScriptServer>([this, script = std::move(script)](const Request& request) {
      Note(request);
      return script(request);
    });
    client_ = KubeClient::Make({.server = server_->endpoint()}).value();
    thread_ = std::thread([this] { loop_.Run(); });
    Informer::Options options;
    options.kind = kNetworks;
    options.backoff = {.initial = absl::Milliseconds(1), .max = absl::Milliseconds(5)};
    Informer::Handler handler;
    handler.added = [this](const ResourceName& name, const Resource&) { Tell("added " + name.name); };
    handler.deleted = [this](const ResourceName& name, const Resource&) { Tell("deleted " + name.name); };
    handler.synced = [this] { Tell("synced"); };
    loop_.PostAndWait([&] { informer_ = std::make_unique<Informer>(loop_, *client_, options, handler); });
  }
  std::vector<std::string> Told(size_t count) {
    const auto enough = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return told_.size() >= count; };
    absl::MutexLock lock(&mu_);
    mu_.AwaitWithTimeout(absl::Condition(&enough), absl::Seconds(30));
    return told_;
  }
  // The first requests, by what tells them apart, once there are so many.
  std::vector<std::string> Asked(size_t count) {
    const auto enough = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return asked_.size() >= count; };
    absl::MutexLock lock(&mu_);
    mu_.AwaitWithTimeout(absl::Condition(&enough), absl::Seconds(30));
    return {asked_.begin(), asked_.begin() + static_cast<long>(std::min(count, asked_.size()))};
  }
  absl::Duration Between(size_t first, size_t second) {
    absl::MutexLock lock(&mu_);
    return absl::FromChrono(when_.at(second) - when_.at(first));
  }

  static bool IsWatchFrom(const Request& request, const std::string& version) {
    return absl::EndsWith(request.target, "watch=true&allowWatchBookmarks=true&resourceVersion=" + version);
  }
  static Reply List(const std::string& name, const std::string& version, const std::string& next = "") {
    const Resource list = {{"metadata", {{"resourceVersion", version}, {"continue", next}}},
                           {"items", {{{"metadata", {{"name", name}, {"uid", name}}}}}}};
    return ScriptServer::Respond(200, list.dump());
  }
  static Reply Stream(const Resource& event) {
    return {{ScriptServer::ChunkedHead(200), ScriptServer::Chunk(event.dump() + "\n"), "0\r\n\r\n"}};
  }
  // A watch in which nothing happens.
  static Reply Silence() { return {{}, false, true}; }

 private:
  void Tell(const std::string& what) {
    absl::MutexLock lock(&mu_);
    told_.push_back(what);
  }
  void Note(const Request& request) {
    absl::MutexLock lock(&mu_);
    asked_.push_back(request.target.substr(request.target.find('?') + 1));
    when_.push_back(std::chrono::steady_clock::now());
  }

  absl::Mutex mu_;
  std::vector<std::string> told_ ABSL_GUARDED_BY(mu_), asked_ ABSL_GUARDED_BY(mu_);
  std::vector<std::chrono::steady_clock::time_point> when_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<ScriptServer> server_;
  std::unique_ptr<KubeClient> client_;
  EventLoop loop_;
  std::unique_ptr<Informer> informer_;
  std::thread thread_;
};

TEST_F(InformerHttpTest, AfterABookmarkTheNextWatchGoesOnFromThere) {
  Start([](const Request& request) {
    if (IsWatchFrom(request, "5")) {
      return Stream({{"type", "BOOKMARK"}, {"object", {{"metadata", {{"resourceVersion", "50"}}}}}});
    }
    if (IsWatchFrom(request, "50")) {
      return Stream(
          {{"type", "ADDED"}, {"object", {{"metadata", {{"name", "late"}, {"resourceVersion", "51"}}}}}});
    }
    return absl::StrContains(request.target, "watch=true") ? Silence() : List("early", "5");
  });
  EXPECT_THAT(Told(3), ElementsAre("added early", "synced", "added late"));
  const std::string watch = "watch=true&allowWatchBookmarks=true&resourceVersion=";
  EXPECT_THAT(Asked(4), ElementsAre("limit=500", watch + "5", watch + "50", watch + "51"));
}

TEST_F(InformerHttpTest, AForgottenVersionIsListedAgainInPages) {
  Start([first = true](const Request& request) mutable {
    if (IsWatchFrom(request, "5")) {
      const Resource gone = {
          {"kind", "Status"}, {"code", 410}, {"reason", "Expired"}, {"message", "too old"}};
      return Stream({{"type", "ERROR"}, {"object", gone}});
    }
    if (absl::StrContains(request.target, "watch=true")) return Silence();
    if (std::exchange(first, false)) return List("early", "5");
    if (absl::StrContains(request.target, "continue=")) return List("second", "9");
    return List("first", "9", "more");
  });
  EXPECT_THAT(Told(5), ElementsAre("added early", "synced", "added first", "added second", "deleted early"));
  const std::string watch = "watch=true&allowWatchBookmarks=true&resourceVersion=";
  EXPECT_THAT(Asked(5),
              ElementsAre("limit=500", watch + "5", "limit=500", "limit=500&continue=more", watch + "9"));
}

TEST_F(InformerHttpTest, AServerThatIsBrokenOrBusyIsAskedAgainWhenItWishes) {
  Start([count = 0](const Request& request) mutable {
    if (absl::StrContains(request.target, "watch=true")) return Silence();
    switch (count++) {
      case 0:
        return ScriptServer::Respond(500, "{}");
      case 1:
        return ScriptServer::Respond(503, "{}");
      case 2:
        return Reply{{"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\n{}"}};
      default:
        return List("blue", "5");
    }
  });
  EXPECT_THAT(Told(2), ElementsAre("added blue", "synced"));
  EXPECT_THAT(Asked(4), ElementsAre("limit=500", "limit=500", "limit=500", "limit=500"));
  EXPECT_GE(Between(2, 3), absl::Seconds(1));
}

}  // namespace
}  // namespace xpu
