#include "common/cel/checker.h"

#include <algorithm>
#include <map>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "common/cel/functions.h"
#include "common/cel/lexer.h"

namespace xpu::cel {
namespace {

using Kind = Type::Kind;
// What the type parameters of a function stand for in one call.
using Bindings = std::map<std::string, TypePtr>;

TypePtr Dyn() { return Type::Of(Kind::kDyn); }
TypePtr Bool() { return Type::Of(Kind::kBool); }
bool IsDyn(const TypePtr& type) { return type->kind() == Kind::kDyn; }

// Does `arg` go in where a function declares `param`?
bool Match(const TypePtr& param, const TypePtr& arg, Bindings* bindings) {
  if (param->kind() == Kind::kParam) {
    TypePtr& bound = (*bindings)[param->name()];
    if (bound == nullptr || (IsAssignable(*arg, *bound) && (IsDyn(arg) || bound->kind() == Kind::kNull))) {
      bound = arg;
      return true;
    }
    return IsAssignable(*bound, *arg);
  }
  if (IsDyn(arg) || IsDyn(param)) return true;
  if (param->kind() != arg->kind()) return IsAssignable(*param, *arg);
  switch (param->kind()) {
    case Kind::kList:
    case Kind::kOptional:
      return Match(param->element(), arg->element(), bindings);
    case Kind::kMap:
      return Match(param->key(), arg->key(), bindings) && Match(param->element(), arg->element(), bindings);
    default:
      return IsAssignable(*param, *arg);
  }
}

TypePtr Substitute(const TypePtr& type, const Bindings& bindings) {
  switch (type->kind()) {
    case Kind::kParam: {
      const auto it = bindings.find(type->name());
      return it == bindings.end() ? Dyn() : it->second;
    }
    case Kind::kList:
      return Type::List(Substitute(type->element(), bindings));
    case Kind::kOptional:
      return Type::Optional(Substitute(type->element(), bindings));
    case Kind::kMap:
      return Type::Map(Substitute(type->key(), bindings), Substitute(type->element(), bindings));
    default:
      return type;
  }
}

// The type that has room for both; null if none has.
TypePtr Join(const TypePtr& a, const TypePtr& b) {
  if (a == nullptr || IsDyn(b)) return b;
  if (IsAssignable(*a, *b)) return a;
  return IsAssignable(*b, *a) ? b : nullptr;
}

// The names of types, which are values.
TypePtr TypeNamed(const std::string& name) {
  static const auto& types = *new std::map<std::string, TypePtr>([] {
    std::map<std::string, TypePtr> out;
    for (const Kind kind : {Kind::kNull, Kind::kBool, Kind::kInt, Kind::kUint, Kind::kDouble, Kind::kString,
                            Kind::kBytes, Kind::kTimestamp, Kind::kDuration, Kind::kType}) {
      out[Type::Of(kind)->name()] = Type::Of(kind);
    }
    out["list"] = Type::List(Dyn());
    out["map"] = Type::Map(Dyn(), Dyn());
    out["optional_type"] = Type::Optional(Dyn());
    return out;
  }());
  const auto it = types.find(name);
  return it == types.end() ? OpaqueType(name) : it->second;
}

// "a.b.c" of selections from an identifier; empty for others.
std::string QualifiedName(const Expr& expr) {
  if (expr.kind == Expr::Kind::kIdent) return expr.name;
  if (expr.kind != Expr::Kind::kSelect || expr.optional) return "";
  const std::string operand = QualifiedName(*expr.args[0]);
  return operand.empty() ? "" : absl::StrCat(operand, ".", expr.name);
}

std::string OperatorOrName(const std::string& function) {
  if (function == "@in") return "in";
  if (!absl::StrContains(function, '_') || function.find_first_not_of("_!-+*/%<>=") != std::string::npos)
    return function + "()";
  std::string out;
  for (const char c : function) {
    if (c != '_') out += c;
  }
  return out;
}

class Checker {
 public:
  Checker(absl::string_view text, const std::vector<Variable>& variables)
      : text_(text), given_(variables.size()), scope_(variables), uses_(variables.size(), false) {}

  std::vector<bool> TakeUses() { return std::move(uses_); }

  absl::StatusOr<TypePtr> Node(Expr* expr) {
    switch (expr->kind) {
      case Expr::Kind::kLiteral:
        return expr->value.type();
      case Expr::Kind::kIdent:
        return Identifier(expr);
      case Expr::Kind::kSelect:
      case Expr::Kind::kHas:
        return Selection(expr);
      case Expr::Kind::kIndex:
        return Index(expr);
      case Expr::Kind::kCall:
        return FunctionCall(expr);
      case Expr::Kind::kAnd:
      case Expr::Kind::kOr:
        for (const ExprPtr& arg : expr->args) {
          XPU_RETURN_IF_ERROR(WantBool(arg.get(), expr->kind == Expr::Kind::kAnd ? "&&" : "||"));
        }
        return Bool();
      case Expr::Kind::kIf:
        return Conditional(expr);
      case Expr::Kind::kList:
        return ListLiteral(expr);
      case Expr::Kind::kMap:
        return MapLiteral(expr);
      case Expr::Kind::kMacro:
        return MacroCall(expr);
    }
    return Dyn();
  }

