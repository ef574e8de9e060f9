#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/cel/budget.h"
#include "common/cel/syntax.h"
#include "common/cel/value.h"

namespace xpu::cel {

// A call while it runs.
struct Call {
  absl::Span<const Value> args;  // of the overload's types; the receiver first
  const Expr& expr;
  Budget& budget;

  absl::string_view text(size_t arg) const { return args[arg].text(); }
  int64_t integer(size_t arg) const { return args[arg].as_int(); }
  const List& list(size_t arg) const { return args[arg].list(); }
};

using Implementation = absl::StatusOr<Value> (*)(const Call&);

// One of the ways in which a function can be called.
struct Overload {
  std::string function;  // "size", "_+_", "sets.contains"
  bool member = false;   // called on params[0]
  std::vector<TypePtr> params;
  TypePtr result;
  Implementation run = nullptr;

  // "string.indexOf(string, int)".
  std::string Signature() const;
  // Do values of these kinds go in? Parts of lists and maps are not looked at.
  bool Takes(absl::Span<const Value> args) const;
};

// Functions by name.
class Library {
 public:
  // `signature` is "function(type, ...) -> type", or "type.function(type, ...) -> type" for one that is
  // called on a value. Types: those of CEL, list(T), map(K, V), optional(T), IP, CIDR, URL, Quantity, Format,
  // and single capitals, which stand for any one type.
  void Add(absl::string_view signature, Implementation run);

  // Null if there is no function of this name.
  const std::vector<Overload>* Find(const std::string& function) const;

 private:
  std::map<std::string, std::vector<Overload>> functions_;
};

// All that rules can call: CEL's standard functions and Kubernetes' libraries. Safe from any thread.
const Library& Functions();

// The parts of Functions().
void AddOperators(Library* library);
void AddConversions(Library* library);
void AddStrings(Library* library);
void AddFormatting(Library* library);
void AddRegex(Library* library);
void AddTime(Library* library);
void AddLists(Library* library);
void AddOptionals(Library* library);
void AddAddresses(Library* library);
void AddUrls(Library* library);
void AddQuantities(Library* library);
void AddFormats(Library* library);

// Types that only functions make: "net.IP", "net.CIDR", "kubernetes.URL", "kubernetes.Quantity",
// "kubernetes.NamedFormat".
TypePtr OpaqueType(absl::string_view name);

inline absl::Status BadArgument(absl::string_view message) { return absl::InvalidArgumentError(message); }

// The compiled expression, which is kept in the tree if it is a literal; `pattern` is argument 1 or the like.
absl::StatusOr<std::shared_ptr<const re2::RE2>> CompilePattern(absl::string_view pattern);

// The URL part of Kubernetes' formats: an absolute URL or path.
bool IsUrl(absl::string_view text);

}  // namespace xpu::cel
