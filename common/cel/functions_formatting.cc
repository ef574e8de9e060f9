// string.format(list): printf for rules (cel-spec, "doc/extensions/strings.md").
#include <algorithm>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "common/cel/functions.h"
#include "common/cel/text.h"

namespace xpu::cel {
namespace {

using Kind = Type::Kind;
using Text = absl::StatusOr<std::string>;

// More digits are nobody's.
constexpr int kMaxPrecision = 100;

absl::Status CannotFormat(char clause, const Value& value) {
  return BadArgument(absl::StrCat("error during formatting: %", std::string(1, clause), " takes no ",
                                  value.type()->ToString()));
}

struct Clause {
  char letter = 's';
  int precision = 6;
};

class Formatter {
 public:
  explicit Formatter(Budget* budget) : budget_(*budget) {}

  Text One(const Clause& clause, const Value& value) {
    switch (clause.letter) {
      case 's':
        return Shown(value, /*nested=*/false);
      case 'd':
        if (value.kind() == Kind::kInt || value.kind() == Kind::kUint) return Shown(value, false);
        break;
      case 'f':
      case 'e':
        return Real(clause, value);
      case 'x':
      case 'X':
        return Hex(clause, value);
      case 'o':
        return InBase(clause, value, 8);
      case 'b':
        if (const bool* truth = value.As<bool>()) return std::string(*truth ? "1" : "0");
        return InBase(clause, value, 2);
      default:
        return BadArgument(
            absl::StrCat("error during formatting: there is no %", std::string(1, clause.letter)));
    }
    return CannotFormat(clause.letter, value);
  }

 private:
  Text Shown(const Value& value, bool nested) {
    if (!budget_.Spend(1)) return Exhausted();
    switch (value.kind()) {
      case Kind::kString:
        if (!budget_.SpendOnText(value.text().size())) return Exhausted();
        return nested ? absl::StrCat("\"", value.text(), "\"") : std::string(value.text());
      case Kind::kBytes: {
        const std::string& octets = *value.As<Value::Bytes>()->octets;
        if (!budget_.SpendOnText(octets.size())) return Exhausted();
        std::string out;
        for (size_t i = 0; i < octets.size(); i += CodePointLength(octets, i)) {
          AppendCodePoint(CodePointAt(octets, i), &out);
        }
        return out;
      }
      case Kind::kUint:
        return absl::StrCat(*value.As<uint64_t>());
      case Kind::kList:
        return ListText(value.list());
      case Kind::kMap:
      case Kind::kObject:
        return MapText(value.map());
      case Kind::kOptional:
        return CannotFormat('s', value);
      default:
        return value.ToString();
    }
  }

  Text ListText(const List& list) {
    std::vector<std::string> parts;
    for (size_t i = 0; i < list.size(); ++i) {
      XPU_ASSIGN_OR_RETURN(const Value element, list.at(i));
      XPU_ASSIGN_OR_RETURN(std::string text, Shown(element, true));
      parts.push_back(std::move(text));
    }
    return absl::StrCat("[", absl::StrJoin(parts, ", "), "]");
  }

  Text MapText(const Map& map) {
    std::vector<std::string> parts;
    for (const Value& key : map.Keys()) {
      XPU_ASSIGN_OR_RETURN(const std::optional<Value> value, map.Find(key));
      if (!value) continue;
      XPU_ASSIGN_OR_RETURN(const std::string key_text, Shown(key, true));
      XPU_ASSIGN_OR_RETURN(const std::string value_text, Shown(*value, true));
      parts.push_back(absl::StrCat(key_text, ": ", value_text));
    }
    std::sort(parts.begin(), parts.end());
    return absl::StrCat("{", absl::StrJoin(parts, ", "), "}");
  }

