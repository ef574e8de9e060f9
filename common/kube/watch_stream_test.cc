#include "common/kube/watch_stream.h"

#include "common/kube/watch_recorder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;

TEST(LineSplitterTest, LinesMayComeInAnyPieces) {
  std::vector<std::string> lines;
  const auto keep = [&](std::string line) { lines.push_back(std::move(line)); };
  LineSplitter splitter;
  for (const char* piece : {"on", "e\ntw", "o\n\nthree\nfo"}) EXPECT_TRUE(splitter.Feed(piece, keep));
  EXPECT_THAT(lines, ElementsAre("one", "two", "three"));
  EXPECT_TRUE(splitter.Feed("ur\n", keep));
  EXPECT_EQ(lines.back(), "four");
}

TEST(LineSplitterTest, ALineWithoutAnEndIsRefused) {
  LineSplitter splitter;
  const std::string piece(1 << 20, 'x');
  int fed = 0;
  while (splitter.Feed(piece, [](std::string) {})) ASSERT_LT(++fed, 100);
  EXPECT_GT(fed, 1);
}

class WatchSinkTest : public ::testing::Test {
 protected:
  static std::string Event(const std::string& type, const std::string& name) {
    return nlohmann::json({{"type", type}, {"object", {{"metadata", {{"name", name}}}}}}).dump();
  }
  WatchRecorder recorder_;
  WatchSink sink_{recorder_.callbacks()};
};

TEST_F(WatchSinkTest, LinesBecomeEvents) {
  sink_.Line(Event("ADDED", "a"));
  sink_.Line(Event("MODIFIED", "a"));
  sink_.Line(Event("BOOKMARK", ""));
  sink_.Line(Event("DELETED", "a"));
  EXPECT_THAT(WatchRecorder::Lines(recorder_.WaitForEvents(3)),
              ElementsAre("ADDED a", "MODIFIED a", "DELETED a"));
}

TEST_F(WatchSinkTest, AnErrorEndsTheWatchOnce) {
  sink_.Line(R"({"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}})");
  sink_.Line(Event("ADDED", "a"));
  sink_.End(absl::OkStatus());
  EXPECT_TRUE(absl::IsOutOfRange(recorder_.WaitForEnd().value()));
  EXPECT_TRUE(recorder_.WaitForEvents(0).empty());
}

TEST_F(WatchSinkTest, WhatCannotBeReadEndsTheWatch) {
  for (const char* line : {"{", "[]", "{}", R"({"type": "ADDED"})", R"({"type": 1, "object": {}})",
                           R"({"type": "WHAT", "object": {}})", R"({"type": "ADDED", "object": 7})"}) {
    WatchRecorder recorder;
    WatchSink sink(recorder.callbacks());
    sink.Line(line);
    EXPECT_TRUE(absl::IsUnavailable(recorder.WaitForEnd().value())) << line;
  }
}

TEST_F(WatchSinkTest, AClosedSinkIsSilent) {
  sink_.Close();
  sink_.Line(Event("ADDED", "a"));
  sink_.End(absl::OkStatus());
  EXPECT_TRUE(recorder_.WaitForEvents(0).empty());
}

TEST_F(WatchSinkTest, AStreamThatNobodyTakesIsHeldUpUntilHalfOfItIsTaken) {
  int resumed = 0;
  sink_.OnResume([&] { ++resumed; });
  constexpr size_t kMiB = size_t{1} << 20;
  EXPECT_TRUE(sink_.Admit());
  for (int i = 0; i < 5; ++i) sink_.Queued(kMiB);
  EXPECT_FALSE(sink_.Admit());
  sink_.Handled(2 * kMiB);
  EXPECT_EQ(resumed, 0);
  sink_.Handled(kMiB);
  EXPECT_EQ(resumed, 1);
  EXPECT_TRUE(sink_.Admit());
  sink_.Handled(2 * kMiB);
  EXPECT_EQ(resumed, 1) << "nobody was refused since";
}

TEST_F(WatchSinkTest, WhoeverAsksLateIsToldThatItMayGoOn) {
  constexpr size_t kMiB = size_t{1} << 20;
  sink_.Queued(5 * kMiB);
  EXPECT_FALSE(sink_.Admit());
  sink_.Handled(5 * kMiB);
  int resumed = 0;
  sink_.OnResume([&] { ++resumed; });
  EXPECT_EQ(resumed, 1);
}

TEST(WatchDispatcherTest, KeepsTheOrderOfEachSink) {
  WatchRecorder recorder;
  {
    WatchDispatcher dispatcher;
    auto sink = std::make_shared<WatchSink>(recorder.callbacks());
    for (int i = 0; i < 100; ++i) {
      dispatcher.PostLine(
          sink, R"({"type": "ADDED", "object": {"metadata": {"name": ")" + std::to_string(i) + R"("}}})");
    }
    dispatcher.PostEnd(sink, absl::OkStatus());
    EXPECT_EQ(recorder.WaitForEnd(), absl::OkStatus());
  }
  const auto events = recorder.WaitForEvents(100);
  ASSERT_EQ(events.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(NameOf(events[i].object).name, std::to_string(i));
}

}  // namespace
}  // namespace xpu
