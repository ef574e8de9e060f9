#include "test/bench/figures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "nlohmann/json.hpp"

namespace xpu::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(SummariseTest, TakesTheMiddleOfUnsortedValues) {
  EXPECT_EQ(Summarise({5, 1, 3}).median, 3);
  EXPECT_EQ(Summarise({4, 1, 3, 2}).median, 2.5);
  EXPECT_EQ(Summarise({7}).p90, 7);
  std::vector<double> values;
  for (int i = 100; i >= 0; --i) values.push_back(i);
  EXPECT_DOUBLE_EQ(Summarise(values).p10, 10);
  EXPECT_DOUBLE_EQ(Summarise(values).p90, 90);
}

TEST(CompareTest, SidesTakeTurnsAndTheFirstRunsDoNotCount) {
  std::string order;
  int ours = 0;
  const auto figures = Compare(
      {.metrics = {"a", "b"}, .unit = "ms", .peer = "them", .runs = 4, .limits = {{"a", 0.6}}},
      [&]() -> absl::StatusOr<std::vector<double>> {
        order += 'o';
        ++ours;
        return std::vector<double>{ours <= 3 ? 1000.0 : 1.0, 4.0};
      },
      [&]() -> absl::StatusOr<std::vector<double>> {
        order += 't';
        return std::vector<double>{2.0, 1.0};
      });
  ASSERT_TRUE(figures.ok()) << figures.status();
  EXPECT_EQ(order.substr(order.size() - 8), "ottootto");
  ASSERT_EQ(figures->size(), 2u);
  EXPECT_EQ((*figures)[0].metric, "a");
  EXPECT_EQ((*figures)[0].ratio(), 0.5);
  EXPECT_EQ((*figures)[1].ratio(), 4);
  EXPECT_EQ((*figures)[0].runs, 4);
  EXPECT_EQ((*figures)[0].limit, 0.6);
  EXPECT_EQ((*figures)[1].limit, 0);
}

TEST(CompareTest, AnErrorEndsIt) {
  const Side good = []() -> absl::StatusOr<std::vector<double>> { return std::vector<double>{1}; };
  const Side bad = []() -> absl::StatusOr<std::vector<double>> { return absl::InternalError("broke"); };
  const Side odd = []() -> absl::StatusOr<std::vector<double>> { return std::vector<double>{1, 2}; };
  const Comparison comparison{.metrics = {"a"}, .unit = "ms", .peer = "them", .runs = 1};
  EXPECT_THAT(Compare(comparison, bad, good).status().ToString(), HasSubstr("ours: broke"));
  EXPECT_THAT(Compare(comparison, good, bad).status().ToString(), HasSubstr("them: broke"));
  EXPECT_EQ(Compare(comparison, good, odd).status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(Compare({.metrics = {"a"}, .runs = 0}, good, good).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(FiguresTest, AreWrittenForProgramsAndForPeople) {
  const std::vector<Figure> figures = {{.metric = "add",
                                        .unit = "ms",
                                        .peer = "them",
                                        .ours = {.median = 10.00004, .p10 = 9, .p90 = 11},
                                        .theirs = {.median = 20, .p10 = 19, .p90 = 21},
                                        .runs = 5}};
  EXPECT_EQ(
      nlohmann::json::parse(ToJson(figures)),
      nlohmann::json::parse(
          R"([{"metric": "add", "unit": "ms", "ours": 10.0, "peer": "them", "theirs": 20.0, "ratio": 0.5}])"));
  const std::string table = ToTable(figures);
  for (const char* text : {"metric", "add", "10.000", "20.000", "0.500", "them"})
    EXPECT_THAT(table, HasSubstr(text));
}

TEST(FiguresTest, ARatioBeyondItsLimitIsMarked) {
  Figure figure{.metric = "add", .unit = "ms", .ours = {.median = 15}, .theirs = {.median = 20}};
  EXPECT_TRUE(figure.is_within_limit()) << "nothing is promised";
  EXPECT_THAT(ToTable({figure}), Not(HasSubstr("!")));
  figure.limit = 0.75;
  EXPECT_TRUE(figure.is_within_limit());
  EXPECT_THAT(ToTable({figure}), AllOf(HasSubstr("0.750 "), Not(HasSubstr("!"))));
  figure.limit = 0.7;
  EXPECT_FALSE(figure.is_within_limit());
  EXPECT_THAT(ToTable({figure}), AllOf(HasSubstr("0.750!"), HasSubstr("0.7 ")));
}

}  // namespace
}  // namespace xpu::testing
