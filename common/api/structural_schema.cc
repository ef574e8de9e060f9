#include "common/api/structural_schema.h"

#include <re2/re2.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/api/schema.h"
#include "common/api/structural_rules.h"

namespace xpu::api {
namespace {

using nlohmann::json;

// Deeper ones are nobody's.
constexpr int kMaxDepth = 64;
constexpr absl::string_view kTypes[] = {"object", "array", "string", "integer", "number", "boolean"};

// Where a schema stands.
struct NodePlace {
  int depth = 0;
  // Below allOf, anyOf, oneOf or not, where a schema only adds rules to the one that it stands in.
  bool in_rule = false;
  bool correlates = true;  // as RulePlace

  // One level below, where values can be found in the object before if `correlated`.
  NodePlace Below(bool correlated) const { return {depth + 1, in_rule, correlates && correlated}; }
  NodePlace InRule() const { return {depth + 1, true, correlates}; }
};

class Reader {
 public:
  explicit Reader(FieldErrors* errors) : errors_(*errors) {}

  std::unique_ptr<SchemaNode> Node(const json& in, const std::string& path, const NodePlace& place) {
    const bool in_rule = place.in_rule;
    auto node = std::make_unique<SchemaNode>();
    if (place.depth > kMaxDepth) {
      Add("FieldValueInvalid", path, "is nested too deeply");
      return node;
    }
    if (!in.is_object()) {
      Add("FieldValueTypeInvalid", path, absl::StrCat("must be an object, not ", TypeInWords(in)));
      return node;
    }
    Kind(in, path, in_rule, node.get());
    Parts(in, path, place, node.get());
    Rules(in, path, node.get());
    for (const auto& [name, list] :
         {std::pair{"allOf", &node->all_of}, {"anyOf", &node->any_of}, {"oneOf", &node->one_of}}) {
      const json* schemas = Present(in, name);
      for (size_t i = 0; schemas != nullptr && schemas->is_array() && i < schemas->size(); ++i) {
        list->push_back(Node((*schemas)[i], Item(Join(path, name), i), place.InRule()));
      }
    }
    if (const json* inner = Present(in, "not"))
      node->none_of = Node(*inner, Join(path, "not"), place.InRule());
    if (const json* rules = Present(in, "x-kubernetes-validations")) {
      CelRules(*rules, Join(path, "x-kubernetes-validations"), place, node.get());
    }
    NoteRules(node.get());
    if (const json* value = Present(in, "default"); value != nullptr && !in_rule)
      node->default_value = *value;
    return node;
  }

 private:
  void Kind(const json& in, const std::string& path, bool in_rule, SchemaNode* node) {
    node->type = Text(in, "type", path);
    node->nullable = Flag(in, "nullable", path);
    node->int_or_string = Flag(in, "x-kubernetes-int-or-string", path);
    node->preserve_unknown = Flag(in, "x-kubernetes-preserve-unknown-fields", path);
    node->embedded_resource = Flag(in, "x-kubernetes-embedded-resource", path);
    const bool known = std::find(std::begin(kTypes), std::end(kTypes), node->type) != std::end(kTypes);
    if (!node->type.empty() && !known) {
      Add("FieldValueNotSupported", Join(path, "type"),
          absl::StrCat("must be object, array, string, integer, number or boolean, not ", Quote(node->type)));
    }
    if (node->type.empty() && !in_rule && !node->int_or_string && !node->preserve_unknown) {
      Add("FieldValueRequired", Join(path, "type"),
          "must be set: the schema of a CustomResourceDefinition is structural");
    }
    const std::string list = Text(in, "x-kubernetes-list-type", path);
    if (list == "set") node->list_type = SchemaNode::ListType::kSet;
    if (list == "map") node->list_type = SchemaNode::ListType::kMap;
    if (const json* keys = Present(in, "x-kubernetes-list-map-keys"); keys != nullptr && keys->is_array()) {
      for (const json& key : *keys) {
        if (key.is_string()) node->list_keys.push_back(key.get<std::string>());
      }
    }
    if (node->list_type == SchemaNode::ListType::kMap && node->list_keys.empty()) {
      Add("FieldValueRequired", Join(path, "x-kubernetes-list-map-keys"),
          "must be set where x-kubernetes-list-type is map");
    }
    node->atomic_object = Text(in, "x-kubernetes-map-type", path) == "atomic";
  }

  void Parts(const json& in, const std::string& path, const NodePlace& place, SchemaNode* node) {
    // What is in an atomic map or in a list without keys is not the same thing as before.
    const NodePlace inner = place.Below(!node->atomic_object);
    if (const json* properties = Present(in, "properties");
        properties != nullptr && properties->is_object()) {
      for (const auto& [name, schema] : properties->items()) {
        node->properties[name] = Node(schema, absl::StrCat(Join(path, "properties"), "[", name, "]"), inner);
      }
    }
    if (const json* additional = Present(in, "additionalProperties")) {
      if (additional->is_boolean()) {
        node->any_additional = additional->get<bool>();
      } else {
        node->additional = Node(*additional, Join(path, "additionalProperties"), inner);
      }
      if (!node->properties.empty() && !place.in_rule) {
        Add("FieldValueForbidden", Join(path, "additionalProperties"), "cannot stand beside properties");
      }
    }
    if (const json* items = Present(in, "items")) {
      const bool keyed = node->list_type == SchemaNode::ListType::kMap;
      node->items = Node(*items, Join(path, "items"), place.Below(keyed));
    }
    if (node->type == "array" && node->items == nullptr && !place.in_rule) {
      Add("FieldValueRequired", Join(path, "items"), "must be set for an array");
    }
  }

