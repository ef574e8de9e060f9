// Watches as a client sees them, over a real socket.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/http/test_http.h"
#include "control-plane/apiserver/test_api_server.h"
#include "control-plane/apiserver/test_watch.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::string kAll = "/apis/xpu.opiproject.org/v1alpha1/networks";
const std::string kNetworks = "/apis/xpu.opiproject.org/v1alpha1/namespaces/default/networks";
const std::string kNetdevs = "/apis/xpu.opiproject.org/v1alpha1/netdevs";

json Network(const std::string& name) {
  return {{"apiVersion", "xpu.opiproject.org/v1alpha1"},
          {"kind", "Network"},
          {"metadata", {{"name", name}}},
          {"spec", {{"vni", 5}, {"prefixes", {"10.0.0.0/24"}}}}};
}

int64_t VersionOf(const json& object) {
  return std::stoll(object["metadata"]["resourceVersion"].get<std::string>());
}

class WatchTest : public ::testing::Test {
 protected:
  explicit WatchTest(ApiServerOptions options = {}) : server_(std::move(options)) {}

  std::string Version() { return http_.Get(kAll).json["metadata"]["resourceVersion"]; }
  TestWatch Watch(const std::string& query, const std::string& path = kAll) {
    return TestWatch(server_.endpoint(), absl::StrCat(path, "?watch=1&", query));
  }
  void Create(const std::string& name) { EXPECT_EQ(http_.Post(kNetworks, Network(name)).code, 201); }
  void Label(const std::string& name, const json& value) {
    EXPECT_EQ(
        http_.Merge(absl::StrCat(kNetworks, "/", name), {{"metadata", {{"labels", {{"app", value}}}}}}).code,
        200);
  }
  void Delete(const std::string& name) {
    EXPECT_EQ(http_.Do("DELETE", absl::StrCat(kNetworks, "/", name)).code, 200);
  }

  TestApiServer server_;
  TestHttp http_{server_.endpoint()};
};

TEST_F(WatchTest, EveryChangeAfterAVersionIsTold) {
  Create("before");
  std::string version = Version();
  Create("missed");
  TestWatch watch = Watch("resourceVersion=" + version);
  EXPECT_EQ(watch.code(), 200);
  Create("blue");
  Label("blue", "demo");
  Delete("blue");
  EXPECT_THAT(watch.Lines(4), ElementsAre("ADDED missed", "ADDED blue", "MODIFIED blue", "DELETED blue"));
}

TEST_F(WatchTest, WithoutAVersionEverythingThereComesFirst) {
  Create("one");
  Create("two");
  for (const char* query : {"", "resourceVersion=0"}) {
    TestWatch watch = Watch(query);
    EXPECT_THAT(watch.Lines(2), ElementsAre("ADDED one", "ADDED two"));
    Create("three");
    EXPECT_THAT(watch.Lines(1), ElementsAre("ADDED three"));
    Delete("three");
    EXPECT_THAT(watch.Lines(1), ElementsAre("DELETED three"));
  }
}

TEST_F(WatchTest, ASelectionIsWatchedAsIfItWereAll) {
  TestWatch labelled = Watch("labelSelector=app%3Ddemo");
  TestWatch named = Watch("fieldSelector=metadata.name%3Dred");
  TestWatch elsewhere =
      Watch("timeoutSeconds=1", "/apis/xpu.opiproject.org/v1alpha1/namespaces/other/networks");
  Create("blue");
  Create("red");
  Label("blue", "demo");
  Label("blue", nullptr);
  Label("red", "demo");
  Delete("red");
  EXPECT_THAT(labelled.Lines(4), ElementsAre("ADDED blue", "DELETED blue", "ADDED red", "DELETED red"));
  EXPECT_THAT(named.Lines(3), ElementsAre("ADDED red", "MODIFIED red", "DELETED red"));
  EXPECT_THAT(elsewhere.Lines(1), IsEmpty());
}