 private:
  absl::Status Bad(const Expr& expr, absl::string_view message) const {
    return ErrorAt(text_, expr.position, message);
  }

  absl::Status WantBool(Expr* expr, absl::string_view whose) {
    XPU_ASSIGN_OR_RETURN(const TypePtr type, Node(expr));
    if (IsDyn(type) || type->kind() == Kind::kBool) return absl::OkStatus();
    return Bad(*expr, absl::StrCat(whose, " needs a bool here, not ", type->ToString()));
  }

  std::optional<size_t> FindVariable(const std::string& name) const {
    for (size_t i = scope_.size(); i > 0; --i) {
      if (scope_[i - 1].name == name) return i - 1;
    }
    return std::nullopt;
  }

  // A name that stands for a type becomes that value.
  bool BecomesType(const std::string& name, Expr* expr) {
    const TypePtr type = TypeNamed(name);
    if (type == nullptr) return false;
    expr->kind = Expr::Kind::kLiteral;
    expr->value = Value(type);
    expr->args.clear();
    return true;
  }

  absl::StatusOr<TypePtr> Identifier(Expr* expr) {
    if (const std::optional<size_t> place = FindVariable(expr->name)) {
      expr->variable = *place;
      if (*place < given_) uses_[*place] = true;
      return scope_[*place].type;
    }
    if (BecomesType(expr->name, expr)) return Type::Of(Kind::kType);
    std::vector<std::string> names;
    for (const Variable& variable : scope_) names.push_back(variable.name);
    return Bad(*expr, absl::StrCat("there is no '", expr->name, "' here, but ", absl::StrJoin(names, ", ")));
  }

  // Does a qualified name begin with a variable?
  bool BeginsWithVariable(const Expr& expr) const {
    const Expr* first = &expr;
    while (first->kind == Expr::Kind::kSelect) first = first->args[0].get();
    return FindVariable(first->name).has_value();
  }

  absl::StatusOr<TypePtr> Selection(Expr* expr) {
    const std::string qualified = QualifiedName(*expr);
    if (!qualified.empty() && expr->kind == Expr::Kind::kSelect && !BeginsWithVariable(*expr) &&
        BecomesType(qualified, expr)) {
      return Type::Of(Kind::kType);
    }
    XPU_ASSIGN_OR_RETURN(TypePtr operand, Node(expr->args[0].get()));
    const bool from_optional = operand->kind() == Kind::kOptional;
    if (from_optional) operand = operand->element();
    XPU_ASSIGN_OR_RETURN(TypePtr field, Field(*expr, operand));
    if (expr->kind == Expr::Kind::kHas) return Bool();
    return from_optional || expr->optional ? Type::Optional(std::move(field)) : field;
  }

  absl::StatusOr<TypePtr> Field(const Expr& expr, const TypePtr& operand) const {
    switch (operand->kind()) {
      case Kind::kDyn:
        return Dyn();
      case Kind::kMap:
        if (IsAssignable(*operand->key(), *Type::Of(Kind::kString))) return operand->element();
        break;
      case Kind::kObject:
        if (const std::string* name = operand->FieldName(expr.name)) return operand->fields().at(*name);
        return Bad(expr, NoSuchField(expr.name, *operand));
      default:
        break;
    }
    return Bad(expr, absl::StrCat("a ", operand->ToString(), " has no field '", expr.name, "'"));
  }

  static std::string NoSuchField(const std::string& name, const Type& object) {
    std::vector<std::string> names;
    for (const auto& [field, unused] : object.fields()) {
      if (std::string escaped = EscapeName(field); !escaped.empty()) names.push_back(std::move(escaped));
    }
    constexpr size_t kShown = 20;
    const bool more = names.size() > kShown;
    if (more) names.resize(kShown);
    return absl::StrCat(
        "there is no field '", name, "' in ", object.name(), "; ",
        names.empty() ? "the schema names no field of it that rules can see"
                      : absl::StrCat("the schema has ", absl::StrJoin(names, ", "), more ? ", ..." : ""));
  }

