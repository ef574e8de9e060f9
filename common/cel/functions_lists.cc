// Kubernetes' library of lists, and sets (cel-go's ext.Sets).
#include <set>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/cel/functions.h"
#include "common/cel/text.h"

namespace xpu::cel {
namespace {

using Kind = Type::Kind;
using Result = absl::StatusOr<Value>;

absl::Status CannotCompare(const Value& a, const Value& b) {
  return BadArgument(
      absl::StrCat("no such overload: ", a.ToString(), " and ", b.ToString(), " have no order"));
}

// -1, 0 or 1 between neighbours; 1 for NaN, which is in no order.
absl::StatusOr<int> OrderOf(const Value& a, const Value& b) {
  if (const std::optional<int> order = Compare(a, b)) return *order;
  if (a.As<double>() != nullptr || b.As<double>() != nullptr) return 1;
  return CannotCompare(a, b);
}

Result IsSorted(const Call& call) {
  const List& list = call.list(0);
  Value before;
  for (size_t i = 0; i < list.size(); ++i) {
    XPU_ASSIGN_OR_RETURN(Value element, list.at(i));
    if (!SpendOn(element, &call.budget)) return Exhausted();
    if (i > 0) {
      XPU_ASSIGN_OR_RETURN(const int order, OrderOf(before, element));
      if (order > 0) return Value(false);
    }
    before = std::move(element);
  }
  return Value(true);
}

Result Extreme(const Call& call, int wanted, absl::string_view function) {
  const List& list = call.list(0);
  if (list.size() == 0) return BadArgument(absl::StrCat(function, "() of an empty list"));
  XPU_ASSIGN_OR_RETURN(Value best, list.at(0));
  for (size_t i = 1; i < list.size(); ++i) {
    XPU_ASSIGN_OR_RETURN(Value element, list.at(i));
    if (!SpendOn(element, &call.budget)) return Exhausted();
    XPU_ASSIGN_OR_RETURN(const int order, OrderOf(element, best));
    if (order == wanted) best = std::move(element);
  }
  return best;
}

Result Least(const Call& call) { return Extreme(call, -1, "min"); }
Result Greatest(const Call& call) { return Extreme(call, 1, "max"); }

Result AddOne(const Value& sum, const Value& element) {
  if (const auto* a = sum.As<int64_t>(), *b = element.As<int64_t>(); a != nullptr && b != nullptr) {
    int64_t out = 0;
    if (__builtin_add_overflow(*a, *b, &out)) return BadArgument("integer overflow");
    return Value(out);
  }
  if (const auto* a = sum.As<uint64_t>(), *b = element.As<uint64_t>(); a != nullptr && b != nullptr) {
    uint64_t out = 0;
    if (__builtin_add_overflow(*a, *b, &out)) return BadArgument("unsigned integer overflow");
    return Value(out);
  }
  if (const auto* a = sum.As<double>(), *b = element.As<double>(); a != nullptr && b != nullptr)
    return Value(*a + *b);
  if (const auto* a = sum.As<absl::Duration>(), *b = element.As<absl::Duration>();
      a != nullptr && b != nullptr) {
    if (!IsDurationInRange(*a + *b)) return BadArgument("duration overflow");
    return Value(*a + *b);
  }
  return BadArgument(absl::StrCat("no such overload: ", sum.ToString(), " and ", element.ToString(),
                                  " cannot be added by sum()"));
}

// Of numbers or durations; of none it is T's nothing.
template <class T>
Result Sum(const Call& call) {
  const List& list = call.list(0);
  if (list.size() == 0) return Value(T());
  XPU_ASSIGN_OR_RETURN(Value sum, list.at(0));
  for (size_t i = 1; i < list.size(); ++i) {
    XPU_ASSIGN_OR_RETURN(const Value element, list.at(i));
    if (!SpendOn(element, &call.budget)) return Exhausted();
    XPU_ASSIGN_OR_RETURN(sum, AddOne(sum, element));
  }
  return sum;
}

Result FirstIndexInList(const Call& call) {
  for (size_t i = 0; i < call.list(0).size(); ++i) {
    XPU_ASSIGN_OR_RETURN(const Value element, call.list(0).at(i));
    XPU_ASSIGN_OR_RETURN(const bool equal, Equal(element, call.args[1], &call.budget));
    if (equal) return Value(static_cast<int64_t>(i));
  }
  return Value(int64_t{-1});
}

Result LastIndexInList(const Call& call) {
  for (size_t i = call.list(0).size(); i > 0; --i) {
    XPU_ASSIGN_OR_RETURN(const Value element, call.list(0).at(i - 1));
    XPU_ASSIGN_OR_RETURN(const bool equal, Equal(element, call.args[1], &call.budget));
    if (equal) return Value(static_cast<int64_t>(i - 1));
  }
  return Value(int64_t{-1});
}

// What is in a list: scalars are looked up, others compared one by one.
class Members {
 public:
  Members(const List& list, Budget* budget) : budget_(*budget) {
    for (size_t i = 0; i < list.size() && status_.ok(); ++i) {
      absl::StatusOr<Value> element = list.at(i);
      if (!element.ok()) {
        status_ = element.status();
      } else if (!SpendOn(*element, budget)) {
        status_ = Exhausted();
      } else if (IsScalar(*element)) {
        scalars_.insert(*std::move(element));
      } else {
        others_.push_back(*std::move(element));
      }
    }
  }