  void Rules(const json& in, const std::string& path, SchemaNode* node) {
    if (const json* required = Present(in, "required"); required != nullptr && required->is_array()) {
      for (const json& name : *required) {
        if (name.is_string()) node->required.push_back(name.get<std::string>());
      }
    }
    if (const json* allowed = Present(in, "enum"); allowed != nullptr && allowed->is_array()) {
      node->allowed = allowed->get<std::vector<json>>();
    }
    node->format = Text(in, "format", path);
    node->pattern_text = Text(in, "pattern", path);
    if (!node->pattern_text.empty()) {
      // Kubernetes' are Go's, whose syntax is RE2's.
      node->pattern = std::make_unique<re2::RE2>(node->pattern_text, re2::RE2::Quiet);
      if (!node->pattern->ok()) {
        Add("FieldValueInvalid", Join(path, "pattern"),
            absl::StrCat("is no regular expression: ", node->pattern->error()));
      }
    }
    Number(in, "minimum", path, &node->minimum);
    Number(in, "maximum", path, &node->maximum);
    Number(in, "multipleOf", path, &node->multiple_of);
    node->exclusive_minimum = Flag(in, "exclusiveMinimum", path);
    node->exclusive_maximum = Flag(in, "exclusiveMaximum", path);
    Count(in, "minLength", path, &node->min_length);
    Count(in, "maxLength", path, &node->max_length);
    Count(in, "minItems", path, &node->min_items);
    Count(in, "maxItems", path, &node->max_items);
    Count(in, "minProperties", path, &node->min_properties);
    Count(in, "maxProperties", path, &node->max_properties);
    node->unique_items = Flag(in, "uniqueItems", path);
  }

  void CelRules(const json& rules, const std::string& path, const NodePlace& place, SchemaNode* node) {
    if (place.in_rule) {
      return Add("FieldValueForbidden", path,
                 "cannot stand below allOf, anyOf, oneOf and not; put the rules on the schema around them");
    }
    const bool is_root = place.depth == 0 || node->embedded_resource;
    ReadRules(rules, path, {.is_root = is_root, .correlates = place.correlates}, node, &errors_);
  }

  // What rules there are here and below.
  static void NoteRules(SchemaNode* node) {
    for (const SchemaRule& rule : node->rules) {
      (rule.uses_old ? node->has_transition_rules : node->has_plain_rules) = true;
    }
    const auto below = [node](const SchemaNode* inner) {
      if (inner == nullptr) return;
      node->has_plain_rules |= inner->has_plain_rules;
      node->has_transition_rules |= inner->has_transition_rules;
    };
    for (const auto& [name, property] : node->properties) below(property.get());
    below(node->additional.get());
    below(node->items.get());
    node->has_rules = node->has_plain_rules || node->has_transition_rules;
  }

  std::string Text(const json& in, const char* name, const std::string& path) {
    const json* value = Present(in, name);
    if (value == nullptr) return "";
    if (value->is_string()) return value->get<std::string>();
    Add("FieldValueTypeInvalid", Join(path, name),
        absl::StrCat("must be a string, not ", TypeInWords(*value)));
    return "";
  }
  bool Flag(const json& in, const char* name, const std::string& path) {
    const json* value = Present(in, name);
    if (value == nullptr) return false;
    if (value->is_boolean()) return value->get<bool>();
    Add("FieldValueTypeInvalid", Join(path, name),
        absl::StrCat("must be a boolean, not ", TypeInWords(*value)));
    return false;
  }
  void Number(const json& in, const char* name, const std::string& path, std::optional<double>* out) {
    const json* value = Present(in, name);
    if (value == nullptr) return;
    if (value->is_number()) {
      *out = value->get<double>();
    } else {
      Add("FieldValueTypeInvalid", Join(path, name),
          absl::StrCat("must be a number, not ", TypeInWords(*value)));
    }
  }
  void Count(const json& in, const char* name, const std::string& path, std::optional<uint64_t>* out) {
    const json* value = Present(in, name);
    if (value == nullptr) return;
    if (value->is_number_integer() && (value->is_number_unsigned() || value->get<int64_t>() >= 0)) {
      *out = value->get<uint64_t>();
    } else {
      Add("FieldValueTypeInvalid", Join(path, name), "must be a whole number from 0");
    }
  }

  void Add(absl::string_view reason, const std::string& path, std::string message) {
    errors_.push_back({std::string(reason), path, std::move(message)});
  }

  FieldErrors& errors_;
};

}  // namespace

SchemaNode::SchemaNode() = default;
SchemaNode::~SchemaNode() = default;

std::shared_ptr<const StructuralSchema> StructuralSchema::Parse(const json& schema, const std::string& path,
                                                                FieldErrors* errors) {
  const size_t before = errors->size();
  std::shared_ptr<StructuralSchema> out(new StructuralSchema());
  out->root_ = Reader(errors).Node(schema, path, NodePlace());
  if (errors->size() == before && out->root_->type != "object") {
    errors->push_back({"FieldValueInvalid", Join(path, "type"), "must be object at the root"});
  }
  if (errors->size() != before) return nullptr;
  out->source_ = schema;
  return out;
}

}  // namespace xpu::api
