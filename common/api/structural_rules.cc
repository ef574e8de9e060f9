// x-kubernetes-validations (Kubernetes, "Validation rules" of CustomResourceDefinitions).
#include "common/api/structural_rules.h"

#include <algorithm>
#include <map>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/api/schema.h"
#include "common/api/structural_schema.h"
#include "common/base/status_macros.h"

namespace xpu::api {
namespace {

using cel::Type;
using cel::TypePtr;
using nlohmann::json;

constexpr size_t kMaxMessage = 2048;           // octets of "message"
constexpr size_t kMaxEvaluatedMessage = 5120;  // and of what messageExpression gives
constexpr absl::string_view kReasons[] = {"FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired",
                                          "FieldValueDuplicate"};

// Null where rules see nothing: the schema does not say what is there.
TypePtr TypeOf(const SchemaNode& node, const std::string& name);

std::map<std::string, TypePtr> FieldTypes(const SchemaNode& node) {
  std::map<std::string, TypePtr> fields;
  for (const auto& [name, field] : node.properties) {
    if (TypePtr type = TypeOf(*field, name)) fields[name] = std::move(type);
  }
  return fields;
}

// Of the root of an object.
TypePtr ResourceType(const SchemaNode& node, const std::string& name) {
  const TypePtr text = Type::Of(Type::Kind::kString);
  std::map<std::string, TypePtr> fields = FieldTypes(node);
  fields["apiVersion"] = fields["kind"] = text;
  fields["metadata"] = Type::Object("metadata", {{"name", text}, {"generateName", text}});
  return Type::Object(name, std::move(fields));
}

TypePtr ObjectType(const SchemaNode& node, const std::string& name) {
  if (node.embedded_resource) return ResourceType(node, name);
  if (node.additional == nullptr) return Type::Object(name, FieldTypes(node));
  TypePtr values = TypeOf(*node.additional, name);
  return values == nullptr ? nullptr : Type::Map(Type::Of(Type::Kind::kString), std::move(values));
}

TypePtr ListType(const SchemaNode& node, const std::string& name) {
  TypePtr items = node.items == nullptr ? nullptr : TypeOf(*node.items, name);
  if (items == nullptr) return nullptr;
  switch (node.list_type) {
    case SchemaNode::ListType::kSet:
      return Type::List(std::move(items), Type::ListSort::kSet, {});
    case SchemaNode::ListType::kMap:
      return Type::List(std::move(items), Type::ListSort::kMap, node.list_keys);
    default:
      return Type::List(std::move(items));
  }
}

TypePtr TextType(const SchemaNode& node) {
  if (node.format == "byte") return Type::Of(Type::Kind::kBytes);
  if (node.format == "duration") return Type::Of(Type::Kind::kDuration);
  if (node.format == "date" || node.format == "date-time") return Type::Of(Type::Kind::kTimestamp);
  return Type::Of(Type::Kind::kString);
}

TypePtr TypeOf(const SchemaNode& node, const std::string& name) {
  if (node.cel_type != nullptr) return node.cel_type;
  if (node.int_or_string) return Type::Of(Type::Kind::kDyn);
  if (node.type == "object") return ObjectType(node, name);
  if (node.type == "array") return ListType(node, name);
  if (node.type == "string") return TextType(node);
  if (node.type == "boolean") return Type::Of(Type::Kind::kBool);
  if (node.type == "integer") return Type::Of(Type::Kind::kInt);
  if (node.type == "number") return Type::Of(Type::Kind::kDouble);
  return nullptr;
}

// ".a.b['c d']" as "a.b.c d". InvalidArgument if it names no field of the schema.
absl::StatusOr<std::string> ReadFieldPath(absl::string_view text, const SchemaNode& root) {
  const SchemaNode* node = &root;
  std::string path;
  while (!text.empty()) {
    std::string name;
    if (text[0] == '.') {
      const size_t end = std::min(text.find_first_of(".[", 1), text.size());
      name = std::string(text.substr(1, end - 1));
      text.remove_prefix(end);
    } else if (absl::StartsWith(text, "['") && absl::StrContains(text, "']")) {
      const size_t end = text.find("']");
      name = std::string(text.substr(2, end - 2));
      text.remove_prefix(end + 2);
    } else {
      return absl::InvalidArgumentError(
          "must be a path such as .spec.name or .spec['a.name'], without indices");
    }
    const auto field = node->properties.find(name);
    node = field == node->properties.end() ? node->additional.get() : field->second.get();
    if (node == nullptr)
      return absl::InvalidArgumentError(absl::StrCat("the schema has no field ", Quote(name)));
    path = Join(path, name);
  }
  return path;
}

class RuleReader {
 public:
  RuleReader(const RulePlace& place, SchemaNode* node, FieldErrors* errors)
      : place_(place), node_(*node), errors_(*errors) {}

