#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace xpu::cel {

// A word of an expression (cel-spec, "Syntax").
struct Token {
  enum class Kind { kEnd, kIdent, kReserved, kInt, kUint, kDouble, kString, kBytes, kSymbol };

  Kind kind = Kind::kEnd;
  // The identifier, reserved word or symbol; what a string or bytes literal means; the digits of a number.
  std::string text;
  uint64_t number = 0;  // of kInt (whose minus is an operator, so that 2^63 may stand here) and kUint
  double real = 0;      // of kDouble
  size_t position = 0;  // octet at which it begins
};

// The words of `text`, with one kEnd behind them. InvalidArgument, with line and column, for what is none.
absl::StatusOr<std::vector<Token>> Lex(absl::string_view text);

// "line:column", both from 1, columns in code points.
std::string PositionText(absl::string_view text, size_t octet);

// InvalidArgument: "at line:column: message".
absl::Status ErrorAt(absl::string_view text, size_t octet, absl::string_view message);

}  // namespace xpu::cel