  absl::StatusOr<bool> Has(const Value& value) const {
    XPU_RETURN_IF_ERROR(status_);
    if (!SpendOn(value, &budget_)) return Exhausted();
    if (IsScalar(value)) return scalars_.count(value) > 0;
    for (const Value& other : others_) {
      XPU_ASSIGN_OR_RETURN(const bool equal, Equal(other, value, &budget_));
      if (equal) return true;
    }
    return false;
  }

 private:
  static bool IsScalar(const Value& value) { return Compare(value, value).has_value(); }

  Budget& budget_;
  absl::Status status_;
  std::set<Value, ScalarLess> scalars_;
  std::vector<Value> others_;
};

// How many of `list` are among `members`; stops at the first that is, or is not, as `stop_at` says.
absl::StatusOr<bool> Any(const List& list, const Members& members, bool stop_at) {
  for (size_t i = 0; i < list.size(); ++i) {
    XPU_ASSIGN_OR_RETURN(const Value element, list.at(i));
    XPU_ASSIGN_OR_RETURN(const bool has, members.Has(element));
    if (has == stop_at) return true;
  }
  return false;
}

Result SetContains(const Call& call) {
  XPU_ASSIGN_OR_RETURN(const bool missing,
                       Any(call.list(1), Members(call.list(0), &call.budget), /*stop_at=*/false));
  return Value(!missing);
}

Result SetIntersects(const Call& call) {
  XPU_ASSIGN_OR_RETURN(const bool common,
                       Any(call.list(1), Members(call.list(0), &call.budget), /*stop_at=*/true));
  return Value(common);
}

Result SetEquivalent(const Call& call) {
  XPU_ASSIGN_OR_RETURN(const bool more,
                       Any(call.list(1), Members(call.list(0), &call.budget), /*stop_at=*/false));
  if (more) return Value(false);
  XPU_ASSIGN_OR_RETURN(const bool less,
                       Any(call.list(0), Members(call.list(1), &call.budget), /*stop_at=*/false));
  return Value(!less);
}

}  // namespace

void AddLists(Library* library) {
  for (const char* type : {"int", "uint", "double", "bool", "duration", "timestamp", "string", "bytes"}) {
    library->Add(absl::StrCat("list(", type, ").isSorted() -> bool"), IsSorted);
    library->Add(absl::StrCat("list(", type, ").min() -> ", type), Least);
    library->Add(absl::StrCat("list(", type, ").max() -> ", type), Greatest);
  }
  library->Add("list(int).sum() -> int", Sum<int64_t>);
  library->Add("list(uint).sum() -> uint", Sum<uint64_t>);
  library->Add("list(double).sum() -> double", Sum<double>);
  library->Add("list(duration).sum() -> duration", Sum<absl::Duration>);
  library->Add("list(A).indexOf(A) -> int", FirstIndexInList);
  library->Add("list(A).lastIndexOf(A) -> int", LastIndexInList);
  library->Add("sets.contains(list(A), list(A)) -> bool", SetContains);
  library->Add("sets.intersects(list(A), list(A)) -> bool", SetIntersects);
  library->Add("sets.equivalent(list(A), list(A)) -> bool", SetEquivalent);
}

}  // namespace xpu::cel