  void Read(const json& in, const std::string& path) {
    if (!in.is_object()) return Add("FieldValueTypeInvalid", path, "must be an object");
    SchemaRule rule;
    rule.text = Trimmed(in, "rule", path);
    if (rule.text.empty()) return Add("FieldValueRequired", Join(path, "rule"), "rule is not specified");
    ReadMessage(in, path, &rule);
    ReadWhere(in, path, &rule);
    const json* optional_old = Present(in, "optionalOldSelf");
    if (optional_old != nullptr && !optional_old->is_boolean()) {
      return Add("FieldValueTypeInvalid", Join(path, "optionalOldSelf"), "must be a boolean");
    }
    rule.optional_old = optional_old != nullptr && optional_old->get<bool>();
    if (Compile(in, path, &rule)) node_.rules.push_back(std::move(rule));
  }

 private:
  bool Compile(const json& in, const std::string& path, SchemaRule* rule) {
    const TypePtr old = rule->optional_old ? Type::Optional(node_.cel_type) : node_.cel_type;
    const std::vector<cel::Variable> variables = {{"self", node_.cel_type}, {"oldSelf", old}};
    const std::string at = Join(path, "rule");
    rule->program = CompileOne(rule->text, variables, Type::Kind::kBool, at);
    if (rule->program == nullptr) return false;
    if (const std::string expression = Trimmed(in, "messageExpression", path); !expression.empty()) {
      rule->message_expression =
          CompileOne(expression, variables, Type::Kind::kString, Join(path, "messageExpression"));
      if (rule->message_expression == nullptr) return false;
    }
    rule->uses_old = rule->program->Uses(1);
    if (rule->uses_old && !place_.correlates) {
      Add("FieldValueInvalid", at,
          absl::StrCat(
              "Invalid value: ", Quote(rule->text),
              ": oldSelf cannot be used here: what is in a list without keys (x-kubernetes-list-type: map), "
              "or in an atomic map, cannot be found in the object before; put the rule on the list"));
      return false;
    }
    if (rule->optional_old && !rule->uses_old) {
      Add("FieldValueInvalid", Join(path, "optionalOldSelf"),
          "may not be set to true if oldSelf is not used in rule");
      return false;
    }
    return true;
  }

  std::shared_ptr<const cel::Program> CompileOne(const std::string& text,
                                                 const std::vector<cel::Variable>& variables,
                                                 Type::Kind wanted, const std::string& path) {
    auto program = cel::Program::Compile(text, variables);
    std::string problem;
    if (!program.ok()) {
      problem = std::string(program.status().message());
    } else if ((*program)->type()->kind() != wanted) {
      problem = absl::StrCat("must evaluate to a ", Type::Of(wanted)->ToString(), ", not ",
                             (*program)->type()->ToString());
    } else {
      return *std::move(program);
    }
    Add("FieldValueInvalid", path, absl::StrCat("Invalid value: ", Quote(text), ": ", problem));
    return nullptr;
  }

  void ReadMessage(const json& in, const std::string& path, SchemaRule* rule) {
    const bool given = Present(in, "message") != nullptr;
    rule->message = Trimmed(in, "message", path);
    const std::string at = Join(path, "message");
    if (given && rule->message.empty())
      Add("FieldValueInvalid", at, "message must be non-empty if specified");
    if (rule->message.size() > kMaxMessage) {
      Add("FieldValueTooLong", at, absl::StrCat("must have at most ", kMaxMessage, " octets"));
    }
    if (HasLineBreak(rule->message)) Add("FieldValueInvalid", at, "message must not contain line breaks");
    if (!given && HasLineBreak(rule->text) && Present(in, "messageExpression") == nullptr) {
      Add("FieldValueRequired", at, "message must be specified if rule contains line breaks");
    }
  }

