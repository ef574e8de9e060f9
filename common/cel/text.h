#pragma once

// Text as CEL writes and counts it; for the files of this folder.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace xpu::cel {

// Octets of the code point that begins at `at` (< text.size()); 1 for what is no UTF-8.
size_t CodePointLength(absl::string_view text, size_t at);
// The code point that begins at `at`; U+FFFD for what is no UTF-8.
uint32_t CodePointAt(absl::string_view text, size_t at);
void AppendCodePoint(uint32_t code_point, std::string* out);
bool IsUtf8(absl::string_view text);
// The octet at which code point `index` begins; text.size() for the one after the last, nothing beyond.
std::optional<size_t> OctetOf(absl::string_view text, int64_t index);

// The shortest digits that are this double again: "1.5", "3", "1e+21", "NaN", "Infinity".
std::string DoubleText(double number);
// RFC 3339 in UTC, with as many digits of the second as there are.
std::string TimestampText(absl::Time time);
// Seconds: "3600s", "1.5s".
std::string DurationText(absl::Duration duration);
// RFC 3339; nothing for what is none or outside of the years 1 to 9999.
std::optional<absl::Time> ParseTimestamp(absl::string_view text);
// A date alone, as RFC 3339 writes it: the moment at which it begins in UTC.
std::optional<absl::Time> ParseDate(absl::string_view text);
// As Go writes durations: "1h30m", "-1.5s", "100ms"; nothing for what is none, or does not fit into 64 bits
// of ns.
std::optional<absl::Duration> ParseGoDuration(absl::string_view text);
bool IsTimestampInRange(absl::Time time);
bool IsDurationInRange(absl::Duration duration);

}  // namespace xpu::cel
