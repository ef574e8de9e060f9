// Regular expressions: matches(), and Kubernetes' find() and findAll(). Their syntax is RE2's.
#include <re2/re2.h>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/cel/functions.h"
#include "common/cel/text.h"

namespace xpu::cel {
namespace {

using Result = absl::StatusOr<Value>;
using PatternPtr = std::shared_ptr<const re2::RE2>;

re2::StringPiece Piece(absl::string_view text) { return re2::StringPiece(text.data(), text.size()); }

// The pattern of argument 1, and what it costs to look for it in the text.
absl::StatusOr<PatternPtr> PatternFor(const Call& call) {
  const absl::string_view text = call.text(0), pattern = call.text(1);
  const uint64_t of_text = 1 + text.size() / 10, of_pattern = 1 + pattern.size() / 4;
  if (!call.budget.Spend(of_text * of_pattern)) return Exhausted();
  if (call.expr.pattern != nullptr) return call.expr.pattern;
  // A pattern of a few octets can stand for a program of thousands of steps.
  if (!call.budget.Spend(100 + 100 * pattern.size())) return Exhausted();
  return CompilePattern(pattern);
}

Result Matches(const Call& call) {
  XPU_ASSIGN_OR_RETURN(const PatternPtr pattern, PatternFor(call));
  return Value(re2::RE2::PartialMatch(Piece(call.text(0)), *pattern));
}

Result FindFirst(const Call& call) {
  XPU_ASSIGN_OR_RETURN(const PatternPtr pattern, PatternFor(call));
  const re2::StringPiece text = Piece(call.text(0));
  re2::StringPiece match;
  if (!pattern->Match(text, 0, text.size(), re2::RE2::UNANCHORED, &match, 1)) return Value::String("");
  return Value::String(std::string(match.data(), match.size()));
}

Result FindAll(const Call& call) {
  XPU_ASSIGN_OR_RETURN(const PatternPtr pattern, PatternFor(call));
  const re2::StringPiece text = Piece(call.text(0));
  const int64_t limit = call.args.size() > 2 ? call.integer(2) : -1;
  std::vector<Value> found;
  size_t from = 0, end_of_last = std::string::npos;
  while (from <= text.size() && (limit < 0 || static_cast<int64_t>(found.size()) < limit)) {
    // A search may look at all that is left, for every match anew.
    if (!call.budget.Spend(1 + (text.size() - from) / 100)) return Exhausted();
    re2::StringPiece match;
    if (!pattern->Match(text, from, text.size(), re2::RE2::UNANCHORED, &match, 1)) break;
    const size_t begin = static_cast<size_t>(match.data() - text.data());
    const size_t end = begin + match.size();
    // An empty match right behind another one is none.
    if (!match.empty() || begin != end_of_last)
      found.push_back(Value::String(std::string(match.data(), match.size())));
    end_of_last = end;
    if (!match.empty()) {
      from = end;
    } else {
      from = end < text.size() ? end + CodePointLength(call.text(0), end) : end + 1;
    }
  }
  return Value::OfList(std::move(found));
}

}  // namespace

absl::StatusOr<PatternPtr> CompilePattern(absl::string_view pattern) {
  re2::RE2::Options options(re2::RE2::Quiet);
  auto compiled = std::make_shared<const re2::RE2>(Piece(pattern), options);
  if (compiled->ok()) return compiled;
  return BadArgument(
      absl::StrCat("'", pattern.substr(0, 80), "' is no regular expression: ", compiled->error()));
}

void AddRegex(Library* library) {
  library->Add("matches(string, string) -> bool", Matches);
  library->Add("string.matches(string) -> bool", Matches);
  library->Add("string.find(string) -> string", FindFirst);
  library->Add("string.findAll(string) -> list(string)", FindAll);
  library->Add("string.findAll(string, int) -> list(string)", FindAll);
}

}  // namespace xpu::cel
