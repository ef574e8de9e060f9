#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/api/field_error.h"
#include "common/cel/type.h"
#include "nlohmann/json.hpp"

namespace re2 {
class RE2;
}

namespace xpu::api {

struct SchemaRule;

// A node of a structural schema (Kubernetes, "Extend the Kubernetes API with CustomResourceDefinitions":
// openAPIV3Schema of a CRD) as it was read: what a value looks like, and the rules for it.
struct SchemaNode {
  SchemaNode();
  ~SchemaNode();

  std::string type;  // empty: any, or a rule of anyOf and its like
  bool nullable = false;
  bool int_or_string = false;
  bool preserve_unknown = false;
  bool embedded_resource = false;
  bool any_additional = false;
  // Are there rules here or below, and of which sort: those that look at the value alone, and those that
  // compare it with the one before?
  bool has_rules = false, has_plain_rules = false, has_transition_rules = false;
  std::map<std::string, std::unique_ptr<SchemaNode>> properties;
  // Of what properties does not name; null with `any_additional` false: there is nothing.
  std::unique_ptr<SchemaNode> additional;
  std::unique_ptr<SchemaNode> items;
  std::optional<nlohmann::json> default_value;

  // How lists and objects are merged by server-side apply.
  enum class ListType { kAtomic, kSet, kMap };
  ListType list_type = ListType::kAtomic;
  bool atomic_object = false;
  std::vector<std::string> list_keys;

  // Rules of values.
  std::vector<std::string> required;
  std::vector<nlohmann::json> allowed;  // "enum"; empty for all
  std::string format;
  std::string pattern_text;
  std::unique_ptr<re2::RE2> pattern;
  std::optional<double> minimum, maximum, multiple_of;
  bool exclusive_minimum = false, exclusive_maximum = false;
  std::optional<uint64_t> min_length, max_length, min_items, max_items, min_properties, max_properties;
  bool unique_items = false;
  std::vector<std::unique_ptr<SchemaNode>> all_of, any_of, one_of;
  std::unique_ptr<SchemaNode> none_of;  // "not"

  // Rules in CEL (x-kubernetes-validations), and what the value is for them; null where there are none.
  std::vector<SchemaRule> rules;
  cel::TypePtr cel_type;
};

// What objects of a kind look like, as its CRD says. Immutable; safe from any thread.
class StructuralSchema {
 public:
  // `schema` is openAPIV3Schema, which lies at `path` of its CRD for the messages. Null if there are errors:
  // what is not structural, cannot be read, or cannot be held to, such as a rule in CEL
  // (x-kubernetes-validations) that names a field which the schema does not have.
  static std::shared_ptr<const StructuralSchema> Parse(const nlohmann::json& schema, const std::string& path,
                                                       FieldErrors* errors);

  // As it was given.
  const nlohmann::json& source() const { return source_; }
  const SchemaNode& root() const { return *root_; }

  // Fills in the defaults of absent fields, and drops nulls where there may be none.
  void Default(nlohmann::json* object) const;
  // Removes fields that it does not name; returns their paths. The object's envelope stays.
  std::vector<std::string> Prune(nlohmann::json* object) const;
  // All that is wrong with spec, status and the like; `old`, if not null, is what the object replaces. Rules
  // in CEL are evaluated once all fields are there and of their types; each, and all together, may take so
  // many steps.
  FieldErrors Validate(const nlohmann::json& object, const nlohmann::json* old) const;

 private:
  StructuralSchema() = default;
  nlohmann::json source_;
  std::unique_ptr<SchemaNode> root_;
};

}  // namespace xpu::api
