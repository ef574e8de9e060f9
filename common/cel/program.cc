#include "common/cel/program.h"

#include "common/base/status_macros.h"
#include "common/cel/checker.h"
#include "common/cel/evaluator.h"
#include "common/cel/syntax.h"

namespace xpu::cel {

Program::Program() = default;
Program::~Program() = default;

absl::StatusOr<std::shared_ptr<const Program>> Program::Compile(absl::string_view text,
                                                                const std::vector<Variable>& variables) {
  std::shared_ptr<Program> program(new Program());
  XPU_ASSIGN_OR_RETURN(program->expr_, Parse(text));
  XPU_ASSIGN_OR_RETURN(Checked checked, Check(text, variables, program->expr_.get()));
  program->type_ = std::move(checked.type);
  program->uses_ = std::move(checked.uses);
  return std::shared_ptr<const Program>(std::move(program));
}

absl::StatusOr<Value> Program::Evaluate(absl::Span<const Value> variables, Budget* budget) const {
  return cel::Evaluate(*expr_, variables, budget);
}

}  // namespace xpu::cel
