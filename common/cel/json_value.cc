// Values that are JSON, read by their types when a rule asks for them.
#include <cmath>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/cel/text.h"
#include "common/cel/value.h"
#include "nlohmann/json.hpp"

namespace xpu::cel {
namespace {

using nlohmann::json;
using Kind = Type::Kind;

absl::Status NotOfType(const Type& type, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("the value is no ", type.ToString(), what));
}

class JsonList : public List {
 public:
  JsonList(const json& value, TypePtr type) : value_(value), type_(std::move(type)) {}
  size_t size() const override { return value_.size(); }
  absl::StatusOr<Value> at(size_t index) const override {
    return Value::FromJson(value_[index], type_->element());
  }
  const json* source() const override { return &value_; }
  const Type* type() const override { return type_.get(); }

 private:
  const nlohmann::json& value_;
  const TypePtr type_;
};

class JsonMap : public Map {
 public:
  JsonMap(const json& value, TypePtr type) : value_(value), type_(std::move(type)) {}
  size_t size() const override { return value_.size(); }
  absl::StatusOr<std::optional<Value>> Find(const Value& key) const override {
    if (key.As<Value::Text>() == nullptr) return std::optional<Value>();
    const std::string name(key.text());
    const bool is_object = type_->kind() == Kind::kObject;
    const std::string* field = is_object ? type_->FieldName(name) : &name;
    if (field == nullptr) return std::optional<Value>();
    const auto it = value_.find(*field);
    // A null in an object is as good as nothing; in a map it is one.
    if (it == value_.end() || (is_object && it->is_null())) return std::optional<Value>();
    absl::StatusOr<Value> found =
        Value::FromJson(*it, is_object ? type_->fields().at(*field) : type_->element());
    if (!found.ok()) return found.status();
    return std::optional<Value>(*std::move(found));
  }
  std::vector<Value> Keys() const override {
    std::vector<Value> keys;
    for (const auto& [name, unused] : value_.items()) {
      if (type_->kind() != Kind::kObject) {
        keys.push_back(Value::StringView(name));
      } else if (type_->fields().count(name) > 0) {
        if (std::string escaped = EscapeName(name); !escaped.empty())
          keys.push_back(Value::String(std::move(escaped)));
      }
    }
    return keys;
  }
  const json* source() const override { return &value_; }
  const Type* type() const override { return type_.get(); }

 private:
  const nlohmann::json& value_;
  const TypePtr type_;
};

absl::StatusOr<Value> NumberFrom(const json& value, const Type& type) {
  if (!value.is_number()) return NotOfType(type, "");
  if (type.kind() == Kind::kDouble) return Value(value.get<double>());
  if (value.is_number_unsigned()) {
    const auto number = value.get<uint64_t>();
    if (number > static_cast<uint64_t>(INT64_MAX)) return NotOfType(type, ": it is too large");
    return Value(static_cast<int64_t>(number));
  }
  if (value.is_number_integer()) return Value(value.get<int64_t>());
  const auto number = value.get<double>();
  // As YAML's "1.0" where an integer is wanted.
  if (std::trunc(number) != number || number < -9223372036854775808.0 || number >= 9223372036854775808.0) {
    return type.kind() == Kind::kDyn ? absl::StatusOr<Value>(Value(number)) : NotOfType(type, "");
  }
  return Value(static_cast<int64_t>(number));
}

absl::StatusOr<Value> TextFrom(const json& value, const Type& type) {
  if (!value.is_string()) return NotOfType(type, "");
  const std::string& text = value.get_ref<const std::string&>();
  switch (type.kind()) {
    case Kind::kBytes: {
      std::string octets;
      if (!absl::Base64Unescape(text, &octets)) return NotOfType(type, ": it is not base64");
      return Value::OfBytes(std::move(octets));
    }
    case Kind::kTimestamp: {
      // "date-time", or "date".
      std::optional<absl::Time> time = ParseTimestamp(text);
      if (!time) time = ParseDate(text);
      if (!time) return NotOfType(type, ": it is neither a date nor a time of RFC 3339");
      return Value(*time);
    }
    case Kind::kDuration: {
      const std::optional<absl::Duration> duration = ParseGoDuration(text);
      if (!duration) return NotOfType(type, ", such as 1h30m or 1.5s");
      return Value(*duration);
    }
    default:
      return Value::StringView(text);
  }
}

absl::StatusOr<Value> AnyFrom(const json& value, const TypePtr& type) {
  static const TypePtr& list = *new TypePtr(Type::List(Type::Of(Kind::kDyn)));
  static const TypePtr& map = *new TypePtr(Type::Map(Type::Of(Kind::kString), Type::Of(Kind::kDyn)));
  if (value.is_boolean()) return Value(value.get<bool>());
  if (value.is_number()) return NumberFrom(value, *type);
  if (value.is_string()) return TextFrom(value, *type);
  if (value.is_array()) return Value(Value::ListPtr(std::make_shared<JsonList>(value, list)));
  if (value.is_object()) return Value(Value::MapPtr(std::make_shared<JsonMap>(value, map)));
  return NotOfType(*type, "");
}

}  // namespace

absl::StatusOr<Value> Value::FromJson(const json& value, const TypePtr& type) {
  if (value.is_null()) return Value();
  switch (type->kind()) {
    case Kind::kDyn:
      return AnyFrom(value, type);
    case Kind::kBool:
      if (!value.is_boolean()) return NotOfType(*type, "");
      return Value(value.get<bool>());
    case Kind::kInt:
    case Kind::kDouble:
      return NumberFrom(value, *type);
    case Kind::kString:
    case Kind::kBytes:
    case Kind::kTimestamp:
    case Kind::kDuration:
      return TextFrom(value, *type);
    case Kind::kList:
      if (!value.is_array()) return NotOfType(*type, "");
      return Value(ListPtr(std::make_shared<JsonList>(value, type)));
    case Kind::kMap:
    case Kind::kObject:
      if (!value.is_object()) return NotOfType(*type, "");
      return Value(MapPtr(std::make_shared<JsonMap>(value, type)));
    default:
      return NotOfType(*type, ": JSON has none");
  }
}

}  // namespace xpu::cel
