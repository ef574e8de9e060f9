#include "common/cel/value.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/cel/text.h"

namespace xpu::cel {
namespace {

using Kind = Type::Kind;

// Longer text is cut in messages.
constexpr size_t kMaxQuoted = 80;

class MadeList : public List {
 public:
  MadeList(std::vector<Value> elements, TypePtr type)
      : elements_(std::move(elements)), type_(std::move(type)) {}
  size_t size() const override { return elements_.size(); }
  absl::StatusOr<Value> at(size_t index) const override { return elements_[index]; }
  const Type* type() const override { return type_.get(); }

 private:
  std::vector<Value> elements_;
  TypePtr type_;
};

class MadeMap : public Map {
 public:
  explicit MadeMap(std::vector<std::pair<Value, Value>> entries) {
    for (std::pair<Value, Value>& entry : entries) entries_.insert(std::move(entry));
  }
  size_t size() const override { return entries_.size(); }
  absl::StatusOr<std::optional<Value>> Find(const Value& key) const override {
    const auto it = entries_.find(key);
    if (it == entries_.end()) return std::optional<Value>();
    return std::optional<Value>(it->second);
  }
  std::vector<Value> Keys() const override {
    std::vector<Value> keys;
    keys.reserve(entries_.size());
    for (const auto& [key, value] : entries_) keys.push_back(key);
    return keys;
  }

