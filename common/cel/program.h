#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/cel/budget.h"
#include "common/cel/type.h"
#include "common/cel/value.h"

namespace xpu::cel {

struct Expr;

// A name that an expression may use, and what it is.
struct Variable {
  std::string name;
  TypePtr type;
};

// An expression of CEL (github.com/google/cel-spec) with the functions that Kubernetes has for validation
// rules (kubernetes.io/docs/reference/using-api/cel). Immutable; safe from any thread.
class Program {
 public:
  ~Program();

  // Parses and checks. InvalidArgument, with line and column, says what can never be evaluated: syntax,
  // unknown names, fields and functions, operands of the wrong types. What is nested more than 200 levels
  // deep or longer than 100,000 octets is refused.
  static absl::StatusOr<std::shared_ptr<const Program>> Compile(absl::string_view text,
                                                                const std::vector<Variable>& variables);

  // As far as it is known before it runs.
  const TypePtr& type() const { return type_; }
  // Does the expression use the variable that was given at that place?
  bool Uses(size_t variable) const { return uses_[variable]; }

  // The value for these variables, which must be of the types that were given, in their order. Terminates
  // after as many steps as `budget` has: ResourceExhausted then. InvalidArgument for an error of the
  // evaluation: no such key, overflow, division by zero, no overload for values whose types were not known
  // before.
  absl::StatusOr<Value> Evaluate(absl::Span<const Value> variables, Budget* budget) const;

 private:
  Program();

  std::unique_ptr<Expr> expr_;
  TypePtr type_;
  std::vector<bool> uses_;
};

}  // namespace xpu::cel
