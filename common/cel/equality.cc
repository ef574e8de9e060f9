// Equality of values (cel-spec, "Equality"; Kubernetes, "Type system integration" for lists of JSON).
#include <set>

#include "common/base/status_macros.h"
#include "common/cel/value.h"
#include "nlohmann/json.hpp"

namespace xpu::cel {
namespace {

using nlohmann::json;
using Kind = Type::Kind;

// Steps for a look at all of it.
uint64_t SizeOf(const json& value) {
  if (value.is_string()) return 1 + value.get_ref<const std::string&>().size() / 10;
  uint64_t size = 1;
  if (value.is_structured()) {
    for (const json& inner : value) size += SizeOf(inner);
  }
  return size;
}

class Comparison {
 public:
  explicit Comparison(Budget* budget) : budget_(*budget) {}

  absl::StatusOr<bool> Values(const Value& a, const Value& b) {
    if (!SpendOn(a, &budget_)) return Exhausted();
    if (const auto* x = a.As<Value::ListPtr>()) {
      const auto* y = b.As<Value::ListPtr>();
      return y == nullptr ? absl::StatusOr<bool>(false) : Lists(**x, **y);
    }
    if (const auto* x = a.As<Value::MapPtr>()) {
      const auto* y = b.As<Value::MapPtr>();
      return y == nullptr ? absl::StatusOr<bool>(false) : Maps(**x, **y);
    }
    if (const auto* x = a.As<Value::Optional>()) {
      const auto* y = b.As<Value::Optional>();
      if (y == nullptr) return false;
      if (x->value == nullptr || y->value == nullptr) return x->value == y->value;
      return Values(*x->value, *y->value);
    }
    if (const auto* x = a.As<Value::OpaquePtr>()) {
      const auto* y = b.As<Value::OpaquePtr>();
      return y != nullptr && (*x)->type()->name() == (*y)->type()->name() && (*x)->Equals(**y);
    }
    if (const auto* x = a.As<TypePtr>()) {
      const auto* y = b.As<TypePtr>();
      return y != nullptr && (*x)->name() == (*y)->name();
    }
    if (a.As<Value::Null>() != nullptr) return b.As<Value::Null>() != nullptr;
    return Compare(a, b) == 0;
  }

 private:
  // The same JSON of one type is the same value; nothing where only a closer look can tell.
  template <class Container>
  absl::StatusOr<bool> IsSameJson(const Container& a, const Container& b) {
    if (a.source() == nullptr || b.source() == nullptr || a.type() != b.type()) return false;
    if (a.source() == b.source()) return true;
    if (!budget_.Spend(SizeOf(*a.source()))) return Exhausted();
    return *a.source() == *b.source();
  }

  absl::StatusOr<bool> Lists(const List& a, const List& b) {
    XPU_ASSIGN_OR_RETURN(const bool same, IsSameJson(a, b));
    if (same) return true;
    if (a.size() != b.size()) return false;
    const Type::ListSort sort = a.type() == nullptr ? Type::ListSort::kAtomic : a.type()->list_sort();
    if (sort == Type::ListSort::kSet) return Sets(a, b);
    if (sort == Type::ListSort::kMap && a.source() != nullptr && b.source() != nullptr)
      return KeyedLists(a, b);
    for (size_t i = 0; i < a.size(); ++i) {
      XPU_ASSIGN_OR_RETURN(const Value x, a.at(i));
      XPU_ASSIGN_OR_RETURN(const Value y, b.at(i));
      XPU_ASSIGN_OR_RETURN(const bool equal, Values(x, y));
      if (!equal) return false;
    }
    return true;
  }

  // Elements are scalars, in any order.
  absl::StatusOr<bool> Sets(const List& a, const List& b) {
    std::set<Value, ScalarLess> elements;
    for (size_t i = 0; i < a.size(); ++i) {
      XPU_ASSIGN_OR_RETURN(Value x, a.at(i));
      if (!SpendOn(x, &budget_)) return Exhausted();
      elements.insert(std::move(x));
    }
    for (size_t i = 0; i < b.size(); ++i) {
      XPU_ASSIGN_OR_RETURN(const Value y, b.at(i));
      if (!SpendOn(y, &budget_)) return Exhausted();
      if (elements.count(y) == 0) return false;
    }
    return true;
  }

  // Elements are found by their keys, in any order.
  absl::StatusOr<bool> KeyedLists(const List& a, const List& b) {
    const auto keys_of = [&](const json& element) {
      json keys = json::array();
      for (const std::string& key : a.type()->list_keys()) {
        const auto it = element.find(key);
        keys.push_back(it == element.end() ? json() : *it);
      }
      return keys;
    };
    std::map<json, size_t> places;
    for (size_t i = 0; i < a.size(); ++i) {
      if (!budget_.Spend(1)) return Exhausted();
      places[keys_of((*a.source())[i])] = i;
    }
    for (size_t i = 0; i < b.size(); ++i) {
      if (!budget_.Spend(1)) return Exhausted();
      const auto place = places.find(keys_of((*b.source())[i]));
      if (place == places.end()) return false;
      XPU_ASSIGN_OR_RETURN(const Value x, a.at(place->second));
      XPU_ASSIGN_OR_RETURN(const Value y, b.at(i));
      XPU_ASSIGN_OR_RETURN(const bool equal, Values(x, y));
      if (!equal) return false;
    }
    return true;
  }

  absl::StatusOr<bool> Maps(const Map& a, const Map& b) {
    XPU_ASSIGN_OR_RETURN(const bool same, IsSameJson(a, b));
    if (same) return true;
    if (a.size() != b.size()) return false;
    const bool objects = a.type() != nullptr && a.type()->kind() == Kind::kObject;
    if (objects) return b.source() == nullptr ? absl::StatusOr<bool>(false) : Objects(a, b);
    for (const Value& key : a.Keys()) {
      XPU_ASSIGN_OR_RETURN(const std::optional<Value> x, a.Find(key));
      XPU_ASSIGN_OR_RETURN(const std::optional<Value> y, b.Find(key));
      if (!x || !y) return false;
      XPU_ASSIGN_OR_RETURN(const bool equal, Values(*x, *y));
      if (!equal) return false;
    }
    return true;
  }

  // Fields that the schema names as what they are, others as JSON.
  absl::StatusOr<bool> Objects(const Map& a, const Map& b) {
    for (const auto& [name, inner] : a.source()->items()) {
      const auto other = b.source()->find(name);
      if (other == b.source()->end()) return false;
      const auto type = a.type()->fields().find(name);
      if (type == a.type()->fields().end()) {
        if (!budget_.Spend(SizeOf(inner))) return Exhausted();
        if (inner != *other) return false;
        continue;
      }
      XPU_ASSIGN_OR_RETURN(const Value x, Value::FromJson(inner, type->second));
      XPU_ASSIGN_OR_RETURN(const Value y, Value::FromJson(*other, type->second));
      XPU_ASSIGN_OR_RETURN(const bool equal, Values(x, y));
      if (!equal) return false;
    }
    return true;
  }

  Budget& budget_;
};

}  // namespace

bool SpendOn(const Value& value, Budget* budget) {
  if (value.As<Value::Text>() != nullptr) return budget->SpendOnText(value.text().size());
  if (const auto* v = value.As<Value::Bytes>()) return budget->SpendOnText(v->octets->size());
  return budget->Spend(1);
}

absl::StatusOr<bool> Equal(const Value& a, const Value& b, Budget* budget) {
  return Comparison(budget).Values(a, b);
}

}  // namespace xpu::cel
