#include "common/json/strict_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "nlohmann/json.hpp"

namespace xpu {
namespace {

using ::testing::HasSubstr;

std::string Parse(const std::string& text) {
  const absl::StatusOr<nlohmann::json> parsed = ParseStrictJson(text);
  return parsed.ok() ? parsed->dump() : "refused: " + std::string(parsed.status().message());
}

TEST(StrictJson, JsonIsRead) {
  EXPECT_EQ(Parse(R"( {"a": [1, -2, 1.5, "x", true, null, {"a": {}}]} )"),
            R"({"a":[1,-2,1.5,"x",true,null,{"a":{}}]})");
  EXPECT_EQ(Parse("7"), "7");
}

TEST(StrictJson, WhatIsNotJsonIsRefusedWithItsPlace) {
  for (const char* text : {"", " ", "{", "}", "{\"a\":}", "{\"a\" 1}", "[1,]", "{\"a\":1}x", "nul", "'a'",
                           "{a: 1}", "\"\\x\"", "\"\xff\"", "\"a\nb\"", "1e999", "\x01", "[1 2]"}) {
    EXPECT_THAT(Parse(text), HasSubstr("refused: at octet ")) << text;
  }
  EXPECT_THAT(Parse("{\"a\": tru}"), HasSubstr("at octet 10"));
}

TEST(StrictJson, ANameMayNotBeThereTwice) {
  EXPECT_THAT(Parse(R"({"spec": {"vni": 1, "vni": 2}})"), HasSubstr("\"vni\" is there twice"));
  EXPECT_EQ(Parse(R"({"a":{"x":1},"b":{"x":1},"x":[{"x":1},{"x":2}]})"),
            R"({"a":{"x":1},"b":{"x":1},"x":[{"x":1},{"x":2}]})");
}

TEST(StrictJson, DepthIsBounded) {
  const std::string deep = std::string(60, '[') + std::string(60, ']');
  EXPECT_EQ(Parse(deep), deep);
  EXPECT_THAT(Parse(std::string(1'000'000, '[')), HasSubstr("levels deep"));
  std::string objects;
  for (int i = 0; i < 1000; ++i) objects += "{\"a\":";
  EXPECT_THAT(Parse(objects), HasSubstr("levels deep"));
}

}  // namespace
}  // namespace xpu