  static Text Real(const Clause& clause, const Value& value) {
    double number = 0;
    if (const auto* v = value.As<int64_t>()) {
      number = static_cast<double>(*v);
    } else if (const auto* v = value.As<uint64_t>()) {
      number = static_cast<double>(*v);
    } else if (const auto* v = value.As<double>()) {
      number = *v;
    } else {
      return CannotFormat(clause.letter, value);
    }
    if (!std::isfinite(number)) return DoubleText(number);
    if (clause.letter == 'e') return absl::StrFormat("%.*e", clause.precision, number);
    return absl::StrFormat("%.*f", clause.precision, number);
  }

  Text Hex(const Clause& clause, const Value& value) {
    const bool upper = clause.letter == 'X';
    absl::string_view octets;
    if (value.As<Value::Text>() != nullptr) {
      octets = value.text();
    } else if (const auto* bytes = value.As<Value::Bytes>()) {
      octets = *bytes->octets;
    } else {
      XPU_ASSIGN_OR_RETURN(std::string text, InBase(clause, value, 16));
      return upper ? absl::AsciiStrToUpper(text) : text;
    }
    if (!budget_.SpendOnText(octets.size() * 2)) return Exhausted();
    const std::string text = absl::BytesToHexString(octets);
    return upper ? absl::AsciiStrToUpper(text) : text;
  }

  static Text InBase(const Clause& clause, const Value& value, int base) {
    uint64_t number = 0;
    bool negative = false;
    if (const auto* v = value.As<int64_t>()) {
      negative = *v < 0;
      number = negative ? 0 - static_cast<uint64_t>(*v) : static_cast<uint64_t>(*v);
    } else if (const auto* v = value.As<uint64_t>()) {
      number = *v;
    } else {
      return CannotFormat(clause.letter, value);
    }
    std::string digits;
    do {
      digits += "0123456789abcdef"[number % static_cast<uint64_t>(base)];
      number /= static_cast<uint64_t>(base);
    } while (number > 0);
    if (negative) digits += '-';
    std::reverse(digits.begin(), digits.end());
    return digits;
  }

  Budget& budget_;
};

// Behind a '%': the clause, and `text` behind it.
absl::StatusOr<Clause> ReadClause(absl::string_view* text) {
  Clause clause;
  if (!text->empty() && text->front() == '.') {
    text->remove_prefix(1);
    size_t digits = 0;
    while (digits < text->size() && absl::ascii_isdigit((*text)[digits])) ++digits;
    if (!absl::SimpleAtoi(text->substr(0, digits), &clause.precision) || clause.precision > kMaxPrecision) {
      return BadArgument(
          absl::StrCat("error during formatting: a precision is a number from 0 to ", kMaxPrecision));
    }
    text->remove_prefix(digits);
  }
  if (text->empty()) return BadArgument("error during formatting: the text ends in the middle of a clause");
  clause.letter = text->front();
  text->remove_prefix(1);
  return clause;
}

absl::StatusOr<Value> Format(const Call& call) {
  absl::string_view text = call.text(0);
  const List& args = call.list(1);
  if (!call.budget.SpendOnText(text.size())) return Exhausted();
  Formatter formatter(&call.budget);
  std::string out;
  size_t used = 0;
  while (true) {
    const size_t percent = text.find('%');
    absl::StrAppend(&out, text.substr(0, percent));
    if (percent == absl::string_view::npos) return Value::String(std::move(out));
    text.remove_prefix(percent + 1);
    if (!text.empty() && text.front() == '%') {
      out += '%';
      text.remove_prefix(1);
      continue;
    }
    XPU_ASSIGN_OR_RETURN(const Clause clause, ReadClause(&text));
    if (used == args.size()) {
      return BadArgument(
          absl::StrCat("error during formatting: there are more clauses than the ", used, " values"));
    }
    XPU_ASSIGN_OR_RETURN(const Value value, args.at(used++));
    XPU_ASSIGN_OR_RETURN(const std::string shown, formatter.One(clause, value));
    if (!call.budget.SpendOnText(shown.size())) return Exhausted();
    out += shown;
  }
}

}  // namespace

void AddFormatting(Library* library) { library->Add("string.format(list(dyn)) -> string", Format); }

}  // namespace xpu::cel
