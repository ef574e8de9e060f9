// Conversions between types, type() and size() (cel-spec, "Standard Definitions").
#include <charconv>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/cel/functions.h"
#include "common/cel/text.h"

namespace xpu::cel {
namespace {

using Result = absl::StatusOr<Value>;

Result Same(const Call& call) { return call.args[0]; }

absl::Status CannotBe(const Call& call, absl::string_view type) {
  return BadArgument(absl::StrCat(call.args[0].ToString(), " cannot be converted to ", type));
}

Result UintToInt(const Call& call) {
  const uint64_t number = *call.args[0].As<uint64_t>();
  if (number > static_cast<uint64_t>(INT64_MAX)) return CannotBe(call, "int: integer overflow");
  return Value(static_cast<int64_t>(number));
}

Result DoubleToInt(const Call& call) {
  const double number = *call.args[0].As<double>();
  if (!(number > -9223372036854775808.0 && number < 9223372036854775808.0)) {
    return CannotBe(call, "int: integer overflow");
  }
  return Value(static_cast<int64_t>(number));
}

template <class T>
bool ReadAll(absl::string_view text, T* out) {
  if (!text.empty() && text[0] == '+') text.remove_prefix(1);
  if (text.empty() || (text[0] != '-' && !absl::ascii_isdigit(text[0]))) return false;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), *out);
  return read.ec == std::errc() && read.ptr == text.data() + text.size();
}

Result StringToInt(const Call& call) {
  int64_t number = 0;
  if (!ReadAll(call.text(0), &number)) return CannotBe(call, "int");
  return Value(number);
}

Result TimestampToInt(const Call& call) { return Value(absl::ToUnixSeconds(*call.args[0].As<absl::Time>())); }

Result IntToUint(const Call& call) {
  if (call.integer(0) < 0) return CannotBe(call, "uint: unsigned integer overflow");
  return Value(static_cast<uint64_t>(call.integer(0)));
}

Result DoubleToUint(const Call& call) {
  const double number = *call.args[0].As<double>();
  if (!(number >= 0 && number < 18446744073709551616.0))
    return CannotBe(call, "uint: unsigned integer overflow");
  return Value(static_cast<uint64_t>(number));
}

Result StringToUint(const Call& call) {
  uint64_t number = 0;
  if (call.text(0).substr(0, 1) == "-" || !ReadAll(call.text(0), &number)) return CannotBe(call, "uint");
  return Value(number);
}

Result IntToDouble(const Call& call) { return Value(static_cast<double>(call.integer(0))); }
Result UintToDouble(const Call& call) { return Value(static_cast<double>(*call.args[0].As<uint64_t>())); }

Result StringToDouble(const Call& call) {
  const absl::string_view text = call.text(0);
  double number = 0;
  if (text.empty() || absl::ascii_isspace(text.front()) || absl::ascii_isspace(text.back()) ||
      !absl::SimpleAtod(text, &number)) {
    return CannotBe(call, "double");
  }
  return Value(number);
}

Result StringToBool(const Call& call) {
  for (const absl::string_view yes : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (call.text(0) == yes) return Value(true);
  }
  for (const absl::string_view no : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (call.text(0) == no) return Value(false);
  }
  return CannotBe(call, "bool");
}

Result BoolToString(const Call& call) { return Value::String(call.args[0].as_bool() ? "true" : "false"); }
Result IntToString(const Call& call) { return Value::String(absl::StrCat(call.integer(0))); }
Result UintToString(const Call& call) { return Value::String(absl::StrCat(*call.args[0].As<uint64_t>())); }
Result DoubleToString(const Call& call) { return Value::String(DoubleText(*call.args[0].As<double>())); }
Result TimestampToString(const Call& call) {
  return Value::String(TimestampText(*call.args[0].As<absl::Time>()));
}
Result DurationToString(const Call& call) {
  return Value::String(DurationText(*call.args[0].As<absl::Duration>()));
}

