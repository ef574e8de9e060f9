#include "common/json/json_text.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <random>
#include <string>

#include "nlohmann/json.hpp"

namespace xpu {
namespace {

using nlohmann::json;

std::string Dumped(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

TEST(JsonText, IsWhatTheLibraryWrites) {
  const json values[] = {
      nullptr,
      true,
      0,
      -1,
      std::numeric_limits<int64_t>::min(),
      std::numeric_limits<uint64_t>::max(),
      1.5,
      1e300,
      -0.0,
      "",
      "plain",
      "\"quoted\" \\ / \b\f\n\r\t\x01\x1f\x7f",
      "snowman \u2603, clef \U0001d11e",
      std::string("a\0b", 3),
      json::array(),
      json::object(),
      {1, {2, json::array(), json::object()}, nullptr},
      {{"a", {{"b", {{"c", "\n"}}}}}, {"name \"with\" quotes", 1}, {"\u00e9", false}, {"", ""}},
  };
  for (const json& value : values) EXPECT_EQ(JsonText(value), Dumped(value));
}

TEST(JsonText, OctetsThatAreNoUtf8AreReplaced) {
  EXPECT_EQ(JsonText({{"a\xff", "b\xc3"}}), "{\"a\ufffd\":\"b\ufffd\"}");
  EXPECT_EQ(JsonText("\xed\xa0\x80"), Dumped("\xed\xa0\x80"));
}

TEST(JsonText, AnyTextIsWrittenAsTheLibraryDoes) {
  const auto seed = static_cast<uint32_t>(::testing::UnitTest::GetInstance()->random_seed());
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (int i = 0; i < 2000; ++i) {
    std::string text;
    for (size_t size = random() % 12; size > 0; --size) text.push_back(static_cast<char>(random()));
    EXPECT_EQ(JsonText(text), Dumped(text));
  }
}

}  // namespace
}  // namespace xpu
