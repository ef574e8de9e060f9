// cel-spec, "Syntax" and "Macros"; optional types as Kubernetes has them.
#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/cel/lexer.h"
#include "common/cel/syntax.h"

namespace xpu::cel {
namespace {

struct MacroName {
  const char* name;
  Expr::Macro macro;
  size_t least, most;  // arguments, the variable included
};

constexpr MacroName kMacros[] = {
    {"all", Expr::Macro::kAll, 2, 2},
    {"exists", Expr::Macro::kExists, 2, 2},
    {"exists_one", Expr::Macro::kExistsOne, 2, 2},
    {"existsOne", Expr::Macro::kExistsOne, 2, 2},
    {"map", Expr::Macro::kMap, 2, 3},
    {"filter", Expr::Macro::kFilter, 2, 2},
    {"optMap", Expr::Macro::kOptMap, 2, 2},
    {"optFlatMap", Expr::Macro::kOptFlatMap, 2, 2},
};

struct BinaryOperator {
  const char* symbol;
  const char* function;
  int precedence;
};

// Of the left-associative ones; && and || have 2 and 1.
constexpr BinaryOperator kBinaryOperators[] = {
    {"==", "_==_", 3}, {"!=", "_!=_", 3}, {"<", "_<_", 3},  {"<=", "_<=_", 3},
    {">", "_>_", 3},   {">=", "_>=_", 3}, {"in", "@in", 3}, {"+", "_+_", 4},
    {"-", "_-_", 4},   {"*", "_*_", 5},   {"/", "_/_", 5},  {"%", "_%_", 5},
};

class Parser {
 public:
  Parser(absl::string_view text, std::vector<Token> tokens) : text_(text), tokens_(std::move(tokens)) {}

  absl::StatusOr<ExprPtr> Parse() {
    XPU_ASSIGN_OR_RETURN(ExprPtr root, Expression());
    if (Peek().kind != Token::Kind::kEnd) {
      return Bad(absl::StrCat("an operator is missing before ", Shown(), ", or it is one too many"));
    }
    return root;
  }

 private:
  const Token& Peek() const { return tokens_[at_]; }
  bool IsSymbol(absl::string_view symbol) const {
    return Peek().kind == Token::Kind::kSymbol && Peek().text == symbol;
  }
  bool Take(absl::string_view symbol) {
    if (!IsSymbol(symbol)) return false;
    ++at_;
    return true;
  }
  std::string Shown() const {
    switch (Peek().kind) {
      case Token::Kind::kEnd:
        return "the end";
      case Token::Kind::kString:
      case Token::Kind::kBytes:
        return "the string";
      default:
        return absl::StrCat("'", Peek().text, "'");
    }
  }
  absl::Status Bad(absl::string_view message) const { return ErrorAt(text_, Peek().position, message); }
  absl::Status Want(absl::string_view symbol) {
    if (Take(symbol)) return absl::OkStatus();
    return Bad(absl::StrCat("'", symbol, "' is missing before ", Shown()));
  }

  static ExprPtr New(Expr::Kind kind, size_t position) {
    auto node = std::make_unique<Expr>();
    node->kind = kind;
    node->position = position;
    return node;
  }
  // The node, with the depth that its arguments give it.
  absl::StatusOr<ExprPtr> Done(ExprPtr node) const {
    for (const ExprPtr& arg : node->args) node->depth = std::max(node->depth, arg->depth + 1);
    if (node->depth > kMaxExpressionDepth) {
      return ErrorAt(text_, node->position,
                     absl::StrCat("the expression is nested more than ", kMaxExpressionDepth,
                                  " levels deep; split it into several rules"));
    }
    return node;
  }

  // Counts what recurses while it parses.
  class Level {
   public:
    explicit Level(int* depth) : depth_(*depth) { ++depth_; }
    ~Level() { --depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    int& depth_;
  };

