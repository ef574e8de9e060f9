#include "cni/config_head.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace xpu {
namespace {

using ::testing::HasSubstr;

TEST(ConfigHeadTest, ReadsItsTwoFields) {
  const auto head = ReadConfigHead(
      R"({"name": "blue", "cniVersion": "1.0.0", "ipam": {"a": [1, 2.5, null, true]}, "hostAgentSocket": "/run/a"})");
  ASSERT_TRUE(head.ok());
  EXPECT_EQ(head->cni_version, "1.0.0");
  EXPECT_EQ(head->host_agent_socket, "/run/a");
}

TEST(ConfigHeadTest, FieldsMayBeMissing) {
  const auto head = ReadConfigHead("{}");
  ASSERT_TRUE(head.ok());
  EXPECT_EQ(head->cni_version, "");
  EXPECT_EQ(head->host_agent_socket, "");
}

TEST(ConfigHeadTest, FieldsOfInnerObjectsAreNotMeant) {
  const auto head = ReadConfigHead(R"({"prevResult": {"cniVersion": 7, "hostAgentSocket": "/tmp/trap"},
                                       "list": [{"cniVersion": "9"}], "cniVersion": "0.4.0"})");
  ASSERT_TRUE(head.ok());
  EXPECT_EQ(head->cni_version, "0.4.0");
  EXPECT_EQ(head->host_agent_socket, "");
}

class UndecodableConfigTest : public ::testing::TestWithParam<const char*> {};

TEST_P(UndecodableConfigTest, IsCodeSixWithAReason) {
  const auto head = ReadConfigHead(GetParam());
  ASSERT_FALSE(head.ok()) << GetParam();
  EXPECT_EQ(head.failure().code, kCniDecodingFailure);
  EXPECT_THAT(head.failure().msg, HasSubstr("standard input"));
  EXPECT_NE(head.failure().details, "");
}

INSTANTIATE_TEST_SUITE_P(Table, UndecodableConfigTest,
                         ::testing::Values("", " ", "{", "{}x", "[]", "\"text\"", "1", "null", "{\"a\":}",
                                           "{\"a\" 1}", "{\"a\": \"\xff\"}", "{'a': 1}",
                                           "{\"cniVersion\": 1}", "{\"cniVersion\": null}",
                                           "{\"cniVersion\": [\"1.0.0\"]}", "{\"cniVersion\": {}}",
                                           "{\"hostAgentSocket\": false}", "{\"hostAgentSocket\": 1.5}"));

TEST(ConfigHeadTest, AWrongTypeIsNamed) {
  EXPECT_EQ(ReadConfigHead(R"({"cniVersion": 1})").failure().details, "cniVersion must be a string");
}

TEST(ConfigHeadTest, ASyntaxErrorSaysWhere) {
  EXPECT_THAT(ReadConfigHead(R"({"a": nope})").failure().details, HasSubstr("at byte 8: "));
}

TEST(ConfigHeadTest, DepthCostsNoStack) {
  const std::string deep = "{\"a\":" + std::string(500'000, '[') + std::string(500'000, ']') + "}";
  EXPECT_TRUE(ReadConfigHead(deep).ok());
  EXPECT_FALSE(ReadConfigHead(std::string(1'000'000, '[')).ok());
}

}  // namespace
}  // namespace xpu
