#include "common/api/yaml_scalar.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

namespace xpu::api {
namespace {

using nlohmann::json;

// A word in one of the three spellings that YAML 1.1 takes: word, Word, WORD.
bool IsWord(absl::string_view text, absl::string_view word) {
  if (!absl::EqualsIgnoreCase(text, word)) return false;
  bool rest_lower = std::all_of(text.begin() + 1, text.end(), absl::ascii_islower);
  bool all_upper = std::all_of(text.begin(), text.end(), absl::ascii_isupper);
  return rest_lower || all_upper;
}

bool IsDecimalFloat(absl::string_view text) {
  size_t i = 0;
  auto digits = [&] {
    size_t begin = i;
    while (i < text.size() && absl::ascii_isdigit(text[i])) ++i;
    return i > begin;
  };
  if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
  bool mantissa = digits();
  if (i < text.size() && text[i] == '.') {
    ++i;
    mantissa = digits() || mantissa;
  }
  if (!mantissa) return false;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
    if (!digits()) return false;
  }
  return i == text.size();
}

// Digits of `base` only, into `value`; false also on overflow.
bool ReadDigits(absl::string_view digits, int base, uint64_t* value) {
  if (digits.empty()) return false;
  *value = 0;
  for (char c : digits) {
    int digit = absl::ascii_isdigit(c)    ? c - '0'
                : absl::ascii_isxdigit(c) ? absl::ascii_tolower(c) - 'a' + 10
                                          : 99;
    if (digit >= base) return false;
    if (__builtin_mul_overflow(*value, static_cast<uint64_t>(base), value)) return false;
    if (__builtin_add_overflow(*value, static_cast<uint64_t>(digit), value)) return false;
  }
  return true;
}

// Null if `text` is no integer of 64 bits.
json ReadInteger(absl::string_view text) {
  bool negative = absl::ConsumePrefix(&text, "-");
  if (!negative) absl::ConsumePrefix(&text, "+");
  int base = 10;
  if (absl::ConsumePrefix(&text, "0x") || absl::ConsumePrefix(&text, "0X")) {
    base = 16;
  } else if (absl::ConsumePrefix(&text, "0b") || absl::ConsumePrefix(&text, "0B")) {
    base = 2;
  } else if (absl::ConsumePrefix(&text, "0o") || absl::ConsumePrefix(&text, "0O")) {
    base = 8;
  } else if (text.size() > 1 && text[0] == '0') {
    base = 8;
  }
  uint64_t value = 0;
  if (!ReadDigits(text, base, &value)) return nullptr;
  constexpr auto kMax = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (negative) {
    if (value > kMax + 1) return nullptr;
    return static_cast<int64_t>(~value + 1);
  }
  if (value <= kMax) return static_cast<int64_t>(value);
  return value;
}

}  // namespace

json ResolvePlainScalar(absl::string_view text) {
  if (text.empty() || text == "~" || IsWord(text, "null")) return nullptr;
  for (absl::string_view word : {"true", "yes", "on", "y"}) {
    if (IsWord(text, word)) return true;
  }
  for (absl::string_view word : {"false", "no", "off", "n"}) {
    if (IsWord(text, word)) return false;
  }
  if (!absl::ascii_isdigit(text[0]) && text[0] != '-' && text[0] != '+' && text[0] != '.')
    return std::string(text);
  std::string bare = absl::StrReplaceAll(text, {{"_", ""}});
  if (json integer = ReadInteger(bare); !integer.is_null()) return integer;
  double number = 0;
  if (IsDecimalFloat(bare) && absl::SimpleAtod(bare, &number) && std::isfinite(number)) return number;
  return std::string(text);
}

}  // namespace xpu::api