 private:
  std::map<Value, Value, ScalarLess> entries_;
};

int OfLess(bool less, bool greater) { return less ? -1 : greater ? 1 : 0; }

template <class T>
int ThreeWay(const T& a, const T& b) {
  return OfLess(a < b, b < a);
}

// Exactly, without rounding the integer: -2^63 <= integer < 2^64.
std::optional<int> CompareWithDouble(absl::int128 integer, double number) {
  if (std::isnan(number)) return std::nullopt;
  if (number >= 18446744073709551616.0) return -1;
  if (number < -9223372036854775808.0) return 1;
  const double whole = std::trunc(number);
  const int of_whole = ThreeWay(integer, absl::int128(whole));
  return of_whole != 0 ? of_whole : ThreeWay(whole, number);
}

struct Number {
  bool is_double = false;
  double real = 0;
  absl::int128 integer = 0;
};

std::optional<Number> NumberOf(const Value& value) {
  if (const auto* v = value.As<int64_t>()) return Number{false, 0, *v};
  if (const auto* v = value.As<uint64_t>()) return Number{false, 0, *v};
  if (const auto* v = value.As<double>()) return Number{true, *v, 0};
  return std::nullopt;
}

std::optional<int> CompareNumbers(const Number& a, const Number& b) {
  if (a.is_double && b.is_double) {
    if (std::isnan(a.real) || std::isnan(b.real)) return std::nullopt;
    return ThreeWay(a.real, b.real);
  }
  if (!a.is_double && !b.is_double) return ThreeWay(a.integer, b.integer);
  if (b.is_double) return CompareWithDouble(a.integer, b.real);
  const std::optional<int> turned = CompareWithDouble(b.integer, a.real);
  if (!turned) return std::nullopt;
  return -*turned;
}

}  // namespace

Value Value::String(std::string text) {
  auto owner = std::make_shared<const std::string>(std::move(text));
  const absl::string_view view = *owner;
  return Value(Text{view, std::move(owner)});
}

Value Value::StringView(absl::string_view text) { return Value(Text{text, nullptr}); }
Value Value::OfBytes(std::string octets) {
  return Value(Bytes{std::make_shared<const std::string>(std::move(octets))});
}
Value Value::OfList(std::vector<Value> elements) { return OfList(std::move(elements), nullptr); }
Value Value::OfList(std::vector<Value> elements, TypePtr type) {
  return Value(ListPtr(std::make_shared<MadeList>(std::move(elements), std::move(type))));
}
Value Value::OfMap(std::vector<std::pair<Value, Value>> entries) {
  return Value(MapPtr(std::make_shared<MadeMap>(std::move(entries))));
}
Value Value::Some(Value value) { return Value(Optional{std::make_shared<const Value>(std::move(value))}); }
Value Value::None() { return Value(Optional{nullptr}); }

Type::Kind Value::kind() const {
  struct {
    Kind operator()(const Null&) const { return Kind::kNull; }
    Kind operator()(bool) const { return Kind::kBool; }
    Kind operator()(int64_t) const { return Kind::kInt; }
    Kind operator()(uint64_t) const { return Kind::kUint; }
    Kind operator()(double) const { return Kind::kDouble; }
    Kind operator()(const Text&) const { return Kind::kString; }
    Kind operator()(const Bytes&) const { return Kind::kBytes; }
    Kind operator()(absl::Time) const { return Kind::kTimestamp; }
    Kind operator()(absl::Duration) const { return Kind::kDuration; }
    Kind operator()(const ListPtr&) const { return Kind::kList; }
    Kind operator()(const MapPtr& map) const {
      return map->type() != nullptr && map->type()->kind() == Kind::kObject ? Kind::kObject : Kind::kMap;
    }
    Kind operator()(const TypePtr&) const { return Kind::kType; }
    Kind operator()(const Optional&) const { return Kind::kOptional; }
    Kind operator()(const OpaquePtr&) const { return Kind::kOpaque; }
  } visitor;
  return std::visit(visitor, rep_);
}

TypePtr Value::type() const {
  static const TypePtr& list = *new TypePtr(Type::List(Type::Of(Kind::kDyn)));
  static const TypePtr& map = *new TypePtr(Type::Map(Type::Of(Kind::kDyn), Type::Of(Kind::kDyn)));
  static const TypePtr& optional = *new TypePtr(Type::Optional(Type::Of(Kind::kDyn)));
  switch (const Kind kind = this->kind()) {
    case Kind::kList:
      return list;
    case Kind::kMap:
      return map;
    case Kind::kObject:
      return Type::Object(this->map().type()->name(), {});
    case Kind::kOptional:
      return optional;
    case Kind::kOpaque:
      return (*As<OpaquePtr>())->type();
    default:
      return Type::Of(kind);
  }
}

std::string Value::ToString() const {
  switch (kind()) {
    case Kind::kNull:
      return "null";
    case Kind::kBool:
      return as_bool() ? "true" : "false";
    case Kind::kInt:
      return absl::StrCat(as_int());
    case Kind::kUint:
      return absl::StrCat(*As<uint64_t>(), "u");
    case Kind::kDouble:
      return DoubleText(*As<double>());
    case Kind::kString:
      return absl::StrCat("'", absl::Utf8SafeCEscape(text().substr(0, kMaxQuoted)),
                          text().size() > kMaxQuoted ? "..." : "", "'");
    case Kind::kTimestamp:
      return TimestampText(*As<absl::Time>());
    case Kind::kDuration:
      return DurationText(*As<absl::Duration>());
    case Kind::kType:
      return (*As<TypePtr>())->name();
    case Kind::kOpaque:
      return (*As<OpaquePtr>())->ToString();
    case Kind::kOptional:
      return As<Optional>()->value == nullptr ? "optional.none()" : "optional.of(...)";
    default:
      return absl::StrCat("(", type()->name(), ")");
  }
}

std::optional<int> Compare(const Value& a, const Value& b) {
  const std::optional<Number> x = NumberOf(a), y = NumberOf(b);
  if (x && y) return CompareNumbers(*x, *y);
  if (a.rep().index() != b.rep().index()) return std::nullopt;
  if (const auto* v = a.As<bool>()) return ThreeWay(*v, b.as_bool());
  if (a.As<Value::Text>() != nullptr) return ThreeWay(a.text(), b.text());
  if (const auto* v = a.As<Value::Bytes>()) return ThreeWay(*v->octets, *b.As<Value::Bytes>()->octets);
  if (const auto* v = a.As<absl::Time>()) return ThreeWay(*v, *b.As<absl::Time>());
  if (const auto* v = a.As<absl::Duration>()) return ThreeWay(*v, *b.As<absl::Duration>());
  return std::nullopt;
}

bool ScalarLess::operator()(const Value& a, const Value& b) const {
  const auto rank = [](const Value& value) {
    const Kind kind = value.kind();
    if (kind == Kind::kUint || kind == Kind::kDouble) return static_cast<int>(Kind::kInt);
    return static_cast<int>(kind);
  };
  if (rank(a) != rank(b)) return rank(a) < rank(b);
  if (const std::optional<int> order = Compare(a, b)) return *order < 0;
  const auto* x = a.As<double>();
  const auto* y = b.As<double>();
  return x != nullptr && std::isnan(*x) && (y == nullptr || !std::isnan(*y));
}

size_t CodePoints(absl::string_view text) {
  size_t count = 0;
  for (size_t i = 0; i < text.size(); i += CodePointLength(text, i)) ++count;
  return count;
}

}  // namespace xpu::cel