TEST_F(WatchTest, ATimeoutEndsTheWatchWithABookmarkWhereItWasAskedFor) {
  TestWatch plain = Watch("timeoutSeconds=1&resourceVersion=" + Version());
  TestWatch marked = Watch("timeoutSeconds=1&allowWatchBookmarks=true&resourceVersion=" + Version());
  EXPECT_THAT(plain.Lines(1), IsEmpty());
  std::optional<json> bookmark = marked.Next();
  ASSERT_TRUE(bookmark);
  EXPECT_EQ((*bookmark)["type"], "BOOKMARK");
  EXPECT_EQ((*bookmark)["object"]["kind"], "Network");
  EXPECT_EQ((*bookmark)["object"]["metadata"]["resourceVersion"], Version());
  EXPECT_FALSE(marked.Next());
}

TEST_F(WatchTest, ASilentWatchIsToldNowAndThenWhereItIs) {
  TestWatch watch = Watch("allowWatchBookmarks=true&resourceVersion=" + Version(), kNetdevs);
  Create("blue");
  for (int i = 0; i < 1000; ++i) Label("blue", std::to_string(i));
  std::optional<json> bookmark = watch.Next();
  ASSERT_TRUE(bookmark);
  EXPECT_EQ((*bookmark)["type"], "BOOKMARK");
  EXPECT_GE(VersionOf((*bookmark)["object"]), 1000);
}

TEST_F(WatchTest, AVersionThatIsForgottenOrHasNotHappenedIsGone) {
  Create("blue");
  std::string version = Version();
  Create("red");
  server_.Compact();
  for (const std::string& bad : {version, std::string("1000000")}) {
    TestReply reply = http_.Get(absl::StrCat(kAll, "?watch=1&resourceVersion=", bad));
    EXPECT_EQ(reply.code, 410) << bad;
    EXPECT_EQ(reply.json["reason"], "Expired");
  }
  EXPECT_EQ(http_.Get(absl::StrCat(kAll, "?watch=1&resourceVersion=x")).code, 400);
  EXPECT_EQ(http_.Get(absl::StrCat(kAll, "?watch=1&timeoutSeconds=-1")).code, 400);
  EXPECT_EQ(http_.Get(absl::StrCat(kAll, "?watch=1&labelSelector=%28")).code, 400);
  TestWatch fresh = Watch("resourceVersion=" + Version());
  Create("green");
  EXPECT_THAT(fresh.Lines(1), ElementsAre("ADDED green"));
}

TEST_F(WatchTest, AClientThatGoesAwayLeavesNothingBehind) {
  TestWatch first = Watch("");
  TestWatch second = Watch("");
  ASSERT_TRUE(server_.WaitForWatchers(2));
  first.Close();
  EXPECT_TRUE(server_.WaitForWatchers(1));
  Create("blue");
  EXPECT_THAT(second.Lines(1), ElementsAre("ADDED blue"));
  second.Close();
  EXPECT_TRUE(server_.WaitForWatchers(0));
}

TEST_F(WatchTest, AWatchGoesOnWhereItWasAfterTheServerStartedAgain) {
  TestWatch watch = Watch("resourceVersion=" + Version());
  Create("blue");
  int64_t seen = VersionOf((*watch.Next())["object"]);
  Create("red");
  server_.Restart();
  TestHttp http(server_.endpoint());
  EXPECT_EQ(http.Post(kNetworks, Network("green")).code, 201);
  TestWatch again = Watch(absl::StrCat("resourceVersion=", seen));
  EXPECT_THAT(again.Lines(2), ElementsAre("ADDED red", "ADDED green"));
}

