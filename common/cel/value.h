#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/cel/budget.h"
#include "common/cel/type.h"
#include "nlohmann/json_fwd.hpp"

namespace xpu::cel {

class Value;

// A list. Immutable.
class List {
 public:
  virtual ~List() = default;
  virtual size_t size() const = 0;
  // InvalidArgument where JSON does not fit its type, such as a timestamp that is none.
  virtual absl::StatusOr<Value> at(size_t index) const = 0;
  // What it is as JSON, and of which type; null for a list that a rule made.
  virtual const nlohmann::json* source() const { return nullptr; }
  // How it is compared and added; null: element by element.
  virtual const Type* type() const { return nullptr; }
};

// A map, or an object. Immutable.
class Map {
 public:
  virtual ~Map() = default;
  virtual size_t size() const = 0;
  // Nothing where the key is not there.
  virtual absl::StatusOr<std::optional<Value>> Find(const Value& key) const = 0;
  virtual std::vector<Value> Keys() const = 0;
  virtual const nlohmann::json* source() const { return nullptr; }
  virtual const Type* type() const { return nullptr; }
};

// What only functions can make and read.
class Opaque {
 public:
  virtual ~Opaque() = default;
  virtual const TypePtr& type() const = 0;
  virtual bool Equals(const Opaque& other) const = 0;
  // As string() and %s show it.
  virtual std::string ToString() const = 0;
};

// A value of CEL (cel-spec, "Values"). Cheap to copy. Values of JSON refer to it: it must outlive them.
class Value {
 public:
  struct Null {};
  // Text that somebody else keeps, or that `owner` does.
  struct Text {
    absl::string_view text;
    std::shared_ptr<const std::string> owner;
  };
  struct Bytes {
    std::shared_ptr<const std::string> octets;
  };
  // An optional value: null pointer for none.
  struct Optional {
    std::shared_ptr<const Value> value;
  };
  using ListPtr = std::shared_ptr<const List>;
  using MapPtr = std::shared_ptr<const Map>;
  using OpaquePtr = std::shared_ptr<const Opaque>;
  using Rep = std::variant<Null, bool, int64_t, uint64_t, double, Text, Bytes, absl::Time, absl::Duration,
                           ListPtr, MapPtr, TypePtr, Optional, OpaquePtr>;

  Value() : rep_(Null()) {}
  explicit Value(bool value) : rep_(value) {}
  // Text is made by String and StringView; a pointer would become a bool.
  explicit Value(const char*) = delete;
  explicit Value(int64_t value) : rep_(value) {}
  explicit Value(uint64_t value) : rep_(value) {}
  explicit Value(double value) : rep_(value) {}
  explicit Value(absl::Time value) : rep_(value) {}
  explicit Value(absl::Duration value) : rep_(value) {}
  explicit Value(ListPtr value) : rep_(std::move(value)) {}
  explicit Value(MapPtr value) : rep_(std::move(value)) {}
  explicit Value(TypePtr value) : rep_(std::move(value)) {}
  explicit Value(OpaquePtr value) : rep_(std::move(value)) {}
  explicit Value(Text value) : rep_(std::move(value)) {}
  explicit Value(Bytes value) : rep_(std::move(value)) {}
  explicit Value(Optional value) : rep_(std::move(value)) {}
  static Value String(std::string text);
  // `text` must outlive the value.
  static Value StringView(absl::string_view text);
  static Value OfBytes(std::string octets);
  static Value OfList(std::vector<Value> elements);
  // As `type` says; with it the list is compared and added as one of JSON.
  static Value OfList(std::vector<Value> elements, TypePtr type);
  // Keys are bool, int, uint or string; the first of two that are equal counts.
  static Value OfMap(std::vector<std::pair<Value, Value>> entries);
  static Value Some(Value value);
  static Value None();
  // `json`, which is of `type`. InvalidArgument if it is not.
  static absl::StatusOr<Value> FromJson(const nlohmann::json& json, const TypePtr& type);

  const Rep& rep() const { return rep_; }
  template <class T>
  const T* As() const {
    return std::get_if<T>(&rep_);
  }
  // For those who know what it is.
  bool as_bool() const { return std::get<bool>(rep_); }
  int64_t as_int() const { return std::get<int64_t>(rep_); }
  absl::string_view text() const { return std::get<Text>(rep_).text; }
  const List& list() const { return *std::get<ListPtr>(rep_); }
  const Map& map() const { return *std::get<MapPtr>(rep_); }

  // The kind, and the name of the type for type() and messages.
  Type::Kind kind() const;
  TypePtr type() const;
  // For messages: short, whatever it is.
  std::string ToString() const;

 private:
  Rep rep_;
};

// Takes what a look at all of a scalar costs: more than a step for long strings and bytes. False if that is
// too much.
bool SpendOn(const Value& value, Budget* budget);

// Are they the same (cel-spec, "Equality")? Values of different types are not, but numbers are compared by
// value. ResourceExhausted, or InvalidArgument where JSON is not of its type.
absl::StatusOr<bool> Equal(const Value& a, const Value& b, Budget* budget);

// -1, 0 or 1; nothing where they have no order: different types, or not a number. Numbers are compared by
// value, whatever their types. For bool, numbers, string, bytes, timestamp and duration.
std::optional<int> Compare(const Value& a, const Value& b);

// A total order of what Compare orders, for maps and sets; NaN is before all numbers.
struct ScalarLess {
  bool operator()(const Value& a, const Value& b) const;
};

// Code points, or octets that are none.
size_t CodePoints(absl::string_view text);

}  // namespace xpu::cel