  void ReadWhere(const json& in, const std::string& path, SchemaRule* rule) {
    rule->reason = Trimmed(in, "reason", path);
    if (rule->reason.empty()) rule->reason = "FieldValueInvalid";
    if (std::find(std::begin(kReasons), std::end(kReasons), rule->reason) == std::end(kReasons)) {
      Add("FieldValueNotSupported", Join(path, "reason"),
          "must be FieldValueInvalid, FieldValueForbidden, FieldValueRequired or FieldValueDuplicate");
    }
    if (Present(in, "fieldPath") == nullptr) return;
    const absl::StatusOr<std::string> field = ReadFieldPath(Trimmed(in, "fieldPath", path), node_);
    if (field.ok() && !field->empty()) {
      rule->field_path = *field;
    } else {
      Add("FieldValueInvalid", Join(path, "fieldPath"),
          field.ok() ? "must be non-empty if specified" : field.status().message());
    }
  }

  std::string Trimmed(const json& in, const char* name, const std::string& path) {
    const json* value = Present(in, name);
    if (value == nullptr) return "";
    if (value->is_string())
      return std::string(absl::StripAsciiWhitespace(value->get_ref<const std::string&>()));
    Add("FieldValueTypeInvalid", Join(path, name), "must be a string");
    return "";
  }

  static bool HasLineBreak(absl::string_view text) { return absl::StrContains(text, '\n'); }

  void Add(absl::string_view reason, const std::string& path, absl::string_view message) {
    errors_.push_back({std::string(reason), path, std::string(message)});
  }

  const RulePlace place_;
  SchemaNode& node_;
  FieldErrors& errors_;
};

// Items of a keyed list before, by their keys.
class OldItems {
 public:
  OldItems(const SchemaNode& node, const json* old) : node_(node) {
    if (node.list_type != SchemaNode::ListType::kMap || old == nullptr || !old->is_array()) return;
    for (const json& item : *old) items_.emplace(KeysOf(item), &item);
  }
  const json* Find(const json& item) const {
    if (items_.empty()) return nullptr;
    const auto it = items_.find(KeysOf(item));
    return it == items_.end() || it->second->is_null() ? nullptr : it->second;
  }

 private:
  json KeysOf(const json& item) const {
    json keys = json::array();
    for (const std::string& key : node_.list_keys)
      keys.push_back(item.is_object() ? item.value(key, json()) : json());
    return keys;
  }

  const SchemaNode& node_;
  std::map<json, const json*> items_;
};

class RuleRunner {
 public:
  RuleRunner(FieldErrors* errors, const RuleLimits& limits)
      : errors_(*errors), limits_(limits), left_(limits.steps_per_object) {}

  // `unchanged`: this value, or one that it is in, is what it was before.
  void Node(const SchemaNode& node, const json& value, const json* old, const Place& place, bool unchanged) {
    if (!node.has_rules || value.is_null() || is_over_) return;
    if (!unchanged && node.has_plain_rules && old != nullptr) unchanged = *old == value;
    if (unchanged && !node.has_transition_rules) return;
    if (!node.rules.empty()) Rules(node, value, old, place, unchanged);
    if (value.is_object()) Fields(node, value, old, place, unchanged);
    if (!value.is_array() || node.items == nullptr || !node.items->has_rules) return;
    const OldItems before(node, old);
    for (size_t i = 0; i < value.size(); ++i) {
      Node(*node.items, value[i], before.Find(value[i]), place.At(i), unchanged);
    }
  }

 private:
  void Fields(const SchemaNode& node, const json& value, const json* old, const Place& place,
              bool unchanged) {
    const bool found_before = old != nullptr && old->is_object() && !node.atomic_object;
    for (const auto& [name, field] : node.properties) {
      const auto it = field->has_rules ? value.find(name) : value.end();
      if (it == value.end()) continue;
      Node(*field, *it, found_before ? Present(*old, name) : nullptr, place.Field(name), unchanged);
    }
    if (node.additional == nullptr || !node.additional->has_rules) return;
    for (const auto& [name, inner] : value.items()) {
      Node(*node.additional, inner, found_before ? Present(*old, name) : nullptr, place.Field(name),
           unchanged);
    }
  }

  void Rules(const SchemaNode& node, const json& value, const json* old, const Place& place, bool unchanged) {
    const auto self = cel::Value::FromJson(value, node.cel_type);
    const auto before =
        old == nullptr ? absl::StatusOr<cel::Value>(cel::Value()) : cel::Value::FromJson(*old, node.cel_type);
    for (const SchemaRule& rule : node.rules) {
      if (is_over_) return;
      const bool skipped = rule.uses_old ? old == nullptr && !rule.optional_old : unchanged;
      if (skipped) continue;
      if (!self.ok() || !before.ok()) {
        return Add(
            "FieldValueInvalid", place,
            absl::StrCat((self.ok() ? before : self).status().message(), " evaluating rule: ", Name(rule)));
      }
      cel::Value values[] = {*self, *before};
      if (rule.optional_old) values[1] = old == nullptr ? cel::Value::None() : cel::Value::Some(*before);
      Rule(rule, values, TypeName(node, value), place);
    }
  }