TEST_F(WatchTest, WritersAtOnceAreToldExactlyOnceAndInOrder) {
  constexpr int kWriters = 4;
  constexpr int kRounds = 30;
  constexpr int kEvents = kWriters * kRounds * 3;
  std::string version = Version();
  TestWatch early = Watch("resourceVersion=" + version);
  std::vector<std::thread> writers;
  std::atomic<int> failed = 0;
  for (int w = 0; w < kWriters; ++w) {
    writers.emplace_back([&, w] {
      TestHttp http(server_.endpoint());
      for (int i = 0; i < kRounds; ++i) {
        std::string name = absl::StrCat("n", w, "-", i);
        std::string path = absl::StrCat(kNetworks, "/", name);
        if (http.Post(kNetworks, Network(name)).code != 201) ++failed;
        if (http.Merge(path, {{"spec", {{"mtu", 1400}}}}).code != 200) ++failed;
        if (http.Do("DELETE", path).code != 200) ++failed;
      }
    });
  }
  // One that starts in the middle: what it lists and what it is told fit together without a gap or an
  // overlap.
  TestReply list = http_.Get(kAll);
  TestWatch middle =
      Watch(absl::StrCat("resourceVersion=", list.json["metadata"]["resourceVersion"].get<std::string>()));
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(failed, 0);

  int64_t last = std::stoll(version);
  std::map<std::string, int> steps;
  for (int i = 0; i < kEvents; ++i) {
    std::optional<json> event = early.Next();
    ASSERT_TRUE(event) << i;
    ASSERT_EQ(VersionOf((*event)["object"]), ++last);
    const char* wanted[] = {"ADDED", "MODIFIED", "DELETED"};
    ASSERT_EQ((*event)["type"], wanted[steps[(*event)["object"]["metadata"]["name"]]++ % 3]);
  }
  std::map<std::string, json> state;
  for (const json& object : list.json["items"]) state[object["metadata"]["name"]] = object;
  int64_t at = std::stoll(list.json["metadata"]["resourceVersion"].get<std::string>());
  while (at < last) {
    std::optional<json> event = middle.Next();
    ASSERT_TRUE(event);
    ASSERT_EQ(VersionOf((*event)["object"]), ++at);
    std::string name = (*event)["object"]["metadata"]["name"];
    EXPECT_EQ((*event)["type"] == "ADDED", !state.contains(name));
    if ((*event)["type"] == "DELETED") {
      state.erase(name);
    } else {
      state[name] = (*event)["object"];
    }
  }
  EXPECT_THAT(state, IsEmpty());
}

// A few of these changes are more than what the server keeps for a watcher and the sockets hold.
class SlowWatchTest : public WatchTest {
 protected:
  explicit SlowWatchTest(int64_t history = 10'000)
      : WatchTest(ApiServerOptions{.store = {.history = history}}) {}
  void Write(int count) {
    for (int i = 0; i < count; ++i) {
      json patch = {{"metadata", {{"annotations", {{"note", std::string(100'000, 'a' + i % 26)}}}}}};
      ASSERT_EQ(http_.Merge(kNetworks + "/blue", patch).code, 200);
    }
  }
};

TEST_F(SlowWatchTest, AWatcherThatDoesNotReadGetsEverythingLater) {
  Create("blue");
  int64_t last = std::stoll(Version());
  TestWatch slow = Watch(absl::StrCat("resourceVersion=", last));
  ASSERT_TRUE(server_.WaitForWatchers(1));
  Write(25);
  for (int i = 0; i < 25; ++i) {
    std::optional<json> event = slow.Next();
    ASSERT_TRUE(event) << i;
    EXPECT_EQ(VersionOf((*event)["object"]), ++last);
  }
  Label("blue", "demo");
  EXPECT_EQ(VersionOf((*slow.Next())["object"]), last + 1);
}

class ShortHistoryTest : public SlowWatchTest {
 protected:
  ShortHistoryTest() : SlowWatchTest(100) {}
};

TEST_F(ShortHistoryTest, AWatcherThatFallsBehindTheHistoryIsToldToListAgain) {
  Create("blue");
  int64_t last = std::stoll(Version());
  TestWatch slow = Watch(absl::StrCat("resourceVersion=", last));
  ASSERT_TRUE(server_.WaitForWatchers(1));
  Write(25);
  EXPECT_EQ(http_.Merge(kNetworks + "/blue", {{"metadata", {{"annotations", nullptr}}}}).code, 200);
  for (int i = 0; i < 200; ++i) Label("blue", std::to_string(i));
  while (true) {
    std::optional<json> event = slow.Next();
    ASSERT_TRUE(event);
    if ((*event)["type"] == "ERROR") {
      EXPECT_EQ((*event)["object"]["code"], 410);
      break;
    }
    ASSERT_EQ(VersionOf((*event)["object"]), ++last);
  }
  EXPECT_FALSE(slow.Next());
  EXPECT_TRUE(server_.WaitForWatchers(0));
}

}  // namespace
}  // namespace xpu::apiserver
