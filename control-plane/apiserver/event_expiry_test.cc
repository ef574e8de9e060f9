#include "control-plane/apiserver/event_expiry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/http/test_http.h"
#include "control-plane/apiserver/test_api_server.h"
#include "control-plane/apiserver/test_watch.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;

const char kEvents[] = "/api/v1/namespaces/default/events";
const char kConfigMaps[] = "/api/v1/namespaces/default/configmaps";

std::string Text(absl::Time time) { return absl::FormatTime(absl::RFC3339_sec, time, absl::UTCTimeZone()); }

json Event(const std::string& name) {
  return {{"apiVersion", "v1"},
          {"kind", "Event"},
          {"metadata", {{"name", name}}},
          {"involvedObject", {{"kind", "Netdev"}, {"namespace", "default"}, {"name", "a"}}}};
}

// The system's, and ahead of it by what a test says.
class AheadClock : public Clock {
 public:
  absl::Time Now() override { return Clock::Real().Now() + absl::Minutes(minutes_.load()); }
  void Advance(int64_t minutes) { minutes_ += minutes; }

 private:
  std::atomic<int64_t> minutes_ = 0;
};

class EventExpiryTest : public ::testing::Test {
 protected:
  void Start(absl::Duration ttl) {
    ApiServerOptions options;
    options.event_ttl = ttl;
    server_ = std::make_unique<TestApiServer>(options, clock_);
    http_ = std::make_unique<TestHttp>(server_->endpoint());
  }
  void Create(const std::string& name) { EXPECT_EQ(http_->Post(kEvents, Event(name)).code, 201); }
  long CodeOf(const std::string& name) { return http_->Get(absl::StrCat(kEvents, "/", name)).code; }
  std::string Version() { return http_->Get(kEvents).json["metadata"]["resourceVersion"]; }
  TestWatch WatchFrom(const std::string& version) {
    return TestWatch(server_->endpoint(), absl::StrCat(kEvents, "?watch=1&resourceVersion=", version));
  }

  AheadClock clock_;
  std::unique_ptr<TestApiServer> server_;
  std::unique_ptr<TestHttp> http_;
};

TEST_F(EventExpiryTest, AnEventGoesAfterItsTimeAndNothingElseDoes) {
  Start(absl::Milliseconds(50));
  const json map = {{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", {{"name", "map"}}}};
  EXPECT_EQ(http_->Post(kConfigMaps, map).code, 201);
  TestWatch watch = WatchFrom(Version());
  Create("a");
  EXPECT_THAT(watch.Lines(2), ElementsAre("ADDED a", "DELETED a"));
  // Also one that comes when there was none.
  Create("b");
  EXPECT_THAT(watch.Lines(2), ElementsAre("ADDED b", "DELETED b"));
  EXPECT_EQ(http_->Get(absl::StrCat(kConfigMaps, "/map")).code, 200);
}

TEST_F(EventExpiryTest, ANewServerKnowsWhichAreOld) {
  Start(absl::Hours(1));
  Create("a");
  Create("written-again");
  clock_.Advance(40);
  EXPECT_EQ(
      http_->Merge(absl::StrCat(kEvents, "/written-again"), {{"lastTimestamp", Text(clock_.Now())}}).code,
      200);
  Create("young");
  const std::string version = Version();
  clock_.Advance(40);
  server_->Restart();
  http_ = std::make_unique<TestHttp>(server_->endpoint());
  TestWatch watch = WatchFrom(version);
  EXPECT_THAT(watch.Lines(1), ElementsAre("DELETED a"));
  EXPECT_EQ(CodeOf("written-again"), 200);
  EXPECT_EQ(CodeOf("young"), 200);
}

TEST_F(EventExpiryTest, ManyGoInSeveralGoes) {
  Start(absl::Hours(1));
  constexpr size_t kMany = 250;
  for (size_t i = 0; i < kMany; ++i) Create(absl::StrCat("e", i));
  const std::string version = Version();
  clock_.Advance(24 * 60);
  server_->Restart();
  TestWatch watch = WatchFrom(version);
  EXPECT_EQ(watch.Lines(kMany).size(), kMany);
  http_ = std::make_unique<TestHttp>(server_->endpoint());
  EXPECT_EQ(http_->Get(kEvents).json["items"].size(), 0u);
}

TEST_F(EventExpiryTest, WithoutATimeTheyStay) {
  Start(absl::ZeroDuration());
  Create("a");
  const std::string version = Version();
  clock_.Advance(24 * 60);
  server_->Restart();
  http_ = std::make_unique<TestHttp>(server_->endpoint());
  TestWatch watch = WatchFrom(version);
  Create("b");
  EXPECT_THAT(watch.Lines(1), ElementsAre("ADDED b"));
  EXPECT_EQ(CodeOf("a"), 200);
}

TEST(WrittenAt, IsTheLatestTimeThatAnEventTellsAndNeverInTheFuture) {
  const absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  const auto ago = [&](int minutes) { return Text(now - absl::Minutes(minutes)); };
  json event = {{"metadata", {{"creationTimestamp", ago(50)}}}};
  EXPECT_EQ(WrittenAt(event, now), now - absl::Minutes(50));
  event["eventTime"] = ago(40);
  EXPECT_EQ(WrittenAt(event, now), now - absl::Minutes(40));
  event["lastTimestamp"] = ago(30);
  EXPECT_EQ(WrittenAt(event, now), now - absl::Minutes(30));
  event["series"] = {{"lastObservedTime", ago(20)}};
  EXPECT_EQ(WrittenAt(event, now), now - absl::Minutes(20));
  event["lastTimestamp"] = ago(-60);
  EXPECT_EQ(WrittenAt(event, now), now);
  event = {{"metadata", 3}, {"series", json::array()}, {"lastTimestamp", nullptr}, {"eventTime", "soon"}};
  EXPECT_EQ(WrittenAt(event, now), absl::InfinitePast());
}

TEST(EventAges, TellsTheOldestFirst) {
  const auto at = [](int64_t seconds) { return absl::FromUnixSeconds(seconds); };
  const auto names = [](const std::vector<ObjectName>& events) {
    std::string all;
    for (const ObjectName& event : events) absl::StrAppend(&all, event.ns, "/", event.name, " ");
    return all;
  };
  EventAges ages;
  EXPECT_FALSE(ages.Oldest().has_value());
  ages.Written({"x", "b"}, at(20));
  ages.Written({"x", "a"}, at(10));
  ages.Written({"y", "a"}, at(30));
  EXPECT_EQ(ages.Oldest(), at(10));
  EXPECT_EQ(names(ages.UpTo(at(20), 10)), "x/a x/b ");
  EXPECT_EQ(names(ages.UpTo(at(30), 2)), "x/a x/b ");
  EXPECT_EQ(names(ages.UpTo(at(9), 10)), "");
  // Written again, it is the youngest.
  ages.Written({"x", "a"}, at(40));
  EXPECT_EQ(names(ages.UpTo(at(40), 10)), "x/b y/a x/a ");
  ages.Gone({"x", "b"});
  ages.Gone({"x", "unknown"});
  EXPECT_EQ(ages.Oldest(), at(30));
  ages.Clear();
  EXPECT_EQ(names(ages.UpTo(at(100), 10)), "");
}

}  // namespace
}  // namespace xpu::apiserver