  // As Kubernetes shows the value that a rule is about.
  static std::string TypeName(const SchemaNode& node, const json& value) {
    return node.type.empty() ? std::string(value.type_name()) : node.type;
  }

  void Rule(const SchemaRule& rule, absl::Span<const cel::Value> values, const std::string& type,
            const Place& place) {
    const absl::StatusOr<cel::Value> result = Evaluate(*rule.program, values);
    if (!result.ok()) {
      const std::string problem = absl::StrCat(result.status().message(), " evaluating rule: ", Name(rule));
      is_over_ = result.status().code() == absl::StatusCode::kResourceExhausted;
      return Add("FieldValueInvalid", place,
                 absl::StrCat("Invalid value: \"", type, "\": ", problem,
                              is_over_ ? "; no further validation rules were run" : ""));
    }
    if (const bool* holds = result->As<bool>(); holds != nullptr && *holds) return;
    const std::string message = Message(rule, values);
    const Place below = place.Field(rule.field_path);
    const Place& where = rule.field_path.empty() ? place : below;
    if (rule.reason == "FieldValueForbidden") return Add(rule.reason, where, "Forbidden: " + message);
    if (rule.reason == "FieldValueRequired") return Add(rule.reason, where, "Required value: " + message);
    const char* words = rule.reason == "FieldValueDuplicate" ? "Duplicate" : "Invalid";
    Add(rule.reason, where, absl::StrCat(words, " value: \"", type, "\": ", message));
  }

  std::string Message(const SchemaRule& rule, absl::Span<const cel::Value> values) {
    if (rule.message_expression != nullptr) {
      const absl::StatusOr<cel::Value> text = Evaluate(*rule.message_expression, values);
      if (text.ok() && text->kind() == Type::Kind::kString) {
        const absl::string_view trimmed = absl::StripAsciiWhitespace(text->text());
        if (!trimmed.empty() && trimmed.size() <= kMaxEvaluatedMessage && !absl::StrContains(trimmed, '\n')) {
          return std::string(trimmed);
        }
      }
    }
    return rule.message.empty() ? "failed rule: " + rule.text : rule.message;
  }

  static const std::string& Name(const SchemaRule& rule) {
    return rule.message.empty() ? rule.text : rule.message;
  }

  absl::StatusOr<cel::Value> Evaluate(const cel::Program& program, absl::Span<const cel::Value> values) {
    const uint64_t steps = std::min(limits_.steps_per_rule, left_);
    cel::Budget budget(steps);
    absl::StatusOr<cel::Value> result = program.Evaluate(values, &budget);
    left_ -= steps - budget.left();
    return result;
  }

  void Add(absl::string_view reason, const Place& place, std::string message) {
    errors_.push_back({std::string(reason), place.ToString(), std::move(message)});
  }

  FieldErrors& errors_;
  const RuleLimits limits_;
  uint64_t left_;
  bool is_over_ = false;
};

}  // namespace

void ReadRules(const json& rules, const std::string& path, const RulePlace& place, SchemaNode* node,
               FieldErrors* errors) {
  if (!rules.is_array()) {
    errors->push_back({"FieldValueTypeInvalid", path, "must be a list of rules"});
    return;
  }
  if (rules.empty()) return;
  node->cel_type = place.is_root ? ResourceType(*node, "self") : TypeOf(*node, "self");
  if (node->cel_type == nullptr) {
    errors->push_back({"FieldValueInvalid", path,
                       "rules cannot stand where the schema does not say what the value is "
                       "(x-kubernetes-preserve-unknown-fields without a type)"});
    return;
  }
  for (size_t i = 0; i < rules.size(); ++i) RuleReader(place, node, errors).Read(rules[i], Item(path, i));
}

void CheckRules(const SchemaNode& root, const json& object, const json* old, FieldErrors* errors,
                const RuleLimits& limits) {
  RuleRunner(errors, limits).Node(root, object, old, Place(), /*unchanged=*/false);
}

}  // namespace xpu::api
