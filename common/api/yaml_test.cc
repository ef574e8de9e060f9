#include "common/api/yaml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/api/yaml_scalar.h"

namespace xpu::api {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

json One(const std::string& text) {
  absl::StatusOr<std::vector<YamlDocument>> documents = YamlToJson(text, "test.yaml");
  EXPECT_TRUE(documents.ok()) << documents.status();
  if (!documents.ok() || documents->size() != 1) return "not one document";
  return (*documents)[0].value;
}

std::string ErrorOf(const std::string& text) {
  absl::StatusOr<std::vector<YamlDocument>> documents = YamlToJson(text, "test.yaml");
  EXPECT_FALSE(documents.ok()) << text;
  return documents.ok() ? "" : std::string(documents.status().message());
}

TEST(YamlTest, PlainScalarsMeanWhatKubectlMakesOfThem) {
  for (const char* text : {"", "~", "null", "Null", "NULL"})
    EXPECT_EQ(ResolvePlainScalar(text), nullptr) << text;
  for (const char* text : {"true", "True", "TRUE", "yes", "Yes", "on", "ON", "y", "Y"}) {
    EXPECT_EQ(ResolvePlainScalar(text), true) << text;
  }
  for (const char* text : {"false", "no", "NO", "off", "Off", "n"}) {
    EXPECT_EQ(ResolvePlainScalar(text), false) << text;
  }
  EXPECT_EQ(ResolvePlainScalar("1500"), 1500);
  EXPECT_EQ(ResolvePlainScalar("-7"), -7);
  EXPECT_EQ(ResolvePlainScalar("+7"), 7);
  EXPECT_EQ(ResolvePlainScalar("1_000"), 1000);
  EXPECT_EQ(ResolvePlainScalar("0x1F"), 31);
  EXPECT_EQ(ResolvePlainScalar("0755"), 493);
  EXPECT_EQ(ResolvePlainScalar("0o17"), 15);
  EXPECT_EQ(ResolvePlainScalar("0b101"), 5);
  EXPECT_EQ(ResolvePlainScalar("-9223372036854775808"), INT64_MIN);
  EXPECT_EQ(ResolvePlainScalar("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(ResolvePlainScalar("1.5"), 1.5);
  EXPECT_EQ(ResolvePlainScalar("1e3"), 1000.0);
  EXPECT_EQ(ResolvePlainScalar(".5"), 0.5);
}

TEST(YamlTest, WhatLooksLikeANumberAndIsNoneStaysAString) {
  for (const char* text : {"02:00:00:00:00:01",
                           "10.0.0.1",
                           "10.0.0.0/24",
                           "2001:db8::1",
                           "0000:03:00.2",
                           "1e",
                           ".",
                           "-",
                           "0x",
                           "0xg",
                           "089x",
                           "yEs",
                           "tRue",
                           "nUll",
                           "1.5.5",
                           "node-1",
                           ".nan",
                           ".inf",
                           "2026-01-02",
                           "1__x"}) {
    EXPECT_EQ(ResolvePlainScalar(text), json(text)) << text;
  }
}

TEST(YamlTest, QuotedScalarsStayStrings) {
  EXPECT_EQ(One("a: \"1\"\nb: 'yes'\nc: \"\"\nd: !!str 7\ne: |\n  12\n"),
            json::parse(R"({"a": "1", "b": "yes", "c": "", "d": "7", "e": "12\n"})"));
  EXPECT_EQ(One("a: !!int \"7\"\n"), json::parse(R"({"a": 7})"));
}

TEST(YamlTest, AManifestBecomesTheObject) {
  EXPECT_EQ(One("# a network\napiVersion: v1\nmetadata:\n  name: blue\nspec:\n  vni: 100\n  prefixes:\n"
                "  - 10.0.0.0/24\n  - \"2001:db8::/64\"\n  empty:\n"),
            json::parse(R"({"apiVersion": "v1", "metadata": {"name": "blue"},
                            "spec": {"vni": 100, "prefixes": ["10.0.0.0/24", "2001:db8::/64"], "empty": null}})"));
}

TEST(YamlTest, JsonIsReadToo) {
  EXPECT_EQ(One(R"({"a": [1, "x", true, null]})"), json::parse(R"({"a": [1, "x", true, null]})"));
}

TEST(YamlTest, AStreamHasManyDocumentsAndEmptyOnesDoNotCount) {
  absl::StatusOr<std::vector<YamlDocument>> documents =
      YamlToJson("---\n# nothing\n---\na: 1\n---\n\nb: 2\n---\n", "test.yaml");
  ASSERT_TRUE(documents.ok()) << documents.status();
  ASSERT_EQ(documents->size(), 2u);
  EXPECT_EQ((*documents)[0].value, json::parse(R"({"a": 1})"));
  EXPECT_EQ((*documents)[0].line, 4);
  EXPECT_EQ((*documents)[1].value, json::parse(R"({"b": 2})"));
  EXPECT_EQ((*documents)[1].line, 7);
  EXPECT_TRUE(YamlToJson("", "test.yaml")->empty());
}

TEST(YamlTest, AliasesAndMergeKeysAreFollowed) {
  EXPECT_EQ(One("base: &b {x: 1, y: 2}\nmore: &m {z: 3}\na:\n  <<: [*b, *m]\n  x: 9\nb: *b\n"),
            json::parse(R"({"base": {"x": 1, "y": 2}, "more": {"z": 3}, "a": {"x": 9, "y": 2, "z": 3},
                            "b": {"x": 1, "y": 2}})"));
}

TEST(YamlTest, ErrorsNameTheLine) {
  EXPECT_THAT(ErrorOf("a: 1\nb: [1, 2\nc: 3\n"), HasSubstr("test.yaml:"));
  EXPECT_THAT(ErrorOf("a: 1\nb: 2\na: 3\n"), HasSubstr("test.yaml:3: the key \"a\" is there twice"));
  EXPECT_THAT(ErrorOf("a: 1\n? [x]\n: 2\n"), HasSubstr("test.yaml:2: a key must be"));
  EXPECT_THAT(ErrorOf("a: !!int x\n"), HasSubstr("test.yaml:1: \"x\" is no !!int"));
  EXPECT_THAT(ErrorOf("a: 1\n<<: 7\n"), HasSubstr("test.yaml:2: \"<<\" needs a mapping"));
  EXPECT_THAT(ErrorOf("a: *nowhere\n"), HasSubstr("test.yaml:1: not YAML"));
  EXPECT_THAT(ErrorOf("a: \t- b\n  c: {"), HasSubstr("not YAML"));
}

TEST(YamlTest, AliasesCannotBlowUpASmallText) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    std::string before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) bomb += (j == 0 ? "" : ", ") + before;
    bomb += "]\n";
  }
  EXPECT_THAT(ErrorOf(bomb), HasSubstr("too large"));
  EXPECT_THAT(ErrorOf("a: &a [*a]\n"),
              ::testing::AnyOf(HasSubstr("nested too deeply"), HasSubstr("not YAML")));
  EXPECT_THAT(ErrorOf(std::string(300, '[') + std::string(300, ']')), HasSubstr("nested too deeply"));
  EXPECT_FALSE(YamlToJson(std::string(100'000, '['), "test.yaml").ok());
}

class RoundTripTest : public ::testing::TestWithParam<const char*> {};

TEST_P(RoundTripTest, WhatIsWrittenReadsBackTheSame) {
  json value = json::parse(GetParam());
  std::string yaml = JsonToYaml(value);
  EXPECT_EQ(One(yaml), value) << yaml;
}

INSTANTIATE_TEST_SUITE_P(
    All, RoundTripTest,
    ::testing::Values(
        R"({"a": 1, "b": [1, -2, 1.5, true, null, "x"], "c": {}, "d": [], "e": {"f": {"g": "h"}}})",
        R"({"s": ["", "yes", "no", "1", "1.5", "~", "null", "0x1", "on", "y", "-", "- x", "a: b",
                                "a #b", "#a", "a:", " a", "a ", "*a", "&a", "!a", "@a", "`a", "{a", "[a", "%a",
                                "'a'", "\"a\"", "?", "|", ">", "...", "---", "\n", "a\nb", "\t", "é", "\u0001",
                                "02:00:00:00:00:01", "10.0.0.0/24", "2001:db8::1", "/x", "<<", "=", "a,b"]})",
        R"([[1, [2, {"a": [3]}]], {"b": {"c": [{"d": 1, "e": [4]}]}}, [[]], [{}]])",
        R"({"yes": 1, "1": 2, "a b": 3, "": 4, "a: b": 5, "<<": {"x": 1}, "true": 6})", R"(["a"])",
        R"("plain")", R"({})", R"(9223372036854775807)", R"(1e300)"));

TEST(YamlTest, AnObjectIsWrittenAsPeopleWriteIt) {
  json object = json::parse(R"({"spec": {"prefixes": ["10.0.0.0/24"], "vni": 100}, "kind": "Network",
                               "metadata": {"name": "blue"}, "apiVersion": "xpu.opiproject.org/v1alpha1"})");
  EXPECT_EQ(
      JsonToYaml(object),
      "apiVersion: xpu.opiproject.org/v1alpha1\nkind: Network\nmetadata:\n  name: blue\nspec:\n  prefixes:\n"
      "  - 10.0.0.0/24\n  vni: 100\n");
}

}  // namespace
}  // namespace xpu::api