Result BytesToString(const Call& call) {
  const std::string& octets = *call.args[0].As<Value::Bytes>()->octets;
  if (!call.budget.SpendOnText(octets.size())) return Exhausted();
  if (!IsUtf8(octets)) return BadArgument("the bytes are not UTF-8 and cannot be converted to string");
  return Value::String(octets);
}

Result StringToBytes(const Call& call) {
  if (!call.budget.SpendOnText(call.text(0).size())) return Exhausted();
  return Value::OfBytes(std::string(call.text(0)));
}

Result StringToTimestamp(const Call& call) {
  const std::optional<absl::Time> time = ParseTimestamp(call.text(0));
  if (!time) return CannotBe(call, "timestamp: RFC 3339 is wanted, such as 2024-02-29T12:00:00Z");
  return Value(*time);
}

Result IntToTimestamp(const Call& call) {
  const absl::Time time = absl::FromUnixSeconds(call.integer(0));
  if (!IsTimestampInRange(time)) return CannotBe(call, "timestamp: timestamp overflow");
  return Value(time);
}

Result StringToDuration(const Call& call) {
  const std::optional<absl::Duration> duration = ParseGoDuration(call.text(0));
  if (!duration) return CannotBe(call, "duration, which is written 1h30m or 1.5s");
  return Value(*duration);
}

Result TypeOf(const Call& call) { return Value(call.args[0].type()); }

Result SizeOfString(const Call& call) {
  if (!call.budget.SpendOnText(call.text(0).size())) return Exhausted();
  return Value(static_cast<int64_t>(CodePoints(call.text(0))));
}
Result SizeOfBytes(const Call& call) {
  return Value(static_cast<int64_t>(call.args[0].As<Value::Bytes>()->octets->size()));
}
Result SizeOfList(const Call& call) { return Value(static_cast<int64_t>(call.list(0).size())); }
Result SizeOfMap(const Call& call) { return Value(static_cast<int64_t>(call.args[0].map().size())); }

}  // namespace

void AddConversions(Library* library) {
  for (const char* type : {"int", "uint", "double", "bool", "string", "bytes", "timestamp", "duration"}) {
    library->Add(absl::StrCat(type, "(", type, ") -> ", type), Same);
  }
  library->Add("int(uint) -> int", UintToInt);
  library->Add("int(double) -> int", DoubleToInt);
  library->Add("int(string) -> int", StringToInt);
  library->Add("int(timestamp) -> int", TimestampToInt);
  library->Add("uint(int) -> uint", IntToUint);
  library->Add("uint(double) -> uint", DoubleToUint);
  library->Add("uint(string) -> uint", StringToUint);
  library->Add("double(int) -> double", IntToDouble);
  library->Add("double(uint) -> double", UintToDouble);
  library->Add("double(string) -> double", StringToDouble);
  library->Add("bool(string) -> bool", StringToBool);
  library->Add("string(bool) -> string", BoolToString);
  library->Add("string(int) -> string", IntToString);
  library->Add("string(uint) -> string", UintToString);
  library->Add("string(double) -> string", DoubleToString);
  library->Add("string(bytes) -> string", BytesToString);
  library->Add("string(timestamp) -> string", TimestampToString);
  library->Add("string(duration) -> string", DurationToString);
  library->Add("bytes(string) -> bytes", StringToBytes);
  library->Add("timestamp(string) -> timestamp", StringToTimestamp);
  library->Add("timestamp(int) -> timestamp", IntToTimestamp);
  library->Add("duration(string) -> duration", StringToDuration);
  library->Add("dyn(A) -> dyn", Same);
  library->Add("type(A) -> type", TypeOf);
  for (const char* signature : {"size(string) -> int", "string.size() -> int"})
    library->Add(signature, SizeOfString);
  for (const char* signature : {"size(bytes) -> int", "bytes.size() -> int"})
    library->Add(signature, SizeOfBytes);
  for (const char* signature : {"size(list(A)) -> int", "list(A).size() -> int"})
    library->Add(signature, SizeOfList);
  for (const char* signature : {"size(map(A, B)) -> int", "map(A, B).size() -> int"})
    library->Add(signature, SizeOfMap);
}

}  // namespace xpu::cel
