#include "control-plane/apiserver/auth/token_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xpu::apiserver {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(TokenFileTest, ALineIsAUserWithHisGroups) {
  const auto users = ReadTokens("# users\n\nt1,ann,1\n t2 , bob, 2, \"dev, ops\"\nt3,eve,3,dev\r\n");
  ASSERT_TRUE(users.ok()) << users.status();
  ASSERT_EQ(users->size(), 3u);
  EXPECT_EQ(users->at("t1").name, "ann");
  EXPECT_THAT(users->at("t1").groups, ElementsAre("system:authenticated"));
  EXPECT_EQ(users->at("t2").uid, "2");
  EXPECT_THAT(users->at("t2").groups, ElementsAre("dev", "ops", "system:authenticated"));
  EXPECT_THAT(users->at("t3").groups, ElementsAre("dev", "system:authenticated"));
}

TEST(TokenFileTest, WhatCannotBeReadIsNamedByItsLineAndNotByItsToken) {
  for (const char* text :
       {"t1,ann,1\nsecret,bob\n", "t1,ann,1\nsecret,bob,1,a,b\n", "t1,ann,1\n,secret,1\n",
        "t1,ann,1\nsecret,,1\n", "t1,ann,1\nsecret,bob,1,\"a\n", "secret,ann,1\nsecret,bob,2\n"}) {
    const auto users = ReadTokens(text);
    EXPECT_TRUE(absl::IsInvalidArgument(users.status())) << text;
    EXPECT_THAT(std::string(users.status().message()), AllOf(HasSubstr("line 2"), Not(HasSubstr("secret"))));
  }
}

}  // namespace
}  // namespace xpu::apiserver