  absl::StatusOr<ExprPtr> Expression() {
    const Level level(&level_);
    if (level_ > kMaxExpressionDepth) {
      return Bad(absl::StrCat("the expression is nested more than ", kMaxExpressionDepth, " levels deep"));
    }
    XPU_ASSIGN_OR_RETURN(ExprPtr condition, Binary(1));
    if (!IsSymbol("?")) return condition;
    ExprPtr node = New(Expr::Kind::kIf, Peek().position);
    ++at_;
    node->args.push_back(std::move(condition));
    XPU_ASSIGN_OR_RETURN(ExprPtr yes, Binary(1));
    node->args.push_back(std::move(yes));
    XPU_RETURN_IF_ERROR(Want(":"));
    XPU_ASSIGN_OR_RETURN(ExprPtr no, Expression());
    node->args.push_back(std::move(no));
    return Done(std::move(node));
  }

  const BinaryOperator* OperatorHere() const {
    if (Peek().kind != Token::Kind::kSymbol && Peek().kind != Token::Kind::kReserved) return nullptr;
    const auto it = std::find_if(std::begin(kBinaryOperators), std::end(kBinaryOperators),
                                 [&](const BinaryOperator& op) { return Peek().text == op.symbol; });
    return it == std::end(kBinaryOperators) ? nullptr : it;
  }

  // What binds at least as closely as `precedence`: 1 for ||, 2 for &&, 3 and more for the others.
  absl::StatusOr<ExprPtr> Binary(int precedence) {
    if (precedence <= 2) return Logic(precedence);
    XPU_ASSIGN_OR_RETURN(ExprPtr left, Unary());
    while (true) {
      const BinaryOperator* op = OperatorHere();
      if (op == nullptr || op->precedence < precedence) return left;
      ExprPtr node = New(Expr::Kind::kCall, Peek().position);
      node->name = op->function;
      ++at_;
      XPU_ASSIGN_OR_RETURN(ExprPtr right, Binary(op->precedence + 1));
      node->args.push_back(std::move(left));
      node->args.push_back(std::move(right));
      XPU_ASSIGN_OR_RETURN(left, Done(std::move(node)));
    }
  }

  // A chain is one node, however long it is.
  absl::StatusOr<ExprPtr> Logic(int precedence) {
    const char* symbol = precedence == 1 ? "||" : "&&";
    XPU_ASSIGN_OR_RETURN(ExprPtr first, Binary(precedence + 1));
    if (!IsSymbol(symbol)) return first;
    ExprPtr node = New(precedence == 1 ? Expr::Kind::kOr : Expr::Kind::kAnd, Peek().position);
    node->args.push_back(std::move(first));
    while (Take(symbol)) {
      XPU_ASSIGN_OR_RETURN(ExprPtr next, Binary(precedence + 1));
      node->args.push_back(std::move(next));
    }
    return Done(std::move(node));
  }

  absl::StatusOr<ExprPtr> Unary() {
    std::vector<std::pair<size_t, const char*>> operators;
    while (IsSymbol("!") || IsSymbol("-")) {
      operators.emplace_back(Peek().position, Peek().text == "!" ? "!_" : "-_");
      ++at_;
    }
    // The least integer can only be written with its sign.
    const bool negative = !operators.empty() && operators.back().second[0] == '-';
    if (negative && (Peek().kind == Token::Kind::kInt || Peek().kind == Token::Kind::kDouble)) {
      operators.pop_back();
      --at_;
    }
    XPU_ASSIGN_OR_RETURN(ExprPtr node, Member());
    for (; !operators.empty(); operators.pop_back()) {
      ExprPtr outer = New(Expr::Kind::kCall, operators.back().first);
      outer->name = operators.back().second;
      outer->args.push_back(std::move(node));
      XPU_ASSIGN_OR_RETURN(node, Done(std::move(outer)));
    }
    return node;
  }

