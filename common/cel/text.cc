#include "common/cel/text.h"

#include <charconv>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace xpu::cel {
namespace {

// No timestamp or duration that means anything is longer.
constexpr size_t kMaxTimeText = 100;

// Length and value of the code point at `at`, or length 0 if there is none.
struct CodePoint {
  size_t length = 0;
  uint32_t value = 0;
};

CodePoint Decode(absl::string_view text, size_t at) {
  const auto octet = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = octet(at);
  if (first < 0x80) return {1, first};
  size_t length = 0;
  uint32_t value = 0;
  if (first >= 0xc2 && first < 0xe0) {
    length = 2;
    value = first & 0x1f;
  } else if (first >= 0xe0 && first < 0xf0) {
    length = 3;
    value = first & 0x0f;
  } else if (first >= 0xf0 && first < 0xf5) {
    length = 4;
    value = first & 0x07;
  } else {
    return {};
  }
  if (text.size() - at < length) return {};
  for (size_t i = 1; i < length; ++i) {
    if ((octet(at + i) & 0xc0) != 0x80) return {};
    value = value << 6 | (octet(at + i) & 0x3f);
  }
  const bool overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
  if (overlong || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return {};
  return {length, value};
}

}  // namespace

size_t CodePointLength(absl::string_view text, size_t at) {
  const CodePoint found = Decode(text, at);
  return found.length == 0 ? 1 : found.length;
}

uint32_t CodePointAt(absl::string_view text, size_t at) {
  const CodePoint found = Decode(text, at);
  return found.length == 0 ? 0xfffd : found.value;
}

bool IsUtf8(absl::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const CodePoint found = Decode(text, i);
    if (found.length == 0) return false;
    i += found.length;
  }
  return true;
}

void AppendCodePoint(uint32_t code_point, std::string* out) {
  const auto add = [out](uint32_t octet) { out->push_back(static_cast<char>(octet)); };
  if (code_point < 0x80) {
    add(code_point);
  } else if (code_point < 0x800) {
    add(0xc0 | code_point >> 6);
    add(0x80 | (code_point & 0x3f));
  } else if (code_point < 0x10000) {
    add(0xe0 | code_point >> 12);
    add(0x80 | (code_point >> 6 & 0x3f));
    add(0x80 | (code_point & 0x3f));
  } else {
    add(0xf0 | code_point >> 18);
    add(0x80 | (code_point >> 12 & 0x3f));
    add(0x80 | (code_point >> 6 & 0x3f));
    add(0x80 | (code_point & 0x3f));
  }
}

std::optional<size_t> OctetOf(absl::string_view text, int64_t index) {
  if (index < 0) return std::nullopt;
  size_t at = 0;
  for (; index > 0; --index) {
    if (at >= text.size()) return std::nullopt;
    at += CodePointLength(text, at);
  }
  return at;
}

std::string DoubleText(double number) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
  char digits[512];
  const int exponent = number == 0 ? 0 : static_cast<int>(std::floor(std::log10(std::fabs(number))));
  const bool scientific = exponent < -4 || exponent >= 21;
  const std::to_chars_result end =
      std::to_chars(digits, digits + sizeof digits, number,
                    scientific ? std::chars_format::scientific : std::chars_format::fixed);
  return std::string(digits, end.ptr);
}

std::string TimestampText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d%ET%H:%M:%E*SZ", time, absl::UTCTimeZone());
}

std::string DurationText(absl::Duration duration) {
  const int64_t all = absl::ToInt64Nanoseconds(duration);
  const bool negative = all < 0;
  const uint64_t ns = negative ? 0 - static_cast<uint64_t>(all) : static_cast<uint64_t>(all);
  std::string out = absl::StrCat(negative ? "-" : "", ns / 1000000000);
  if (const uint64_t rest = ns % 1000000000; rest != 0) {
    std::string digits = absl::StrCat(rest);
    digits.insert(0, 9 - digits.size(), '0');
    while (digits.back() == '0') digits.pop_back();
    absl::StrAppend(&out, ".", digits);
  }
  return out + "s";
}

bool IsTimestampInRange(absl::Time time) {
  static const absl::Time first = absl::FromCivil(absl::CivilSecond(1, 1, 1), absl::UTCTimeZone());
  static const absl::Time end = absl::FromCivil(absl::CivilSecond(10000, 1, 1), absl::UTCTimeZone());
  return time >= first && time < end;
}

bool IsDurationInRange(absl::Duration duration) {
  return duration <= absl::Nanoseconds(INT64_MAX) && duration >= absl::Nanoseconds(INT64_MIN);
}

std::optional<absl::Time> ParseTimestamp(absl::string_view text) {
  absl::Time time;
  if (text.empty() || text.size() > kMaxTimeText || !absl::ascii_isdigit(text.front()) ||
      absl::ascii_isspace(text.back()) || !absl::ParseTime(absl::RFC3339_full, text, &time, nullptr) ||
      !IsTimestampInRange(time)) {
    return std::nullopt;
  }
  return time;
}

std::optional<absl::Time> ParseDate(absl::string_view text) {
  // As long as "2024-02-29".
  if (text.size() != 10) return std::nullopt;
  return ParseTimestamp(absl::StrCat(text, "T00:00:00Z"));
}

std::optional<absl::Duration> ParseGoDuration(absl::string_view text) {
  if (text.size() > kMaxTimeText) return std::nullopt;
  const std::string plain = absl::StrReplaceAll(text, {{"\u00b5s", "us"}, {"\u03bcs", "us"}});
  for (const char c : plain) {
    if (!absl::ascii_isalnum(c) && c != '.' && c != '-' && c != '+') return std::nullopt;
  }
  absl::Duration duration;
  if (plain.find("inf") != std::string::npos || !absl::ParseDuration(plain, &duration) ||
      !IsDurationInRange(duration)) {
    return std::nullopt;
  }
  return duration;
}

}  // namespace xpu::cel
