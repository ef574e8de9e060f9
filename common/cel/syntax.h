#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/cel/value.h"

namespace re2 {
class RE2;
}

namespace xpu::cel {

struct Overload;

// A node of the syntax tree; the macros are nodes of their own, not what they stand for.
struct Expr {
  enum class Kind {
    kLiteral,  // value
    kIdent,    // name; variable, or value for the name of a type
    kSelect,   // args[0].name; `optional`: args[0].?name
    kHas,      // has(args[0].name)
    kIndex,    // args[0][args[1]]; `optional`: args[0][?args[1]]
    kCall,     // name(args...), or args[0].name(args[1]...) if `member`; operators have names such as "_+_"
    kAnd,      // all of args
    kOr,       // any of args
    kIf,       // args[0] ? args[1] : args[2]
    kList,     // args
    kMap,      // args: key, value, key, value...
    kMacro,    // args[0].name(variable, args[1]...)
  };
  enum class Macro { kAll, kExists, kExistsOne, kMap, kFilter, kOptMap, kOptFlatMap };

  Kind kind = Kind::kLiteral;
  Macro macro = Macro::kAll;
  bool member = false;
  bool optional = false;
  size_t position = 0;  // octet of the text
  int depth = 1;        // of the tree below, this node included
  std::string name;
  std::string variable_name;  // of a macro
  Value value;
  std::vector<std::unique_ptr<Expr>> args;

  // What the checker finds out.
  size_t variable = 0;                      // place of an identifier's value
  std::vector<const Overload*> overloads;   // that a call may mean, by the types that are known
  std::shared_ptr<const re2::RE2> pattern;  // of a call whose regular expression is a literal
};
using ExprPtr = std::unique_ptr<Expr>;

// Deeper or longer expressions are nobody's.
inline constexpr int kMaxExpressionDepth = 200;
inline constexpr size_t kMaxExpressionLength = 100000;  // octets

// The expression's tree. InvalidArgument with line and column, what is wrong and what would be right.
absl::StatusOr<ExprPtr> Parse(absl::string_view text);

}  // namespace xpu::cel
