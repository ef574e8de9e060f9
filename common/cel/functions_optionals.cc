// Optional values (cel-go's OptionalTypes). What or() and orValue() do not need is not evaluated.
#include "common/base/status_macros.h"
#include "common/cel/functions.h"

namespace xpu::cel {
namespace {

using Kind = Type::Kind;
using Result = absl::StatusOr<Value>;

const std::shared_ptr<const Value>& Held(const Call& call, size_t arg) {
  return call.args[arg].As<Value::Optional>()->value;
}

// False, 0, "", nothing in it, null.
bool IsZero(const Value& value) {
  switch (value.kind()) {
    case Kind::kNull:
      return true;
    case Kind::kBool:
      return !value.as_bool();
    case Kind::kInt:
    case Kind::kUint:
    case Kind::kDouble:
      return Compare(value, Value(int64_t{0})) == 0;
    case Kind::kString:
      return value.text().empty();
    case Kind::kBytes:
      return value.As<Value::Bytes>()->octets->empty();
    case Kind::kDuration:
      return *value.As<absl::Duration>() == absl::ZeroDuration();
    case Kind::kList:
      return value.list().size() == 0;
    case Kind::kMap:
    case Kind::kObject:
      return value.map().size() == 0;
    case Kind::kOptional:
      return value.As<Value::Optional>()->value == nullptr;
    default:
      return false;
  }
}

Result Of(const Call& call) { return Value::Some(call.args[0]); }
Result NoneOf(const Call&) { return Value::None(); }
Result OfNonZero(const Call& call) {
  return IsZero(call.args[0]) ? Value::None() : Value::Some(call.args[0]);
}
Result HasValue(const Call& call) { return Value(Held(call, 0) != nullptr); }

Result HeldValue(const Call& call) {
  if (Held(call, 0) == nullptr)
    return BadArgument("optional.none() dereference: ask hasValue(), or use orValue()");
  return *Held(call, 0);
}

Result Or(const Call& call) { return call.args[Held(call, 0) != nullptr ? 0 : 1]; }
Result OrValue(const Call& call) { return Held(call, 0) != nullptr ? *Held(call, 0) : call.args[1]; }

}  // namespace

void AddOptionals(Library* library) {
  library->Add("optional.of(A) -> optional(A)", Of);
  library->Add("optional.none() -> optional(dyn)", NoneOf);
  library->Add("optional.ofNonZeroValue(A) -> optional(A)", OfNonZero);
  library->Add("optional(A).hasValue() -> bool", HasValue);
  library->Add("optional(A).value() -> A", HeldValue);
  library->Add("optional(A).or(optional(A)) -> optional(A)", Or);
  library->Add("optional(A).orValue(A) -> A", OrValue);
}

}  // namespace xpu::cel
