// Operators (cel-spec, "Standard Definitions"): nothing is converted, and what does not fit is an error.
#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/cel/functions.h"
#include "common/cel/text.h"
#include "nlohmann/json.hpp"

namespace xpu::cel {
namespace {

using nlohmann::json;
using Result = absl::StatusOr<Value>;

absl::Status Overflow(absl::string_view type) { return BadArgument(absl::StrCat(type, " overflow")); }

template <class T>
constexpr absl::string_view kTypeName = std::is_signed_v<T> ? "integer" : "unsigned integer";

template <class T>
struct Operands {
  explicit Operands(const Call& call) : a(*call.args[0].As<T>()), b(*call.args[1].As<T>()) {}
  const T a, b;
};

template <class T>
Result Add(const Call& call) {
  const Operands<T> in(call);
  T out = 0;
  if (__builtin_add_overflow(in.a, in.b, &out)) return Overflow(kTypeName<T>);
  return Value(out);
}

template <>
Result Add<double>(const Call& call) {
  const Operands<double> in(call);
  return Value(in.a + in.b);
}

template <class T>
Result Subtract(const Call& call) {
  const Operands<T> in(call);
  T out = 0;
  if (__builtin_sub_overflow(in.a, in.b, &out)) return Overflow(kTypeName<T>);
  return Value(out);
}

template <>
Result Subtract<double>(const Call& call) {
  const Operands<double> in(call);
  return Value(in.a - in.b);
}

template <class T>
Result Multiply(const Call& call) {
  const Operands<T> in(call);
  T out = 0;
  if (__builtin_mul_overflow(in.a, in.b, &out)) return Overflow(kTypeName<T>);
  return Value(out);
}

template <>
Result Multiply<double>(const Call& call) {
  const Operands<double> in(call);
  return Value(in.a * in.b);
}

// The least int by -1 is one more than the greatest.
template <class T>
bool IsLeastByMinusOne(T a, T b) {
  if constexpr (std::is_signed_v<T>) return a == std::numeric_limits<T>::min() && b == -1;
  return false;
}

template <class T>
Result Divide(const Call& call) {
  const Operands<T> in(call);
  if (in.b == 0) return BadArgument("division by zero");
  if (IsLeastByMinusOne(in.a, in.b)) return Overflow(kTypeName<T>);
  return Value(static_cast<T>(in.a / in.b));
}

double Quotient(double a, double b) {
  // As IEEE 754 has it: the C++ language leaves it open.
  if (b != 0) return a / b;
  if (a == 0 || std::isnan(a) || std::isnan(b)) return std::numeric_limits<double>::quiet_NaN();
  return std::signbit(a) == std::signbit(b) ? HUGE_VAL : -HUGE_VAL;
}

template <>
Result Divide<double>(const Call& call) {
  const Operands<double> in(call);
  return Value(Quotient(in.a, in.b));
}

template <class T>
Result Remainder(const Call& call) {
  const Operands<T> in(call);
  if (in.b == 0) return BadArgument("modulus by zero");
  if (IsLeastByMinusOne(in.a, in.b)) return Overflow(kTypeName<T>);
  return Value(static_cast<T>(in.a % in.b));
}

Result NegateInt(const Call& call) {
  if (call.integer(0) == INT64_MIN) return Overflow("integer");
  return Value(-call.integer(0));
}
Result NegateDouble(const Call& call) { return Value(-*call.args[0].As<double>()); }
Result Not(const Call& call) { return Value(!call.args[0].as_bool()); }

Result JoinStrings(const Call& call) {
  const absl::string_view a = call.text(0), b = call.text(1);
  if (!call.budget.SpendOnText(a.size() + b.size())) return Exhausted();
  return Value::String(absl::StrCat(a, b));
}

Result JoinBytes(const Call& call) {
  const std::string& a = *call.args[0].As<Value::Bytes>()->octets;
  const std::string& b = *call.args[1].As<Value::Bytes>()->octets;
  if (!call.budget.SpendOnText(a.size() + b.size())) return Exhausted();
  return Value::OfBytes(a + b);
}

// The keys of an element of a keyed list; null if it is not of JSON.
json KeysOf(const Value& element, const std::vector<std::string>& names) {
  const auto* map = element.As<Value::MapPtr>();
  if (map == nullptr || (*map)->source() == nullptr) return json();
  json keys = json::array();
  for (const std::string& name : names) {
    const auto it = (*map)->source()->find(name);
    keys.push_back(it == (*map)->source()->end() ? json() : *it);
  }
  return keys;
}

// As Kubernetes adds lists: sets are united; of keyed lists the second one's elements take the places of
// those that have their keys.
Result JoinLists(const Call& call) {
  const List& a = call.list(0);
  const List& b = call.list(1);
  const Type::ListSort sort = a.type() == nullptr ? Type::ListSort::kAtomic : a.type()->list_sort();
  std::vector<Value> elements;
  std::map<Value, bool, ScalarLess> members;
  std::map<json, size_t> places;
  const auto add = [&](Value element) {
    if (sort == Type::ListSort::kSet && !members.emplace(element, true).second) return;
    if (sort == Type::ListSort::kMap) {
      const json keys = KeysOf(element, a.type()->list_keys());
      if (!keys.is_null()) {
        const auto [place, is_new] = places.emplace(keys, elements.size());
        if (!is_new) {
          elements[place->second] = std::move(element);
          return;
        }
      }
    }
    elements.push_back(std::move(element));
  };
  for (const List* list : {&a, &b}) {
    for (size_t i = 0; i < list->size(); ++i) {
      XPU_ASSIGN_OR_RETURN(Value element, list->at(i));
      // Strings are compared only in sets; bytes are decoded.
      if (!SpendOn(element, &call.budget)) return Exhausted();
      add(std::move(element));
    }
  }
  if (sort == Type::ListSort::kAtomic) return Value::OfList(std::move(elements));
  return Value::OfList(std::move(elements),
                       Type::List(a.type()->element(), a.type()->list_sort(), a.type()->list_keys()));
}

Result TimeOrError(absl::Time time) {
  if (!IsTimestampInRange(time)) return Overflow("timestamp");
  return Value(time);
}
Result DurationOrError(absl::Duration duration) {
  if (!IsDurationInRange(duration)) return Overflow("duration");
  return Value(duration);
}
absl::Time TimeArg(const Call& call, size_t arg) { return *call.args[arg].As<absl::Time>(); }
absl::Duration DurationArg(const Call& call, size_t arg) { return *call.args[arg].As<absl::Duration>(); }

Result EqualValues(const Call& call) {
  XPU_ASSIGN_OR_RETURN(const bool equal, Equal(call.args[0], call.args[1], &call.budget));
  return Value(equal);
}
Result DifferentValues(const Call& call) {
  XPU_ASSIGN_OR_RETURN(const bool equal, Equal(call.args[0], call.args[1], &call.budget));
  return Value(!equal);
}

// Counts what a comparison of texts looks at.
absl::StatusOr<std::optional<int>> Order(const Call& call) {
  size_t octets = 0;
  if (call.args[0].As<Value::Text>() != nullptr) octets = std::min(call.text(0).size(), call.text(1).size());
  if (!call.budget.Spend(octets / 10)) return Exhausted();
  return Compare(call.args[0], call.args[1]);
}

template <bool (*Holds)(int)>
Result Ordered(const Call& call) {
  XPU_ASSIGN_OR_RETURN(const std::optional<int> order, Order(call));
  return Value(order.has_value() && Holds(*order));
}

bool IsLess(int order) { return order < 0; }
bool IsLessOrEqual(int order) { return order <= 0; }
bool IsGreater(int order) { return order > 0; }
bool IsGreaterOrEqual(int order) { return order >= 0; }

Result InList(const Call& call) {
  const List& list = call.list(1);
  for (size_t i = 0; i < list.size(); ++i) {
    XPU_ASSIGN_OR_RETURN(const Value element, list.at(i));
    XPU_ASSIGN_OR_RETURN(const bool equal, Equal(element, call.args[0], &call.budget));
    if (equal) return Value(true);
  }
  return Value(false);
}

Result InMap(const Call& call) {
  if (!SpendOn(call.args[0], &call.budget)) return Exhausted();
  XPU_ASSIGN_OR_RETURN(const std::optional<Value> found, call.args[1].map().Find(call.args[0]));
  return Value(found.has_value());
}

void AddOrder(const char* function, Implementation run, Library* library) {
  for (const char* type : {"bool", "int", "uint", "double", "string", "bytes", "timestamp", "duration"}) {
    library->Add(absl::StrCat(function, "(", type, ", ", type, ") -> bool"), run);
  }
  for (const char* a : {"int", "uint", "double"}) {
    for (const char* b : {"int", "uint", "double"}) {
      if (a != b) library->Add(absl::StrCat(function, "(", a, ", ", b, ") -> bool"), run);
    }
  }
}

void AddTimeOperators(Library* library) {
  library->Add("_+_(timestamp, duration) -> timestamp",
               [](const Call& c) { return TimeOrError(TimeArg(c, 0) + DurationArg(c, 1)); });
  library->Add("_+_(duration, timestamp) -> timestamp",
               [](const Call& c) { return TimeOrError(TimeArg(c, 1) + DurationArg(c, 0)); });
  library->Add("_+_(duration, duration) -> duration",
               [](const Call& c) { return DurationOrError(DurationArg(c, 0) + DurationArg(c, 1)); });
  library->Add("_-_(timestamp, timestamp) -> duration",
               [](const Call& c) { return DurationOrError(TimeArg(c, 0) - TimeArg(c, 1)); });
  library->Add("_-_(timestamp, duration) -> timestamp",
               [](const Call& c) { return TimeOrError(TimeArg(c, 0) - DurationArg(c, 1)); });
  library->Add("_-_(duration, duration) -> duration",
               [](const Call& c) { return DurationOrError(DurationArg(c, 0) - DurationArg(c, 1)); });
}

}  // namespace

void AddOperators(Library* library) {
  library->Add("!_(bool) -> bool", Not);
  library->Add("-_(int) -> int", NegateInt);
  library->Add("-_(double) -> double", NegateDouble);
  library->Add("_+_(int, int) -> int", Add<int64_t>);
  library->Add("_+_(uint, uint) -> uint", Add<uint64_t>);
  library->Add("_+_(double, double) -> double", Add<double>);
  library->Add("_+_(string, string) -> string", JoinStrings);
  library->Add("_+_(bytes, bytes) -> bytes", JoinBytes);
  library->Add("_+_(list(A), list(A)) -> list(A)", JoinLists);
  library->Add("_-_(int, int) -> int", Subtract<int64_t>);
  library->Add("_-_(uint, uint) -> uint", Subtract<uint64_t>);
  library->Add("_-_(double, double) -> double", Subtract<double>);
  library->Add("_*_(int, int) -> int", Multiply<int64_t>);
  library->Add("_*_(uint, uint) -> uint", Multiply<uint64_t>);
  library->Add("_*_(double, double) -> double", Multiply<double>);
  library->Add("_/_(int, int) -> int", Divide<int64_t>);
  library->Add("_/_(uint, uint) -> uint", Divide<uint64_t>);
  library->Add("_/_(double, double) -> double", Divide<double>);
  library->Add("_%_(int, int) -> int", Remainder<int64_t>);
  library->Add("_%_(uint, uint) -> uint", Remainder<uint64_t>);
  AddTimeOperators(library);
  library->Add("_==_(A, A) -> bool", EqualValues);
  library->Add("_!=_(A, A) -> bool", DifferentValues);
  AddOrder("_<_", Ordered<IsLess>, library);
  AddOrder("_<=_", Ordered<IsLessOrEqual>, library);
  AddOrder("_>_", Ordered<IsGreater>, library);
  AddOrder("_>=_", Ordered<IsGreaterOrEqual>, library);
  library->Add("@in(A, list(A)) -> bool", InList);
  library->Add("@in(A, map(A, B)) -> bool", InMap);
}

}  // namespace xpu::cel
