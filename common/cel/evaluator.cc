#include "common/cel/evaluator.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "common/cel/functions.h"

namespace xpu::cel {
namespace {

using Kind = Type::Kind;
using Result = absl::StatusOr<Value>;

bool MustEnd(const absl::Status& status) { return status.code() == absl::StatusCode::kResourceExhausted; }

absl::Status NoOverload(absl::string_view function, absl::Span<const Value> args) {
  return BadArgument(absl::StrCat(
      "no such overload: ", function, "(",
      absl::StrJoin(args, ", ",
                    [](std::string* out, const Value& value) { out->append(value.type()->ToString()); }),
      ")"));
}

absl::Status NotBool(const Value& value) {
  return BadArgument(absl::StrCat("no such overload: a bool is needed, not ", value.type()->ToString()));
}

class Evaluator {
 public:
  Evaluator(absl::Span<const Value> variables, Budget* budget)
      : values_(variables.begin(), variables.end()), budget_(*budget) {}

  Result Node(const Expr& expr) {
    if (!budget_.Spend(1)) return Exhausted();
    switch (expr.kind) {
      case Expr::Kind::kLiteral:
        return expr.value;
      case Expr::Kind::kIdent:
        return values_[expr.variable];
      case Expr::Kind::kSelect:
      case Expr::Kind::kHas:
        return Selection(expr);
      case Expr::Kind::kIndex:
        return Index(expr);
      case Expr::Kind::kCall:
        return FunctionCall(expr);
      case Expr::Kind::kAnd:
        return Logic(expr, /*decides=*/false);
      case Expr::Kind::kOr:
        return Logic(expr, /*decides=*/true);
      case Expr::Kind::kIf: {
        XPU_ASSIGN_OR_RETURN(const bool condition, Truth(*expr.args[0]));
        return Node(*expr.args[condition ? 1 : 2]);
      }
      case Expr::Kind::kList:
        return ListLiteral(expr);
      case Expr::Kind::kMap:
        return MapLiteral(expr);
      case Expr::Kind::kMacro:
        return Macro(expr);
    }
    return BadArgument("the expression was not checked");
  }

 private:
  absl::StatusOr<bool> Truth(const Expr& expr) {
    XPU_ASSIGN_OR_RETURN(const Value value, Node(expr));
    if (const bool* truth = value.As<bool>()) return *truth;
    return NotBool(value);
  }

  // && and ||: an operand that decides does so, whatever errors the others are.
  Result Logic(const Expr& expr, bool decides) {
    absl::Status error;
    for (const ExprPtr& arg : expr.args) {
      const absl::StatusOr<bool> truth = Truth(*arg);
      if (truth.ok() && *truth == decides) return Value(decides);
      if (truth.ok()) continue;
      if (MustEnd(truth.status())) return truth.status();
      error.Update(truth.status());
    }
    if (!error.ok()) return error;
    return Value(!decides);
  }

  // Strings are taken from JSON as they are, but bytes are decoded.
  bool SpendOnReading(const Value& value) {
    return value.As<Value::Bytes>() == nullptr || SpendOn(value, &budget_);
  }

  // Of a list or a map: nothing where there is no such key.
  absl::StatusOr<std::optional<Value>> Find(const Value& operand, const Value& key) {
    if (const auto* map = operand.As<Value::MapPtr>()) {
      if (!SpendOn(key, &budget_)) return Exhausted();
      XPU_ASSIGN_OR_RETURN(std::optional<Value> found, (*map)->Find(key));
      if (found && !SpendOnReading(*found)) return Exhausted();
      return found;
    }
    if (const auto* list = operand.As<Value::ListPtr>()) {
      const std::optional<int64_t> index = IndexOf(key);
      if (!index) return BadArgument(absl::StrCat("a list cannot be indexed by ", key.ToString()));
      if (*index < 0 || static_cast<uint64_t>(*index) >= (*list)->size()) return std::optional<Value>();
      XPU_ASSIGN_OR_RETURN(Value element, (*list)->at(static_cast<size_t>(*index)));
      if (!SpendOnReading(element)) return Exhausted();
      return std::optional<Value>(std::move(element));
    }
    return BadArgument(
        absl::StrCat("no such overload: a ", operand.type()->ToString(), " has no ", key.ToString()));
  }

