#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/cel/program.h"
#include "common/cel/syntax.h"
#include "common/cel/type.h"

namespace xpu::cel {

struct Checked {
  TypePtr type;            // of the whole expression
  std::vector<bool> uses;  // by place in the variables
};

// Finds out what the names and calls in `expr`, which was parsed from `text`, mean (cel-spec, "Gradual Type
// Checking"), and writes it there. InvalidArgument, with line and column, for what can never be evaluated:
// unknown names, fields and functions, operands of the wrong types, regular expressions that are none.
absl::StatusOr<Checked> Check(absl::string_view text, const std::vector<Variable>& variables, Expr* expr);

}  // namespace xpu::cel
