#include "control-plane/apiserver/http/body.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control-plane/apiserver/store/api_error.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

struct Refused {
  int code;
  std::string message;
};

Refused Parse(const std::string& body) {
  absl::StatusOr<json> parsed = ParseBody(body);
  if (parsed.ok()) return {200, parsed->dump()};
  json status = StatusObject(parsed.status());
  return {status["code"], status["message"]};
}

TEST(BodyTest, JsonIsRead) {
  EXPECT_EQ(Parse(R"( {"a": [1, -2, 1.5, "x", true, null, {"a": {}}]} )").message,
            R"({"a":[1,-2,1.5,"x",true,null,{"a":{}}]})");
  EXPECT_EQ(Parse("7").code, 200);
}

TEST(BodyTest, WhatIsNotStrictJsonIsABadRequestWithItsPlace) {
  EXPECT_EQ(Parse("{").code, 400);
  EXPECT_THAT(Parse("{\"a\": tru}").message, HasSubstr("at octet 10"));
  EXPECT_THAT(Parse(R"({"spec": {"vni": 1, "vni": 2}})").message, HasSubstr("\"vni\" is there twice"));
}

TEST(BodyTest, SizeIsBounded) {
  EXPECT_EQ(Parse("\"" + std::string(3 << 20, 'x') + "\"").code, 413);
  EXPECT_EQ(Parse("\"" + std::string((3 << 20) - 2, 'x') + "\"").code, 200);
}

}  // namespace
}  // namespace xpu::apiserver