  // Numbers of all types, if they are whole.
  static std::optional<int64_t> IndexOf(const Value& key) {
    if (const auto* index = key.As<int64_t>()) return *index;
    if (const auto* index = key.As<uint64_t>(); index != nullptr && *index <= INT32_MAX) {
      return static_cast<int64_t>(*index);
    }
    if (const auto* index = key.As<double>(); index != nullptr && *index >= 0 && *index <= INT32_MAX) {
      const auto whole = static_cast<int64_t>(*index);
      if (static_cast<double>(whole) == *index) return whole;
    }
    return std::nullopt;
  }

  // `operand`'s key, as an optional value if it is asked for or the operand is one.
  Result Part(const Expr& expr, const Value& operand, const Value& key) {
    if (const auto* optional = operand.As<Value::Optional>()) {
      if (optional->value == nullptr) return expr.kind == Expr::Kind::kHas ? Value(false) : Value::None();
      XPU_ASSIGN_OR_RETURN(std::optional<Value> found, Find(*optional->value, key));
      if (expr.kind == Expr::Kind::kHas) return Value(found.has_value());
      return found ? Value::Some(*std::move(found)) : Value::None();
    }
    XPU_ASSIGN_OR_RETURN(std::optional<Value> found, Find(operand, key));
    if (expr.kind == Expr::Kind::kHas) return Value(found.has_value());
    if (expr.optional) return found ? Value::Some(*std::move(found)) : Value::None();
    if (found) return *std::move(found);
    if (operand.As<Value::ListPtr>() != nullptr) {
      return BadArgument(
          absl::StrCat("index out of bounds: ", key.ToString(), " of ", operand.list().size()));
    }
    return BadArgument(absl::StrCat(
        "no such key: ", key.As<Value::Text>() ? std::string(key.text().substr(0, 80)) : key.ToString()));
  }

  Result Selection(const Expr& expr) {
    XPU_ASSIGN_OR_RETURN(const Value operand, Node(*expr.args[0]));
    return Part(expr, operand, Value::StringView(expr.name));
  }

  Result Index(const Expr& expr) {
    XPU_ASSIGN_OR_RETURN(const Value operand, Node(*expr.args[0]));
    XPU_ASSIGN_OR_RETURN(const Value key, Node(*expr.args[1]));
    return Part(expr, operand, key);
  }

  // Of or() and orValue() on an optional value that there is: what would be taken else is not evaluated.
  static bool NeedsNoMore(const Expr& expr, const Value& target) {
    if (!expr.member || (expr.name != "or" && expr.name != "orValue")) return false;
    const auto* optional = target.As<Value::Optional>();
    return optional != nullptr && optional->value != nullptr;
  }

  Result FunctionCall(const Expr& expr) {
    std::vector<Value> args;
    args.reserve(expr.args.size());
    for (const ExprPtr& arg : expr.args) {
      XPU_ASSIGN_OR_RETURN(Value value, Node(*arg));
      if (args.empty() && NeedsNoMore(expr, value)) {
        return expr.name == "or" ? value : *value.As<Value::Optional>()->value;
      }
      args.push_back(std::move(value));
    }
    for (const Overload* overload : expr.overloads) {
      if (overload->Takes(args)) return overload->run({args, expr, budget_});
    }
    return NoOverload(expr.name, args);
  }

  Result ListLiteral(const Expr& expr) {
    std::vector<Value> elements;
    elements.reserve(expr.args.size());
    for (const ExprPtr& arg : expr.args) {
      XPU_ASSIGN_OR_RETURN(Value value, Node(*arg));
      elements.push_back(std::move(value));
    }
    return Value::OfList(std::move(elements));
  }

  Result MapLiteral(const Expr& expr) {
    std::vector<std::pair<Value, Value>> entries;
    std::map<Value, bool, ScalarLess> seen;
    for (size_t i = 0; i < expr.args.size(); i += 2) {
      XPU_ASSIGN_OR_RETURN(Value key, Node(*expr.args[i]));
      const Kind kind = key.kind();
      if (kind != Kind::kBool && kind != Kind::kInt && kind != Kind::kUint && kind != Kind::kString) {
        return BadArgument(absl::StrCat("keys of a map are bool, int, uint or string, not ", key.ToString()));
      }
      if (!SpendOn(key, &budget_)) return Exhausted();
      if (!seen.emplace(key, true).second) {
        return BadArgument(absl::StrCat("the map has the key ", key.ToString(), " twice"));
      }
      XPU_ASSIGN_OR_RETURN(Value value, Node(*expr.args[i + 1]));
      entries.emplace_back(std::move(key), std::move(value));
    }
    return Value::OfMap(std::move(entries));
  }

