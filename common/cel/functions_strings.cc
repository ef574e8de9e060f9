// Strings: CEL's own functions and the extended ones (cel-go's ext.Strings). Places are counted in code
// points.
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/cel/functions.h"
#include "common/cel/text.h"

namespace xpu::cel {
namespace {

using Result = absl::StatusOr<Value>;

// For what looks at all texts that are arguments.
bool SpendOnTexts(const Call& call) {
  uint64_t octets = 0;
  for (const Value& arg : call.args) {
    if (arg.As<Value::Text>() != nullptr) octets += arg.text().size();
  }
  return call.budget.SpendOnText(octets);
}

Result StartsWith(const Call& call) {
  if (!call.budget.SpendOnText(call.text(1).size())) return Exhausted();
  return Value(absl::StartsWith(call.text(0), call.text(1)));
}
Result EndsWith(const Call& call) {
  if (!call.budget.SpendOnText(call.text(1).size())) return Exhausted();
  return Value(absl::EndsWith(call.text(0), call.text(1)));
}

// A search may compare everywhere.
bool SpendOnSearch(const Call& call) {
  return SpendOnTexts(call) && call.budget.Spend(call.text(0).size() / 10 * (call.text(1).size() / 10));
}

Result Contains(const Call& call) {
  if (!SpendOnSearch(call)) return Exhausted();
  return Value(absl::StrContains(call.text(0), call.text(1)));
}

absl::Status OutOfRange(int64_t index) { return BadArgument(absl::StrCat("index out of range: ", index)); }

Result CharAt(const Call& call) {
  if (!SpendOnTexts(call)) return Exhausted();
  const absl::string_view text = call.text(0);
  const std::optional<size_t> at = OctetOf(text, call.integer(1));
  if (!at) return OutOfRange(call.integer(1));
  if (*at == text.size()) return Value::String("");
  return Value::String(std::string(text.substr(*at, CodePointLength(text, *at))));
}

// The place of an octet as an int; -1 for npos.
Result Place(absl::string_view text, size_t octet) {
  if (octet == absl::string_view::npos) return Value(int64_t{-1});
  return Value(static_cast<int64_t>(CodePoints(text.substr(0, octet))));
}

Result IndexOfString(const Call& call) {
  if (!SpendOnSearch(call)) return Exhausted();
  std::optional<size_t> from = 0;
  if (call.args.size() > 2) from = OctetOf(call.text(0), call.integer(2));
  if (!from) return OutOfRange(call.integer(2));
  return Place(call.text(0), call.text(0).find(call.text(1), *from));
}

Result LastIndexOfString(const Call& call) {
  if (!SpendOnSearch(call)) return Exhausted();
  const absl::string_view text = call.text(0);
  std::optional<size_t> from = text.size();
  if (call.args.size() > 2) from = OctetOf(text, call.integer(2));
  if (!from) return OutOfRange(call.integer(2));
  return Place(text, text.rfind(call.text(1), *from));
}

Result LowerAscii(const Call& call) {
  if (!SpendOnTexts(call)) return Exhausted();
  return Value::String(absl::AsciiStrToLower(call.text(0)));
}
Result UpperAscii(const Call& call) {
  if (!SpendOnTexts(call)) return Exhausted();
  return Value::String(absl::AsciiStrToUpper(call.text(0)));
}

// Whitespace of Unicode.
bool IsBlank(uint32_t c) {
  return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

Result Trim(const Call& call) {
  if (!SpendOnTexts(call)) return Exhausted();
  const absl::string_view text = call.text(0);
  size_t begin = text.size(), end = 0;
  for (size_t i = 0; i < text.size(); i += CodePointLength(text, i)) {
    if (IsBlank(CodePointAt(text, i))) continue;
    begin = std::min(begin, i);
    end = i + CodePointLength(text, i);
  }
  if (begin >= end) return Value::String("");
  return Value::String(std::string(text.substr(begin, end - begin)));
}

Result Substring(const Call& call) {
  if (!SpendOnTexts(call)) return Exhausted();
  const absl::string_view text = call.text(0);
  const std::optional<size_t> begin = OctetOf(text, call.integer(1));
  if (!begin) return OutOfRange(call.integer(1));
  std::optional<size_t> end = text.size();
  if (call.args.size() > 2) end = OctetOf(text, call.integer(2));
  if (!end) return OutOfRange(call.integer(2));
  if (*end < *begin) {
    return BadArgument(
        absl::StrCat("invalid substring range: ", call.integer(1), " is behind ", call.integer(2)));
  }
  return Value::String(std::string(text.substr(*begin, *end - *begin)));
}

// The next place of `what` from `from` on; an empty one is between all characters.
size_t NextPlace(absl::string_view text, absl::string_view what, size_t from, bool first) {
  if (!what.empty()) return text.find(what, from);
  if (first) return from;
  return from < text.size() ? from + CodePointLength(text, from) : absl::string_view::npos;
}

Result Replace(const Call& call) {
  if (!SpendOnSearch(call)) return Exhausted();
  const absl::string_view text = call.text(0), what = call.text(1), with = call.text(2);
  int64_t left = call.args.size() > 3 ? call.integer(3) : -1;
  std::string out;
  size_t copied = 0, from = 0;
  for (bool first = true; left != 0; first = false, --left) {
    const size_t place = NextPlace(text, what, from, first);
    if (place == absl::string_view::npos) break;
    if (!call.budget.SpendOnText(with.size())) return Exhausted();
    absl::StrAppend(&out, text.substr(copied, place - copied), with);
    copied = place + what.size();
    from = copied;
  }
  absl::StrAppend(&out, text.substr(copied));
  return Value::String(std::move(out));
}

Result Split(const Call& call) {
  if (!SpendOnSearch(call)) return Exhausted();
  const absl::string_view text = call.text(0), separator = call.text(1);
  const int64_t limit = call.args.size() > 2 ? call.integer(2) : -1;
  std::vector<Value> parts;
  if (limit == 0) return Value::OfList({});
  size_t from = 0;
  while (limit < 0 || static_cast<int64_t>(parts.size()) + 1 < limit) {
    if (!call.budget.Spend(1)) return Exhausted();
    size_t place = absl::string_view::npos;
    if (!separator.empty()) {
      place = text.find(separator, from);
    } else if (from < text.size()) {
      place = from + CodePointLength(text, from);
      if (place == text.size()) place = absl::string_view::npos;
    }
    if (place == absl::string_view::npos) break;
    parts.push_back(Value::String(std::string(text.substr(from, place - from))));
    from = place + separator.size();
  }
  // An empty separator leaves nothing of an empty string.
  if (!(separator.empty() && text.empty())) parts.push_back(Value::String(std::string(text.substr(from))));
  return Value::OfList(std::move(parts));
}

Result JoinTexts(const Call& call) {
  const absl::string_view separator = call.args.size() > 1 ? call.text(1) : "";
  std::string out;
  for (size_t i = 0; i < call.list(0).size(); ++i) {
    XPU_ASSIGN_OR_RETURN(const Value element, call.list(0).at(i));
    if (element.As<Value::Text>() == nullptr) {
      return BadArgument(absl::StrCat("no such overload: join() needs strings, not ", element.ToString()));
    }
    if (!call.budget.SpendOnText(separator.size() + element.text().size())) return Exhausted();
    absl::StrAppend(&out, i == 0 ? "" : separator, element.text());
  }
  return Value::String(std::move(out));
}

Result Quote(const Call& call) {
  if (!SpendOnTexts(call)) return Exhausted();
  const absl::string_view text = call.text(0);
  std::string out = "\"";
  for (size_t i = 0; i < text.size(); i += CodePointLength(text, i)) {
    static constexpr absl::string_view kEscaped = "\a\b\f\n\r\t\v\\\"";
    static constexpr absl::string_view kLetters = "abfnrtv\\\"";
    const size_t which = kEscaped.find(text[i]);
    if (which != absl::string_view::npos) {
      out += '\\';
      out += kLetters[which];
    } else {
      AppendCodePoint(CodePointAt(text, i), &out);
    }
  }
  return Value::String(out + "\"");
}

}  // namespace

void AddStrings(Library* library) {
  library->Add("string.startsWith(string) -> bool", StartsWith);
  library->Add("string.endsWith(string) -> bool", EndsWith);
  library->Add("string.contains(string) -> bool", Contains);
  library->Add("string.charAt(int) -> string", CharAt);
  library->Add("string.indexOf(string) -> int", IndexOfString);
  library->Add("string.indexOf(string, int) -> int", IndexOfString);
  library->Add("string.lastIndexOf(string) -> int", LastIndexOfString);
  library->Add("string.lastIndexOf(string, int) -> int", LastIndexOfString);
  library->Add("string.lowerAscii() -> string", LowerAscii);
  library->Add("string.upperAscii() -> string", UpperAscii);
  library->Add("string.trim() -> string", Trim);
  library->Add("string.substring(int) -> string", Substring);
  library->Add("string.substring(int, int) -> string", Substring);
  library->Add("string.replace(string, string) -> string", Replace);
  library->Add("string.replace(string, string, int) -> string", Replace);
  library->Add("string.split(string) -> list(string)", Split);
  library->Add("string.split(string, int) -> list(string)", Split);
  library->Add("list(string).join() -> string", JoinTexts);
  library->Add("list(string).join(string) -> string", JoinTexts);
  library->Add("strings.quote(string) -> string", Quote);
}

}  // namespace xpu::cel