  absl::StatusOr<ExprPtr> Member() {
    XPU_ASSIGN_OR_RETURN(ExprPtr node, Primary());
    while (true) {
      const size_t position = Peek().position;
      if (IsSymbol(".") || IsSymbol(".?")) {
        const bool optional = Take(".?");
        if (!optional) ++at_;
        XPU_ASSIGN_OR_RETURN(node, Selection(std::move(node), optional, position));
      } else if (IsSymbol("[") || IsSymbol("[?")) {
        ExprPtr index = New(Expr::Kind::kIndex, position);
        index->optional = Take("[?");
        if (!index->optional) ++at_;
        XPU_ASSIGN_OR_RETURN(ExprPtr key, Expression());
        XPU_RETURN_IF_ERROR(Want("]"));
        index->args.push_back(std::move(node));
        index->args.push_back(std::move(key));
        XPU_ASSIGN_OR_RETURN(node, Done(std::move(index)));
      } else if (IsSymbol("{")) {
        return Bad("rules cannot make messages; compare the fields instead");
      } else {
        return node;
      }
    }
  }

  // Behind a dot.
  absl::StatusOr<ExprPtr> Selection(ExprPtr target, bool optional, size_t position) {
    if (Peek().kind == Token::Kind::kReserved) {
      return Bad(absl::StrCat("'", Peek().text, "' is a reserved word: the field is called __", Peek().text,
                              "__ in a rule"));
    }
    if (Peek().kind != Token::Kind::kIdent) return Bad(absl::StrCat("a name is missing before ", Shown()));
    const Token name = Peek();
    ++at_;
    if (optional || !IsSymbol("(")) {
      ExprPtr node = New(Expr::Kind::kSelect, position);
      node->name = name.text;
      node->optional = optional;
      node->args.push_back(std::move(target));
      return Done(std::move(node));
    }
    ExprPtr node = New(Expr::Kind::kCall, name.position);
    node->name = name.text;
    node->member = true;
    node->args.push_back(std::move(target));
    XPU_RETURN_IF_ERROR(Arguments(node.get()));
    const auto macro = std::find_if(std::begin(kMacros), std::end(kMacros), [&](const MacroName& m) {
      const size_t arguments = node->args.size() - 1;
      return name.text == m.name && arguments >= m.least && arguments <= m.most;
    });
    if (macro == std::end(kMacros)) return Done(std::move(node));
    return ToMacro(*macro, std::move(node));
  }

  absl::StatusOr<ExprPtr> ToMacro(const MacroName& macro, ExprPtr call) {
    const Expr& variable = *call->args[1];
    if (variable.kind != Expr::Kind::kIdent) {
      return ErrorAt(text_, variable.position,
                     absl::StrCat(macro.name, "() needs the name of a variable first, such as x"));
    }
    call->kind = Expr::Kind::kMacro;
    call->macro = macro.macro;
    call->variable_name = variable.name;
    call->args.erase(call->args.begin() + 1);
    return Done(std::move(call));
  }

  // "(" arguments ")".
  absl::Status Arguments(Expr* node) {
    XPU_RETURN_IF_ERROR(Want("("));
    if (Take(")")) return absl::OkStatus();
    do {
      XPU_ASSIGN_OR_RETURN(ExprPtr arg, Expression());
      node->args.push_back(std::move(arg));
    } while (Take(","));
    return Want(")");
  }

  absl::StatusOr<ExprPtr> Primary() {
    const Token token = Peek();
    switch (token.kind) {
      case Token::Kind::kIdent:
        return Identifier();
      case Token::Kind::kReserved:
        return ReservedWord(token);
      case Token::Kind::kEnd:
        return Bad("the expression ends where a value is missing");
      case Token::Kind::kSymbol:
        return Bracketed(token);
      default:
        return Literal(token, /*negative=*/false);
    }
  }

  absl::StatusOr<ExprPtr> Identifier() {
    const Token token = Peek();
    ++at_;
    ExprPtr node = New(Expr::Kind::kIdent, token.position);
    node->name = token.text;
    if (!IsSymbol("(")) return node;
    node->kind = Expr::Kind::kCall;
    XPU_RETURN_IF_ERROR(Arguments(node.get()));
    if (token.text != "has") return Done(std::move(node));
    if (node->args.size() != 1 || node->args[0]->kind != Expr::Kind::kSelect || node->args[0]->optional) {
      return ErrorAt(text_, token.position, "has() needs a field, such as has(self.spec.name)");
    }
    ExprPtr field = std::move(node->args[0]);
    field->kind = Expr::Kind::kHas;
    return field;
  }