  Result Macro(const Expr& expr) {
    XPU_ASSIGN_OR_RETURN(const Value range, Node(*expr.args[0]));
    if (expr.macro == Expr::Macro::kOptMap || expr.macro == Expr::Macro::kOptFlatMap) {
      return OptionalMacro(expr, range);
    }
    Iteration state;
    if (const auto* list = range.As<Value::ListPtr>()) {
      for (size_t i = 0; i < (*list)->size() && !state.done; ++i) {
        XPU_ASSIGN_OR_RETURN(Value element, (*list)->at(i));
        XPU_RETURN_IF_ERROR(Step(expr, std::move(element), &state));
      }
    } else if (const auto* map = range.As<Value::MapPtr>()) {
      if (!budget_.Spend((*map)->size())) return Exhausted();
      for (Value& key : (*map)->Keys()) {
        if (state.done) break;
        XPU_RETURN_IF_ERROR(Step(expr, std::move(key), &state));
      }
    } else {
      return NoOverload(expr.name, {range});
    }
    return Outcome(expr, std::move(state));
  }

  struct Iteration {
    bool done = false;  // the rest does not matter
    int matches = 0;
    absl::Status error;  // that a later element can make good
    std::vector<Value> results;
  };

  // One element of a macro's range.
  absl::Status Step(const Expr& expr, Value element, Iteration* state) {
    if (!budget_.Spend(1) || !SpendOnReading(element)) return Exhausted();
    values_.resize(expr.variable);
    values_.push_back(element);
    const bool all = expr.macro == Expr::Macro::kAll;
    if (all || expr.macro == Expr::Macro::kExists) {
      const absl::StatusOr<bool> truth = Truth(*expr.args[1]);
      if (!truth.ok()) {
        if (MustEnd(truth.status())) return truth.status();
        state->error.Update(truth.status());
      } else if (*truth != all) {
        state->done = true;
      }
      return absl::OkStatus();
    }
    const bool plain_map = expr.macro == Expr::Macro::kMap && expr.args.size() == 2;
    if (!plain_map) {
      XPU_ASSIGN_OR_RETURN(const bool truth, Truth(*expr.args[1]));
      if (!truth) return absl::OkStatus();
      ++state->matches;
    }
    if (expr.macro == Expr::Macro::kFilter) state->results.push_back(std::move(element));
    if (expr.macro == Expr::Macro::kMap) {
      XPU_ASSIGN_OR_RETURN(Value value, Node(*expr.args.back()));
      state->results.push_back(std::move(value));
    }
    return absl::OkStatus();
  }

  static Result Outcome(const Expr& expr, Iteration state) {
    switch (expr.macro) {
      case Expr::Macro::kAll:
      case Expr::Macro::kExists:
        if (!state.done && !state.error.ok()) return state.error;
        return Value(state.done == (expr.macro == Expr::Macro::kExists));
      case Expr::Macro::kExistsOne:
        return Value(state.matches == 1);
      default:
        return Value::OfList(std::move(state.results));
    }
  }

  Result OptionalMacro(const Expr& expr, const Value& target) {
    const auto* optional = target.As<Value::Optional>();
    if (optional == nullptr) return NoOverload(expr.name, {target});
    if (optional->value == nullptr) return Value::None();
    values_.resize(expr.variable);
    values_.push_back(*optional->value);
    XPU_ASSIGN_OR_RETURN(Value value, Node(*expr.args[1]));
    if (expr.macro == Expr::Macro::kOptMap) return Value::Some(std::move(value));
    if (value.As<Value::Optional>() == nullptr) return NoOverload(expr.name, {value});
    return value;
  }

  // Variables by their places: those given, then those of the macros around.
  std::vector<Value> values_;
  Budget& budget_;
};

}  // namespace

absl::StatusOr<Value> Evaluate(const Expr& expr, absl::Span<const Value> variables, Budget* budget) {
  return Evaluator(variables, budget).Node(expr);
}

}  // namespace xpu::cel