  absl::StatusOr<TypePtr> Index(Expr* expr) {
    XPU_ASSIGN_OR_RETURN(TypePtr operand, Node(expr->args[0].get()));
    XPU_ASSIGN_OR_RETURN(const TypePtr index, Node(expr->args[1].get()));
    const bool from_optional = operand->kind() == Kind::kOptional;
    if (from_optional) operand = operand->element();
    TypePtr element;
    const bool by_place = operand->kind() == Kind::kList && IsAssignable(*Type::Of(Kind::kInt), *index);
    const bool by_key = operand->kind() == Kind::kMap && IsAssignable(*operand->key(), *index);
    if (IsDyn(operand)) {
      element = Dyn();
    } else if (by_place || by_key) {
      element = operand->element();
    } else {
      return Bad(*expr, absl::StrCat("a ", operand->ToString(), " cannot be indexed by ", index->ToString(),
                                     operand->kind() == Kind::kObject ? "; write .name for a field" : ""));
    }
    return from_optional || expr->optional ? Type::Optional(std::move(element)) : element;
  }

  // "sets.contains(...)" was parsed as a call on "sets".
  static void Unqualify(const std::string& function, Expr* expr) {
    expr->name = function;
    expr->member = false;
    expr->args.erase(expr->args.begin());
  }

  absl::StatusOr<TypePtr> FunctionCall(Expr* expr) {
    if (expr->member) {
      const std::string target = QualifiedName(*expr->args[0]);
      const std::string function = absl::StrCat(target, ".", expr->name);
      if (!target.empty() && !BeginsWithVariable(*expr->args[0]) && Functions().Find(function) != nullptr) {
        Unqualify(function, expr);
      }
    }
    const std::vector<Overload>* overloads = Functions().Find(expr->name);
    if (overloads == nullptr) {
      return Bad(*expr, absl::StrCat("there is no function ", expr->name, "() here"));
    }
    std::vector<TypePtr> args;
    args.reserve(expr->args.size());
    for (const ExprPtr& arg : expr->args) {
      // What format() is given may be of all types.
      const bool mixed = expr->member && expr->name == "format" && arg->kind == Expr::Kind::kList;
      XPU_ASSIGN_OR_RETURN(TypePtr type, mixed ? MixedList(arg.get()) : Node(arg.get()));
      args.push_back(std::move(type));
    }
    TypePtr result;
    for (const Overload& overload : *overloads) {
      if (overload.member != expr->member || overload.params.size() != args.size()) continue;
      Bindings bindings;
      bool fits = true;
      for (size_t i = 0; i < args.size() && fits; ++i) fits = Match(overload.params[i], args[i], &bindings);
      if (!fits) continue;
      const TypePtr type = Substitute(overload.result, bindings);
      const bool same = result == nullptr || (result->kind() == type->kind() && IsAssignable(*result, *type));
      result = same ? type : Dyn();
      expr->overloads.push_back(&overload);
    }
    if (result == nullptr) return Bad(*expr, NoOverload(*expr, *overloads, args));
    XPU_RETURN_IF_ERROR(KeepPattern(expr));
    return result;
  }

  static std::string NoOverload(const Expr& expr, const std::vector<Overload>& overloads,
                                const std::vector<TypePtr>& args) {
    const auto type_text = [](std::string* out, const TypePtr& type) { out->append(type->ToString()); };
    std::vector<std::string> known;
    known.reserve(overloads.size());
    for (const Overload& overload : overloads) known.push_back(overload.Signature());
    const bool is_operator = OperatorOrName(expr.name) != expr.name + "()";
    std::string out =
        absl::StrCat("there is no ", OperatorOrName(expr.name), " for ",
                     expr.member ? absl::StrCat(args[0]->ToString(), " with ") : "", "(",
                     absl::StrJoin(args.begin() + (expr.member ? 1 : 0), args.end(), ", ", type_text), ")");
    if (is_operator) {
      absl::StrAppend(&out, "; convert one side, such as by int(), double() or string()");
    } else {
      absl::StrAppend(&out, "; there is ", absl::StrJoin(known, ", "));
    }
    return out;
  }

  // A literal regular expression is read once, and refused here if it is none.
  absl::Status KeepPattern(Expr* expr) const {
    if (expr->name != "matches" && expr->name != "find" && expr->name != "findAll") return absl::OkStatus();
    const Expr& pattern = *expr->args[1];
    if (pattern.kind != Expr::Kind::kLiteral || pattern.value.As<Value::Text>() == nullptr)
      return absl::OkStatus();
    auto compiled = CompilePattern(pattern.value.text());
    if (!compiled.ok()) return Bad(pattern, compiled.status().message());
    expr->pattern = *std::move(compiled);
    return absl::OkStatus();
  }

  absl::StatusOr<TypePtr> Conditional(Expr* expr) {
    XPU_RETURN_IF_ERROR(WantBool(expr->args[0].get(), "?:"));
    XPU_ASSIGN_OR_RETURN(const TypePtr yes, Node(expr->args[1].get()));
    XPU_ASSIGN_OR_RETURN(const TypePtr no, Node(expr->args[2].get()));
    TypePtr joined = Join(yes, no);
    if (joined != nullptr) return joined;
    return Bad(*expr, absl::StrCat("both sides of ':' must have one type, not ", yes->ToString(), " and ",
                                   no->ToString(), "; dyn() takes any"));
  }

