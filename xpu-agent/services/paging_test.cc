#include "xpu-agent/services/paging.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<int> Page(const SharedMap<int>& objects, int32_t size, std::string* token) {
  std::vector<int> page;
  *token = ListPage("things", objects, ParsePage("things", size, *token).value(),
                    [&](int object) { page.push_back(object); });
  return page;
}

TEST(Paging, GoesThroughInOrderAndEnds) {
  const SharedMap<int> objects = {{"a", 1}, {"b", 2}, {"c", 3}, {"d", 4}};
  std::string token;
  EXPECT_THAT(Page(objects, 3, &token), ElementsAre(1, 2, 3));
  EXPECT_NE(token, "");
  EXPECT_THAT(Page(objects, 3, &token), ElementsAre(4));
  EXPECT_EQ(token, "");
}

TEST(Paging, OfNothingIsOneEmptyPage) {
  std::string token;
  EXPECT_THAT(Page({}, 3, &token), IsEmpty());
  EXPECT_EQ(token, "");
}

TEST(Paging, GoesOnBehindAnObjectThatIsGone) {
  std::string token;
  Page({{"a", 1}, {"b", 2}, {"c", 3}}, 2, &token);
  EXPECT_THAT(Page({{"a", 1}, {"c", 3}}, 2, &token), ElementsAre(3));
  token = PageToken("things", "c");
  EXPECT_THAT(Page({{"a", 1}, {"b", 2}}, 2, &token), IsEmpty());
  EXPECT_EQ(token, "");
}

TEST(Paging, SizesHaveADefaultAndALimit) {
  EXPECT_EQ(ParsePage("things", 0, "")->size, 100);
  EXPECT_EQ(ParsePage("things", 2000000000, "")->size, 1000);
  EXPECT_EQ(ParsePage("things", -1, "").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Paging, TokensOfOtherListsAndRubbishAreRefused) {
  for (const std::string& token : {PageToken("others", "a"), std::string("!"), std::string("AAAA"),
                                   PageToken("things", ""), PageToken("things", "a b")}) {
    EXPECT_EQ(ParsePage("things", 1, token).status().code(), absl::StatusCode::kInvalidArgument) << token;
  }
}

}  // namespace
}  // namespace xpu
