#pragma once

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/cel/syntax.h"
#include "common/cel/value.h"

namespace xpu::cel {

// The value of a checked expression (cel-spec, "Evaluation"); see Program::Evaluate.
absl::StatusOr<Value> Evaluate(const Expr& expr, absl::Span<const Value> variables, Budget* budget);

}  // namespace xpu::cel
