// The language itself: operators, macros, conversions and CEL's standard functions, by the specification's
// words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/cel/expression_testing.h"

namespace xpu::cel {
namespace {

TEST(CelEvaluationTest, Arithmetic) {
  for (const char* text : {
           "7 / 2 == 3 && -7 / 2 == -3 && 7 % 3 == 1 && -7 % 3 == -1",
           "7u / 2u == 3u && 7u % 2u == 1u && 3u * 2u == 6u && 3u - 2u == 1u && 1u + 2u == 3u",
           "1.5 + 1.5 == 3.0 && 7.0 / 2.0 == 3.5 && 1.5 * 2.0 == 3.0 && 1.0 - 2.5 == -1.5",
           "1.0 / 0.0 > 1e308 && -1.0 / 0.0 < -1e308 && !(0.0 / 0.0 == 0.0 / 0.0)",
           "-(5) == -5 && -(-2.5) == 2.5",
           "'a' + 'b' == 'ab' && b'a' + b'b' == b'ab' && [1] + [2, 3] == [1, 2, 3] && [] + [1] == [1]",
       }) {
    ExpectTrue(text);
  }
  for (const Failure& failure : std::vector<Failure>{
           {"9223372036854775807 + 1 > 0", "integer overflow"},
           {"-9223372036854775808 - 1 > 0", "integer overflow"},
           {"9223372036854775807 * 2 > 0", "integer overflow"},
           {"-9223372036854775808 / -1 > 0", "integer overflow"},
           {"-9223372036854775808 % -1 > 0", "integer overflow"},
           {"-(-9223372036854775808) > 0", "integer overflow"},
           {"18446744073709551615u + 1u > 0u", "unsigned integer overflow"},
           {"0u - 1u > 0u", "unsigned integer overflow"},
           {"18446744073709551615u * 2u > 0u", "unsigned integer overflow"},
           {"1 / 0 == 0", "division by zero"},
           {"1 % 0 == 0", "modulus by zero"},
           {"1u / 0u == 0u", "division by zero"},
           {"1u % 0u == 0u", "modulus by zero"},
           {"dyn(1) + dyn('a') == dyn(1)", "no such overload: _+_(int, string)"},
           {"dyn(1) + 1.0 == 2.0", "no such overload"},
       }) {
    ExpectFails(failure.text, failure.message);
  }
}

TEST(CelEvaluationTest, NothingIsConvertedSilently) {
  for (const Failure& failure : std::vector<Failure>{
           {"1 + 1.0", "at 1:3: there is no + for (int, double)"},
           {"1 + 1u", "there is no + for (int, uint)"},
           {"1 == 1.0", "there is no == for (int, double)"},
           {"'1' == 1", "there is no == for (string, int)"},
           {"1 in ['a']", "there is no in for (int, list(string))"},
           {"-1u", "there is no - for (uint)"},
           {"-'a'", "there is no - for (string)"},
           {"!1", "there is no ! for (int)"},
           {"1 && true", "&& needs a bool here, not int"},
           {"true || 'a'", "|| needs a bool"},
           {"1 ? 2 : 3", "?: needs a bool"},
           {"true ? 1 : 'a'", "must have one type, not int and string"},
           {"[1, 'a']", "elements of a list must have one type"},
           {"{1: 'a', 'b': 'c'}", "keys of a map must have one type"},
           {"{'a': 1, 'b': 'c'}", "values of a map must have one type"},
           {"{1.5: 1}", "keys of a map are bool, int, uint or string"},
           {"[1]['a']", "a list(int) cannot be indexed by string"},
           {"{'a': 1}[1]", "cannot be indexed by int"},
           {"'abc'[0]", "a string cannot be indexed"},
           {"1.size()", "there is no size() for int"},
           {"'a'.b", "a string has no field 'b'"},
           {"'a' > 1", "there is no > for (string, int)"},
           {"[1] < [2]", "there is no < for"},
           {"nosuch(1)", "there is no function nosuch()"},
           {"'a'.nosuch()", "there is no function nosuch()"},
           {"nosuch", "there is no 'nosuch' here"},
           {"size()", "there is size(string)"},
           {"1 == null", "there is no == for (int, null)"},
       }) {
    ExpectRefused(failure.text, failure.message);
  }
}

TEST(CelEvaluationTest, EqualityAndOrder) {
  for (const char* text : {
           "1 == 1 && 1 != 2 && 'a' == 'a' && b'a' != b'b' && true == true && 1.0 == 1.0 && 1u == 1u",
           "[1, 2] == [1, 2] && [1, 2] != [2, 1] && [[1]] == [[1]] && [] == []",
           "{'a': 1, 'b': 2} == {'b': 2, 'a': 1} && {'a': 1} != {'a': 2} && {'a': 1} != {'b': 1}",
           "dyn(1) == dyn(1.0) && dyn(1u) == dyn(1) && dyn(1.5) != dyn(1) && dyn('1') != dyn(1)",
           "dyn(null) != dyn(0)",
           "[dyn(1)] == [dyn(1.0)]",
           "1 < 2 && 2 <= 2 && 3 > 2 && 3 >= 3 && !(1 < 1)",
           "1 < 1.5 && 1u < 2 && 2.5 > 2u && 2 >= 2.0 && -1 < 0u",
           "9223372036854775807 < 9223372036854775808u",
           "9223372036854775807 < 9223372036854775808.0",
           "!(9223372036854775807 == int(9223372036854774784.0))",
           "'a' < 'b' && 'A' < 'a' && 'ab' > 'a' && b'a' < b'b' && false < true",
           "!(0.0 / 0.0 < 1.0) && !(0.0 / 0.0 >= 1.0)",
           "timestamp('2024-01-01T00:00:00Z') < timestamp('2024-01-01T01:00:00+00:30')",
           "duration('1h') == duration('60m') && duration('1h') > duration('59m')",
           "1 in [1, 2] && !(3 in [1, 2]) && 'a' in {'a': 1} && !('b' in {'a': 1}) && dyn(1.0) in [1]",
       }) {
    ExpectTrue(text);
  }
}

TEST(CelEvaluationTest, ErrorsAreSwallowedByWhatDecides) {
  for (const char* text : {
           "true || 1 / 0 == 0",
           "1 / 0 == 0 || true",
           "!(false && 1 / 0 == 0)",
           "!(1 / 0 == 0 && false)",
           "1 / 0 == 0 || 2 / 0 == 0 || true",
           "dyn('a') || true",
           "true ? true : 1 / 0 == 0",
           "false ? 1 / 0 == 0 : true",
           "[0, 1].exists(x, 1 / x == 1)",
           "![0, 2].all(x, 1 / x == 1)",
       }) {
    ExpectTrue(text);
  }
  for (const Failure& failure : std::vector<Failure>{
           {"false || 1 / 0 == 0", "division by zero"},
           {"1 / 0 == 0 && true", "division by zero"},
           {"dyn('a') && true", "a bool is needed, not string"},
           {"[0, 1].all(x, 1 / x == 1)", "division by zero"},
           {"[0, 2].exists(x, 1 / x == 1)", "division by zero"},
           {"[0, 1].exists_one(x, 1 / x == 1)", "division by zero"},
           {"[0, 1].filter(x, 1 / x == 1) == [1]", "division by zero"},
           {"[0, 1].map(x, 1 / x) == [1]", "division by zero"},
           {"dyn(1) ? true : false", "a bool is needed"},
       }) {
    ExpectFails(failure.text, failure.message);
  }
}

TEST(CelEvaluationTest, Macros) {
  for (const char* text : {
           "[1, 2, 3].all(x, x > 0) && ![1, 2, 3].all(x, x > 1) && [].all(x, x > 1)",
           "[1, 2, 3].exists(x, x == 2) && ![1, 2].exists(x, x == 3) && ![].exists(x, true)",
           "[1, 2, 3].exists_one(x, x > 2) && ![1, 2, 3].exists_one(x, x > 1) && [7].existsOne(x, x == 7)",
           "[1, 2, 3].map(x, x * 2) == [2, 4, 6] && [1, 2, 3].map(x, x > 1, x * 2) == [4, 6]",
           "[1, 2, 3].filter(x, x > 1) == [2, 3]",
           "{'a': 1, 'b': 2}.all(k, k in ['a', 'b']) && {'a': 1, 'b': 2}.map(k, k) == ['a', 'b']",
           "{'a': 1, 'b': 2}.exists(k, k == 'b') && {'a': 1}.filter(k, true) == ['a']",
           "[1, 2].all(x, [3, 4].all(y, x < y)) && [[1], [2]].all(x, x.exists(x, x > 0))",
           "[1, 2].all(x, [x].all(y, y == x) && x > 0)",
           "[1, 2].map(x, [3].map(y, x + y)) == [[4], [5]]",
           "has({'a': 1}.a) && !has({'a': 1}.b) && has(dyn({'a': 1}).a)",
           "{'a': {'b': 1}}.all(k, has({'a': 1}.a))",
       }) {
    ExpectTrue(text);
  }
  ExpectRefused("1.all(x, true)", "all() needs a list or a map, not int");
  ExpectRefused("[1].all(x, x)", "all() needs a bool here, not int");
  ExpectRefused("[1].all(x, y)", "there is no 'y' here, but x");
  ExpectRefused("[1].all(x, true) && x == 1", "there is no 'x'");
  ExpectFails("dyn(1).all(x, true)", "no such overload");
}

TEST(CelEvaluationTest, PartsOfListsAndMaps) {
  for (const char* text : {
           "[1, 2, 3][0] == 1 && [[1], [2]][1][0] == 2",
           "{'a': 1}['a'] == 1 && {1: 'x'}[1] == 'x' && {true: 2}[true] == 2 && {2u: 3}[2u] == 3",
           "dyn({1: 'x'})[dyn(1.0)] == 'x' && dyn([5])[dyn(0u)] == 5",
           "{'a': 1}.a == 1",
       }) {
    ExpectTrue(text);
  }
  for (const Failure& failure : std::vector<Failure>{
           {"[1][1] == 1", "index out of bounds: 1 of 1"},
           {"[1][-1] == 1", "index out of bounds"},
           {"{'a': 1}['b'] == 1", "no such key: b"},
           {"{'a': 1}.b == 1", "no such key: b"},
           {"dyn(1).a == 1", "no such overload: a int has no 'a'"},
           {"dyn([1])['a'] == 1", "a list cannot be indexed by 'a'"},
           {"{dyn(1): 1, dyn(1.5): 2} == {}", "keys of a map are"},
           {"{'a': 1, 'a': 2}.a == 1", "the key 'a' twice"},
       }) {
    ExpectFails(failure.text, failure.message);
  }
}

TEST(CelEvaluationTest, Conversions) {
  for (const char* text : {
           "int(1u) == 1 && int(-1.9) == -1 && int('-12') == -12 && int(5) == 5",
           "int(timestamp('1970-01-01T00:01:00Z')) == 60",
           "uint(1) == 1u && uint(2.9) == 2u && uint('7') == 7u",
           "double(1) == 1.0 && double(2u) == 2.0 && double('1.5e1') == 15.0",
           "bool('true') && !bool('False') && bool('1') && bool(true)",
           "string(1) == '1' && string(2u) == '2' && string(1.5) == '1.5' && string(true) == 'true'",
           "string(3.0) == '3' && string(1e21) == '1e+21' && string(1e20) == '100000000000000000000'",
           "string(0.00001) == '1e-05' && string(b'ab') == 'ab' && string('s') == 's'",
           "string(timestamp('2024-02-03T04:05:06.5+01:00')) == '2024-02-03T03:05:06.5Z'",
           "string(duration('1h1.5s')) == '3601.5s' && string(duration('-90s')) == '-90s'",
           "bytes('ü') == b'\\303\\274' && bytes(b'a') == b'a'",
           "timestamp(60) == timestamp('1970-01-01T00:01:00Z')",
           "duration('100ms') == duration('0.1s') && duration(duration('1s')) == duration('1s')",
           "dyn(1) == 1",
           "type(1) == int && type(1u) == uint && type(1.0) == double && type('a') == string",
           "type(true) == bool",
           "type(b'') == bytes && type([]) == list && type({}) == map && type(null) == null_type",
           "type(int) == type && type(type(1)) == type(string) && type(1) != string",
           "type(timestamp(0)) == google.protobuf.Timestamp",
           "type(duration('1s')) == google.protobuf.Duration",
           "size('😀') == 1 && size([1, 2]) == 2 && size({'a': 1}) == 1 && size(b'abc') == 3",
           "'ab'.size() == 2",
       }) {
    ExpectTrue(text);
  }
  for (const Failure& failure : std::vector<Failure>{
           {"int('1.5') == 1", "cannot be converted to int"},
           {"int(' 1') == 1", "cannot be converted to int"},
           {"int('9223372036854775808') == 1", "cannot be converted to int"},
           {"int(9223372036854775808u) == 1", "integer overflow"},
           {"int(1e19) == 1", "integer overflow"},
           {"int(0.0 / 0.0) == 1", "integer overflow"},
           {"uint(-1) == 1u", "unsigned integer overflow"},
           {"uint('-1') == 1u", "cannot be converted to uint"},
           {"uint(-0.5) == 0u", "unsigned integer overflow"},
           {"double('x') == 1.0", "cannot be converted to double"},
           {"bool('yes')", "cannot be converted to bool"},
           {"string(b'\\xff') == ''", "not UTF-8"},
           {"timestamp('2024-02-30T00:00:00Z') == timestamp(0)", "RFC 3339"},
           {"timestamp('now') == timestamp(0)", "RFC 3339"},
           {"timestamp(999999999999) == timestamp(0)", "timestamp overflow"},
           {"duration('1 h') == duration('1h')", "cannot be converted to duration"},
           {"duration('inf') == duration('1h')", "cannot be converted to duration"},
           {"duration('') == duration('1h')", "cannot be converted to duration"},
           {"duration('3000000h') == duration('1h')", "cannot be converted to duration"},
       }) {
    ExpectFails(failure.text, failure.message);
  }
}

TEST(CelEvaluationTest, Times) {
  for (const char* text : {
           "timestamp('2024-02-29T13:14:15.678Z').getFullYear() == 2024",
           "timestamp('2024-02-29T13:14:15.678Z').getMonth() == 1",
           "timestamp('2024-02-29T13:14:15.678Z').getDayOfMonth() == 28",
           "timestamp('2024-02-29T13:14:15.678Z').getDate() == 29",
           "timestamp('2024-02-29T13:14:15.678Z').getDayOfYear() == 59",
           "timestamp('2024-02-29T13:14:15.678Z').getDayOfWeek() == 4",
           "timestamp('2024-03-03T00:00:00Z').getDayOfWeek() == 0",
           "timestamp('2024-02-29T13:14:15.678Z').getHours() == 13",
           "timestamp('2024-02-29T13:14:15.678Z').getMinutes() == 14",
           "timestamp('2024-02-29T13:14:15.678Z').getSeconds() == 15",
           "timestamp('2024-02-29T13:14:15.678Z').getMilliseconds() == 678",
           "timestamp('2024-02-29T23:30:00Z').getHours('+02:00') == 1",
           "timestamp('2024-02-29T23:30:00Z').getDate('+02:00') == 1",
           "timestamp('2024-02-29T01:30:00Z').getHours('-02:30') == 23",
           "timestamp('2024-02-29T01:30:00Z').getMinutes('UTC') == 30",
           "duration('90m').getHours() == 1 && duration('90m').getMinutes() == 90",
           "duration('1m1.5s').getSeconds() == 61 && duration('1m1.5s').getMilliseconds() == 61500",
           "timestamp('2024-01-01T00:00:00Z') + duration('24h') == timestamp('2024-01-02T00:00:00Z')",
           "duration('1h') + timestamp('2024-01-01T00:00:00Z') > timestamp('2024-01-01T00:59:59Z')",
           "timestamp('2024-01-02T00:00:00Z') - timestamp('2024-01-01T00:00:00Z') == duration('24h')",
           "timestamp('2024-01-02T00:00:00Z') - duration('24h') == timestamp('2024-01-01T00:00:00Z')",
           "duration('1h') + duration('1m') == duration('61m')",
           "duration('1h') - duration('1m') == duration('59m')",
           "duration('-1.5s') < duration('0s') && duration('1us') == duration('1000ns')",
       }) {
    ExpectTrue(text);
  }
  for (const Failure& failure : std::vector<Failure>{
           {"timestamp('9999-12-31T23:59:59Z') + duration('1s') > timestamp(0)", "timestamp overflow"},
           {"timestamp('0001-01-01T00:00:00Z') - duration('1s') < timestamp(0)", "timestamp overflow"},
           {"timestamp('9999-12-31T23:59:59Z') - timestamp('0001-01-01T00:00:00Z') > duration('1s')",
            "duration overflow"},
           {"duration('2500000h') + duration('2500000h') > duration('1s')", "duration overflow"},
           {"timestamp(0).getHours('Mars/Olympus') == 0", "there is no time zone"},
           {"timestamp(0).getHours('/etc/passwd') == 0", "there is no time zone"},
           {"timestamp(0).getHours('+25:00') == 0", "there is no time zone"},
       }) {
    ExpectFails(failure.text, failure.message);
  }
}

TEST(CelEvaluationTest, StringFunctionsOfTheStandard) {
  for (const char* text : {
           "'hello'.startsWith('he') && !'hello'.startsWith('lo') && ''.startsWith('')",
           "'hello'.endsWith('lo') && !'hello'.endsWith('he')",
           "'hello'.contains('ell') && !'hello'.contains('x') && 'a'.contains('')",
           "'hello'.matches('l+') && !'hello'.matches('^l+$') && matches('abc', '^[a-c]+$')",
           "dyn('hello').matches('^h' + '.*o$')",
       }) {
    ExpectTrue(text);
  }
  ExpectRefused("'a'.matches('(')", "at 1:13: '(' is no regular expression");
  ExpectFails("'a'.matches('(' + '')", "is no regular expression");
  ExpectRefused("'a'.startsWith(1)",
                "there is no startsWith() for string with (int); there is string.startsWith(string)");
}

}  // namespace
}  // namespace xpu::cel