  absl::StatusOr<TypePtr> Common(const TypePtr& so_far, Expr* next, absl::string_view what) {
    XPU_ASSIGN_OR_RETURN(const TypePtr type, Node(next));
    TypePtr joined = Join(so_far, type);
    if (joined != nullptr) return joined;
    return Bad(*next, absl::StrCat(what, " must have one type, not ", so_far->ToString(), " and ",
                                   type->ToString(), "; dyn() takes any"));
  }

  absl::StatusOr<TypePtr> ListLiteral(Expr* expr) {
    TypePtr element;
    for (const ExprPtr& arg : expr->args) {
      XPU_ASSIGN_OR_RETURN(element, Common(element, arg.get(), "elements of a list"));
    }
    return Type::List(element == nullptr ? Dyn() : element);
  }

  absl::StatusOr<TypePtr> MixedList(Expr* expr) {
    for (const ExprPtr& arg : expr->args) XPU_RETURN_IF_ERROR(Node(arg.get()).status());
    return Type::List(Dyn());
  }

  absl::StatusOr<TypePtr> MapLiteral(Expr* expr) {
    TypePtr key, element;
    for (size_t i = 0; i < expr->args.size(); i += 2) {
      XPU_ASSIGN_OR_RETURN(key, Common(key, expr->args[i].get(), "keys of a map"));
      const Kind kind = key->kind();
      if (kind != Kind::kDyn && kind != Kind::kBool && kind != Kind::kInt && kind != Kind::kUint &&
          kind != Kind::kString) {
        return Bad(*expr->args[i],
                   absl::StrCat("keys of a map are bool, int, uint or string, not ", key->ToString()));
      }
      XPU_ASSIGN_OR_RETURN(element, Common(element, expr->args[i + 1].get(), "values of a map"));
    }
    return Type::Map(key == nullptr ? Dyn() : key, element == nullptr ? Dyn() : element);
  }

  absl::StatusOr<TypePtr> MacroCall(Expr* expr) {
    XPU_ASSIGN_OR_RETURN(const TypePtr range, Node(expr->args[0].get()));
    const bool of_optional = expr->macro == Expr::Macro::kOptMap || expr->macro == Expr::Macro::kOptFlatMap;
    TypePtr element;
    const Kind wanted = of_optional ? Kind::kOptional : Kind::kList;
    if (IsDyn(range)) {
      element = Dyn();
    } else if (range->kind() == wanted) {
      element = range->element();
    } else if (!of_optional && range->kind() == Kind::kMap) {
      element = range->key();
    } else {
      return Bad(*expr,
                 absl::StrCat(expr->name, "() needs ", of_optional ? "an optional value" : "a list or a map",
                              ", not ", range->ToString()));
    }
    expr->variable = scope_.size();
    scope_.push_back({expr->variable_name, element});
    absl::StatusOr<TypePtr> result = MacroBody(expr, element);
    scope_.pop_back();
    return result;
  }

  absl::StatusOr<TypePtr> MacroBody(Expr* expr, const TypePtr& element) {
    Expr* last = expr->args.back().get();
    switch (expr->macro) {
      case Expr::Macro::kMap:
        if (expr->args.size() == 3) XPU_RETURN_IF_ERROR(WantBool(expr->args[1].get(), "map()"));
        break;
      case Expr::Macro::kOptMap:
      case Expr::Macro::kOptFlatMap:
        break;
      default:
        XPU_RETURN_IF_ERROR(WantBool(last, expr->name + "()"));
        return expr->macro == Expr::Macro::kFilter ? Type::List(element) : Bool();
    }
    XPU_ASSIGN_OR_RETURN(const TypePtr type, Node(last));
    if (expr->macro == Expr::Macro::kMap) return Type::List(type);
    if (expr->macro == Expr::Macro::kOptMap) return Type::Optional(type);
    if (IsDyn(type) || type->kind() == Kind::kOptional) return type;
    return Bad(*last, absl::StrCat("optFlatMap() needs an optional value, not ", type->ToString()));
  }

  const absl::string_view text_;
  const size_t given_;
  std::vector<Variable> scope_;
  std::vector<bool> uses_;
};

}  // namespace

absl::StatusOr<Checked> Check(absl::string_view text, const std::vector<Variable>& variables, Expr* expr) {
  Checker checker(text, variables);
  XPU_ASSIGN_OR_RETURN(TypePtr type, checker.Node(expr));
  return Checked{std::move(type), checker.TakeUses()};
}

}  // namespace xpu::cel