  absl::StatusOr<ExprPtr> ReservedWord(const Token& token) {
    ExprPtr node = New(Expr::Kind::kLiteral, token.position);
    if (token.text == "true" || token.text == "false") {
      node->value = Value(token.text == "true");
    } else if (token.text != "null") {
      return Bad(absl::StrCat("'", token.text, "' is a reserved word and no name"));
    }
    ++at_;
    return node;
  }

  absl::StatusOr<ExprPtr> Bracketed(const Token& token) {
    if (Take("-")) return Literal(Peek(), /*negative=*/true);
    // A name of the root: there is but one scope.
    if (Take(".")) {
      if (Peek().kind != Token::Kind::kIdent) return Bad(absl::StrCat("a name is missing before ", Shown()));
      return Identifier();
    }
    if (Take("(")) {
      XPU_ASSIGN_OR_RETURN(ExprPtr inner, Expression());
      XPU_RETURN_IF_ERROR(Want(")"));
      return inner;
    }
    if (IsSymbol("[?"))
      return Bad("optional elements of a list are not supported; use + and optional values");
    if (Take("[")) return Elements(token.position);
    if (Take("{")) return Entries(token.position);
    return Bad(absl::StrCat("a value is missing before ", Shown()));
  }

  absl::StatusOr<ExprPtr> Elements(size_t position) {
    ExprPtr node = New(Expr::Kind::kList, position);
    while (!IsSymbol("]")) {
      XPU_ASSIGN_OR_RETURN(ExprPtr element, Expression());
      node->args.push_back(std::move(element));
      if (!Take(",")) break;
    }
    XPU_RETURN_IF_ERROR(Want("]"));
    return Done(std::move(node));
  }

  absl::StatusOr<ExprPtr> Entries(size_t position) {
    ExprPtr node = New(Expr::Kind::kMap, position);
    while (!IsSymbol("}")) {
      if (IsSymbol("?")) return Bad("optional entries of a map are not supported");
      XPU_ASSIGN_OR_RETURN(ExprPtr key, Expression());
      XPU_RETURN_IF_ERROR(Want(":"));
      XPU_ASSIGN_OR_RETURN(ExprPtr value, Expression());
      node->args.push_back(std::move(key));
      node->args.push_back(std::move(value));
      if (!Take(",")) break;
    }
    XPU_RETURN_IF_ERROR(Want("}"));
    return Done(std::move(node));
  }

  absl::StatusOr<ExprPtr> Literal(const Token& token, bool negative) {
    ExprPtr node = New(Expr::Kind::kLiteral, token.position);
    constexpr uint64_t kLeast = uint64_t{1} << 63;  // without its sign
    switch (token.kind) {
      case Token::Kind::kInt:
        if (token.number > kLeast - (negative ? 0 : 1)) return Bad("the number does not fit into an int");
        node->value =
            Value(negative ? static_cast<int64_t>(0 - token.number) : static_cast<int64_t>(token.number));
        break;
      case Token::Kind::kUint:
        node->value = Value(token.number);
        break;
      case Token::Kind::kDouble:
        node->value = Value(negative ? -token.real : token.real);
        break;
      case Token::Kind::kString:
        node->value = Value::String(token.text);
        break;
      default:
        node->value = Value::OfBytes(token.text);
        break;
    }
    ++at_;
    return node;
  }

  const absl::string_view text_;
  const std::vector<Token> tokens_;
  size_t at_ = 0;
  int level_ = 0;
};

}  // namespace

absl::StatusOr<ExprPtr> Parse(absl::string_view text) {
  if (text.size() > kMaxExpressionLength) {
    return absl::InvalidArgumentError(absl::StrCat("the expression has ", text.size(), " octets; at most ",
                                                   kMaxExpressionLength,
                                                   " are taken: split it into several rules"));
  }
  XPU_ASSIGN_OR_RETURN(std::vector<Token> tokens, Lex(text));
  return Parser(text, std::move(tokens)).Parse();
}

}  // namespace xpu::cel
