// Validation by a structural schema. Words of errors follow Kubernetes' where it has them.
#include <re2/re2.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "common/api/formats.h"
#include "common/api/schema.h"
#include "common/api/structural_rules.h"
#include "common/api/structural_schema.h"
#include "common/base/ip_address.h"

namespace xpu::api {
namespace {

using nlohmann::json;

// Characters, not octets, as Kubernetes counts them.
uint64_t LengthOf(const std::string& text) {
  return static_cast<uint64_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

bool IsUuid(const std::string& text) {
  static const re2::RE2& form = *new re2::RE2("[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}");
  return re2::RE2::FullMatch(text, form);
}

bool IsIp(const std::string& text, bool v4) {
  const absl::StatusOr<IpAddress> ip = IpAddress::Parse(text);
  return ip.ok() && ip->is_v4() == v4;
}

// Those of Kubernetes' formats that say something about the text; an unknown one says nothing.
bool HasFormat(const std::string& format, const std::string& text) {
  absl::Time time;
  std::string octets;
  if (format == "date-time") return absl::ParseTime(absl::RFC3339_full, text, &time, nullptr);
  if (format == "date") return absl::ParseTime("%Y-%m-%d", text, &time, nullptr);
  if (format == "byte") return absl::Base64Unescape(text, &octets);
  if (format == "ipv4") return IsIp(text, true);
  if (format == "ipv6") return IsIp(text, false);
  if (format == "ip") return IpAddress::Parse(text).ok();
  if (format == "cidr") {
    const std::vector<std::string> parts = absl::StrSplit(text, absl::MaxSplits('/', 1));
    const absl::StatusOr<IpAddress> ip = IpAddress::Parse(parts[0]);
    int length = 0;
    return parts.size() == 2 && ip.ok() && absl::SimpleAtoi(parts[1], &length) && length >= 0 &&
           length <= ip->bits();
  }
  if (format == "mac") return CheckFormat(v1alpha1::FORMAT_MAC, text).empty();
  if (format == "hostname") return IsDnsSubdomain(text);
  if (format == "uuid") return IsUuid(text);
  return true;
}

// A number that is whole, as JSON has no other sort: 1.0 is one.
bool IsWhole(const json& value) {
  return value.is_number_integer() || (value.is_number_float() && std::trunc(value.get<double>()) == value);
}

class Checker {
 public:
  explicit Checker(FieldErrors* errors) : errors_(*errors) {}

  void Value(const SchemaNode& node, const json& value, const Place& place, bool at_root) {
    if (value.is_null()) {
      if (!node.nullable && !node.type.empty()) WrongType(place, node.type, value);
      return;
    }
    if (!HasType(node, value))
      return WrongType(place, node.int_or_string ? "integer or string" : node.type, value);
    Rules(node, value, place);
    Alternatives(node, value, place);
    if (value.is_object()) Fields(node, value, place, at_root);
    for (size_t i = 0; value.is_array() && node.items != nullptr && i < value.size(); ++i) {
      Value(*node.items, value[i], place.At(i), false);
    }
  }

 private:
  static bool HasType(const SchemaNode& node, const json& value) {
    if (node.int_or_string) return IsWhole(value) || value.is_string();
    if (node.type == "object") return value.is_object();
    if (node.type == "array") return value.is_array();
    if (node.type == "string") return value.is_string();
    if (node.type == "boolean") return value.is_boolean();
    if (node.type == "integer") return IsWhole(value);
    if (node.type == "number") return value.is_number();
    return true;
  }

  void Fields(const SchemaNode& node, const json& value, const Place& place, bool at_root) {
    for (const std::string& name : node.required) {
      if (!value.contains(name)) Add("FieldValueRequired", place.Field(name), "Required value");
    }
    for (const auto& [name, inner] : value.items()) {
      if (at_root && (name == "apiVersion" || name == "kind" || name == "metadata")) continue;
      const auto it = node.properties.find(name);
      const SchemaNode* field = it == node.properties.end() ? node.additional.get() : it->second.get();
      if (field != nullptr) Value(*field, inner, place.Field(name), false);
    }
  }

  void Rules(const SchemaNode& node, const json& value, const Place& place) {
    if (!node.allowed.empty() &&
        std::find(node.allowed.begin(), node.allowed.end(), value) == node.allowed.end()) {
      const std::string list =
          absl::StrJoin(node.allowed, ", ", [](std::string* out, const json& v) { out->append(Quote(v)); });
      Add("FieldValueNotSupported", place,
          absl::StrCat("Unsupported value: ", Quote(value), ": supported values: ", list));
    }
    if (value.is_string()) Text(node, value.get_ref<const std::string&>(), place);
    if (value.is_number()) Number(node, value.get<double>(), place);
    if (value.is_array()) List(node, value, place);
    if (value.is_object()) Sizes("properties", value.size(), node.min_properties, node.max_properties, place);
  }

  void Text(const SchemaNode& node, const std::string& text, const Place& place) {
    Sizes("characters", LengthOf(text), node.min_length, node.max_length, place);
    if (node.pattern != nullptr && !re2::RE2::PartialMatch(text, *node.pattern)) {
      Bad(place, text, absl::StrCat("should match '", node.pattern_text, "'"));
    }
    if (!node.format.empty() && !HasFormat(node.format, text)) {
      Bad(place, text, absl::StrCat("must be of type ", node.format));
    }
  }

  void Number(const SchemaNode& node, double number, const Place& place) {
    if (node.minimum && (number < *node.minimum || (node.exclusive_minimum && number == *node.minimum))) {
      Bad(place, number,
          absl::StrCat("should be greater than ", node.exclusive_minimum ? "" : "or equal to ",
                       *node.minimum));
    }
    if (node.maximum && (number > *node.maximum || (node.exclusive_maximum && number == *node.maximum))) {
      Bad(place, number,
          absl::StrCat("should be less than ", node.exclusive_maximum ? "" : "or equal to ", *node.maximum));
    }
    if (node.multiple_of && *node.multiple_of > 0 && std::fmod(number, *node.multiple_of) != 0) {
      Bad(place, number, absl::StrCat("should be a multiple of ", *node.multiple_of));
    }
    const bool narrow = node.format == "int32";
    if (narrow && (number < -2147483648.0 || number > 2147483647.0))
      Bad(place, number, "must be of type int32");
  }

  void List(const SchemaNode& node, const json& list, const Place& place) {
    Sizes("items", list.size(), node.min_items, node.max_items, place);
    const bool set = node.unique_items || node.list_type == SchemaNode::ListType::kSet;
    if (!set && node.list_type != SchemaNode::ListType::kMap) return;
    std::set<json> seen;
    for (size_t i = 0; i < list.size(); ++i) {
      json identity = list[i];
      if (!set) {
        identity = json::array();
        for (const std::string& key : node.list_keys) {
          identity.push_back(list[i].is_object() ? list[i].value(key, json()) : json());
        }
      }
      if (!seen.insert(identity).second) {
        Add("FieldValueDuplicate", place.At(i), absl::StrCat("Duplicate value: ", Quote(identity)));
      }
    }
  }

  void Alternatives(const SchemaNode& node, const json& value, const Place& place) {
    const auto holds = [&](const std::unique_ptr<SchemaNode>& rule) {
      FieldErrors errors;
      Checker(&errors).Value(*rule, value, place, false);
      return errors.empty();
    };
    for (const std::unique_ptr<SchemaNode>& rule : node.all_of) Value(*rule, value, place, false);
    if (!node.any_of.empty() && std::none_of(node.any_of.begin(), node.any_of.end(), holds)) {
      Bad(place, value, "must validate at least one schema (anyOf)");
    }
    if (!node.one_of.empty() && std::count_if(node.one_of.begin(), node.one_of.end(), holds) != 1) {
      Bad(place, value, "must validate one and only one schema (oneOf)");
    }
    if (node.none_of != nullptr && holds(node.none_of))
      Bad(place, value, "must not validate the schema (not)");
  }

  void Sizes(absl::string_view of_what, uint64_t size, const std::optional<uint64_t>& min,
             const std::optional<uint64_t>& max, const Place& place) {
    if (min && size < *min) {
      Add("FieldValueInvalid", place,
          absl::StrCat("must have at least ", *min, " ", of_what, ", has ", size));
    }
    if (max && size > *max) {
      Add(of_what == "characters" ? "FieldValueTooLong" : "FieldValueTooMany", place,
          absl::StrCat("must have at most ", *max, " ", of_what, ", has ", size));
    }
  }

  void WrongType(const Place& place, absl::string_view wanted, const json& got) {
    Add("FieldValueTypeInvalid", place,
        absl::StrCat("Invalid value: ", Quote(got), ": must be of type ", wanted, ", not ",
                     TypeInWords(got)));
  }
  void Bad(const Place& place, const json& value, absl::string_view wanted) {
    Add("FieldValueInvalid", place, absl::StrCat("Invalid value: ", Quote(value), ": ", wanted));
  }
  void Add(absl::string_view reason, const Place& place, std::string message) {
    errors_.push_back({std::string(reason), place.ToString(), std::move(message)});
  }

  FieldErrors& errors_;
};

bool BlocksRules(const FieldError& error) {
  return error.reason == "FieldValueRequired" || error.reason == "FieldValueTypeInvalid" ||
         error.reason == "FieldValueTooLong" || error.reason == "FieldValueTooMany";
}

}  // namespace

FieldErrors StructuralSchema::Validate(const json& object, const json* old) const {
  FieldErrors errors;
  Checker(&errors).Value(*root_, object, Place(), /*at_root=*/true);
  if (!root_->has_rules) return errors;
  // As Kubernetes: rules rely on what is there, on its types and on its size.
  const auto blocking = std::find_if(errors.begin(), errors.end(), BlocksRules);
  if (blocking != errors.end()) {
    errors.push_back({"FieldValueInvalid", blocking->field,
                      "some validation rules were not checked because the object was invalid; correct the "
                      "existing errors to complete validation"});
  } else {
    CheckRules(*root_, object, old, &errors);
  }
  return errors;
}

}  // namespace xpu::api
