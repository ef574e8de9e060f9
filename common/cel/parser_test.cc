#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "common/cel/expression_testing.h"
#include "common/cel/syntax.h"

namespace xpu::cel {
namespace {

using ::testing::HasSubstr;

TEST(CelParserTest, OperatorsBindAsTheGrammarSays) {
  for (const char* text : {
           "1 + 2 * 3 == 7",
           "(1 + 2) * 3 == 9",
           "7 - 2 - 1 == 4",
           "12 / 2 / 3 == 2",
           "-2 * 3 == -6",
           "2 - -3 == 5",
           "!false && !!true",
           "true || false && false",
           "!(true && false)",
           "1 < 2 == true",
           "1 + 1 in [2]",
           "false ? false : true ? true : false",
           "(true ? 1 : 2) + 1 == 2",
           "[1, 2, 3][1] == 2",
           "{'a': {'b': 3}}.a.b == 3",
           "{'a': {'b': 3}}['a'].b == 3",
           "-[1, 2].size() == -2",
           "[1, 2, 3,] == [1, 2, 3]",
           "{'a': 1,} == {'a': 1}",
           ".size('ab') == 2",
           "10 % 4 * 2 == 4",
           "1 // a comment\n == 1 // and one at the end",
       }) {
    ExpectTrue(text);
  }
}

TEST(CelParserTest, LiteralsMeanWhatTheSpecificationSays) {
  for (const char* text : {
           "0x1F == 31",
           "0xfu == 15u",
           "-9223372036854775808 < -9223372036854775807",
           "18446744073709551615u > 1u",
           "1.5e3 == 1500.0",
           ".5 == 0.5",
           "1e2 == 100.0",
           "2E-1 == 0.2",
           R"cel("'" == '\'')cel",
           R"cel('"' == "\"")cel",
           R"cel('''x''x'''.size() == 4)cel",
           "\"\"\"two\nlines\"\"\" == 'two\\nlines'",
           R"cel(r"\\".size() == 2)cel",
           R"cel(R'\d' == '\\d')cel",
           R"cel('\a\b\f\n\r\t\v\\\?\"\'\`'.size() == 12)cel",
           R"cel('\u00fc' == "ü" && '\U0001F600' == '😀' && '\x41\101' == 'AA')cel",
           R"cel('\377' == 'ÿ' && b'\377' != b'ÿ')cel",
           R"cel(b"\303\277" == b"ÿ" && b'\xff'.size() == 1)cel",
           R"cel(b"abc" == bytes('abc') && br'\n'.size() == 2 && rb'\n'.size() == 2)cel",
           "'😀ü'.size() == 2 && b'😀'.size() == 4",
           "null == null",
           "true != false",
       }) {
    ExpectTrue(text);
  }
}

TEST(CelParserTest, WhatIsNoExpressionIsRefusedWithItsPlace) {
  for (const Failure& wrong : std::vector<Failure>{
           {"", "at 1:1: the expression ends"},
           {"1 +", "at 1:4: the expression ends"},
           {"1 2", "at 1:3: an operator is missing before '2'"},
           {"(1", "')' is missing before the end"},
           {"[1, 2", "']' is missing"},
           {"{'a': 1", "'}' is missing"},
           {"{'a' 1}", "':' is missing"},
           {"true ? 1", "':' is missing"},
           {"a = b", "at 1:3: a single '='"},
           {"true & true", "&&"},
           {"'abc", "not closed"},
           {"'a\nb'", "before the end of the line"},
           {"'''abc''", "not closed"},
           {R"('\q')", "there is no such escape"},
           {R"('\u12')", "needs 4 hexadecimal digits"},
           {R"('\ud800')", "no code point"},
           {R"(b'\u0041')", "no place in bytes"},
           {R"('\400')", "no such escape"},
           {"9223372036854775808", "does not fit into an int"},
           {"-9223372036854775809", "does not fit into an int"},
           {"18446744073709551616u", "does not fit into 64 bits"},
           {"1e999", "does not fit into a double"},
           {"12abc", "ends in letters"},
           {"1 ü 2", "at 1:3: 'ü' has no place"},
           {"self.namespace", "at 1:6: 'namespace' is a reserved word: the field is called __namespace__"},
           {"while", "reserved word"},
           {"a.`b-c`", "backquotes"},
           {"Foo{a: 1}", "cannot make messages"},
           {"1.", "a name is missing before the end"},
           {"'a' // c\n  + + 'b'", "at 2:5"},
           {"has(a)", "has() needs a field"},
           {"[1].all(1, true)", "all() needs the name of a variable first"},
           {"[?a]", "optional elements"},
           {"{?'a': b}", "optional entries"},
           {"@", "'@' has no place"},
       }) {
    ExpectRefused(wrong.text, wrong.message);
  }
}

TEST(CelParserTest, DepthAndLengthAreBounded) {
  const auto nested = [](int depth, const std::string& open, const std::string& close) {
    std::string text = "1";
    for (int i = 0; i < depth; ++i) text = absl::StrCat(open, text, close);
    return text;
  };
  ExpectTrue(nested(150, "(", ")") + " == 1");
  for (const auto& [open, close] : std::vector<std::pair<std::string, std::string>>{{"(", ")"},
                                                                                    {"[", "]"},
                                                                                    {"{1:", "}"},
                                                                                    {"-", ""},
                                                                                    {"1 + ", ""},
                                                                                    {"", " + 1"},
                                                                                    {"true ? 1 : ", ""},
                                                                                    {"size(", ")"},
                                                                                    {"", ".a"},
                                                                                    {"", "[0]"}}) {
    EXPECT_THAT(std::string(Parse(nested(5000, open, close)).status().message()), HasSubstr("levels deep"))
        << open << close;
  }
  // Chains of && and || are flat, so that a rule can list many cases.
  std::string chain = "false";
  for (int i = 0; i < 5000; ++i) absl::StrAppend(&chain, " || false");
  ExpectTrue("!(" + chain + ")");
  EXPECT_THAT(std::string(Parse(std::string(kMaxExpressionLength + 1, ' ')).status().message()),
              HasSubstr("at most 100000"));
}

}  // namespace
}  // namespace xpu::cel
