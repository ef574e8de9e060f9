#include "common/api/kindgen/crd.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/api/kindgen/declaration.h"
#include "common/api/schema.h"

namespace xpu::api {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using nlohmann::json;
using v1alpha1::FieldOptions;

json SchemaOf(const Descriptor& type);

// A pattern; where the field may be empty, so may the text.
void SetPattern(json* schema, absl::string_view pattern, bool may_be_empty) {
  (*schema)["pattern"] =
      may_be_empty ? absl::StrCat("^(", pattern, ")?$") : absl::StrCat("^(", pattern, ")$");
}

void SetFormats(json* schema, const std::vector<const char*>& formats, bool may_be_empty) {
  if (formats.size() == 1 && !may_be_empty) {
    (*schema)["format"] = formats[0];
    return;
  }
  json any = json::array();
  for (const char* format : formats) any.push_back({{"format", format}});
  if (may_be_empty) any.push_back({{"maxLength", 0}});
  (*schema)["anyOf"] = std::move(any);
}

void SetTextRules(json* schema, const FieldDescriptor& field) {
  const FieldOptions& rules = RulesOf(field);
  bool may_be_empty = !rules.required() && !field.is_repeated();
  constexpr absl::string_view kLabel = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
  switch (rules.format()) {
    case v1alpha1::FORMAT_MAC:
      SetPattern(schema, "[0-9a-fA-F][02468aceACE](:[0-9a-fA-F]{2}){5}", may_be_empty);
      break;
    case v1alpha1::FORMAT_IP:
      SetFormats(schema, {"ipv4", "ipv6"}, may_be_empty);
      break;
    case v1alpha1::FORMAT_PREFIX:
    case v1alpha1::FORMAT_IP_WITH_LENGTH:
      SetFormats(schema, {"cidr"}, may_be_empty);
      break;
    case v1alpha1::FORMAT_PCI_ADDRESS:
      SetPattern(schema, "[0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[01][0-9a-fA-F]\\.[0-7]", may_be_empty);
      break;
    case v1alpha1::FORMAT_FUNCTION_ID:
      SetPattern(schema, "[0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[01][0-9a-fA-F]\\.[0-7](-sf(0|[1-9][0-9]{0,9}))?",
                 may_be_empty);
      break;
    case v1alpha1::FORMAT_IP_MAYBE_WITH_LENGTH:
      SetFormats(schema, {"ipv4", "ipv6", "cidr"}, may_be_empty);
      break;
    case v1alpha1::FORMAT_DNS_LABEL:
      SetPattern(schema, kLabel, may_be_empty);
      (*schema)["maxLength"] = 63;
      break;
    case v1alpha1::FORMAT_DNS_SUBDOMAIN:
      SetPattern(schema, absl::StrCat(kLabel, "(\\.", kLabel, ")*"), may_be_empty);
      (*schema)["maxLength"] = 253;
      break;
    default:
      break;
  }
  if (rules.required() && !field.is_repeated()) (*schema)["minLength"] = 1;
  for (const std::string& value : rules.one_of()) (*schema)["enum"].push_back(value);
  if (rules.one_of_size() > 0 && may_be_empty) (*schema)["enum"].push_back("");
}

json ValueSchema(const FieldDescriptor& field) {
  const FieldOptions& rules = RulesOf(field);
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return SchemaOf(*field.message_type());
    case FieldDescriptor::CPPTYPE_BOOL:
      return {{"type", "boolean"}};
    case FieldDescriptor::CPPTYPE_STRING: {
      json schema = {{"type", "string"}};
      SetTextRules(&schema, field);
      return schema;
    }
    default: {
      bool wide = field.cpp_type() == FieldDescriptor::CPPTYPE_INT64;
      json schema = {{"type", "integer"}, {"format", wide ? "int64" : "int32"}};
      if (rules.has_min()) schema["minimum"] = rules.min();
      if (rules.has_max()) schema["maximum"] = rules.max();
      return schema;
    }
  }
}

json FieldSchema(const FieldDescriptor& field) {
  const FieldOptions& rules = RulesOf(field);
  json schema = ValueSchema(field);
  if (field.is_repeated()) {
    schema = {{"type", "array"}, {"items", std::move(schema)}};
    if (rules.required() || rules.has_min_items()) schema["minItems"] = std::max(rules.min_items(), 1);
    if (rules.has_max_items()) schema["maxItems"] = rules.max_items();
    if (rules.list_keys_size() > 0) {
      schema["x-kubernetes-list-type"] = "map";
      for (const std::string& key : rules.list_keys()) schema["x-kubernetes-list-map-keys"].push_back(key);
    }
  }
  if (!rules.default_json().empty()) {
    schema["default"] = json::parse(rules.default_json(), nullptr, /*allow_exceptions=*/false);
  }
  if (rules.immutable()) {
    schema["x-kubernetes-validations"] = {
        {{"rule", "self == oldSelf"}, {"message", "cannot be changed once it is set"}}};
  }
  if (std::string comment = CommentOf(field); !comment.empty()) schema["description"] = comment;
  return schema;
}

json SchemaOf(const Descriptor& type) {
  json schema = {{"type", "object"}};
  if (std::string comment = CommentOf(type); !comment.empty()) schema["description"] = comment;
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    schema["properties"][field.json_name()] = FieldSchema(field);
    if (RulesOf(field).required()) schema["required"].push_back(field.json_name());
  }
  return schema;
}

// "integer" for a column whose path ends in a number, "string" for all others.
const char* ColumnType(const Descriptor& kind, const std::string& path) {
  const Descriptor* type = &kind;
  const FieldDescriptor* field = nullptr;
  for (absl::string_view name : absl::StrSplit(path, '.', absl::SkipEmpty())) {
    field = nullptr;
    for (int i = 0; type != nullptr && i < type->field_count(); ++i) {
      if (type->field(i)->json_name() == name) field = type->field(i);
    }
    if (field == nullptr) return "string";
    type = field->message_type();
  }
  bool number = field != nullptr && !field->is_repeated() &&
                (field->cpp_type() == FieldDescriptor::CPPTYPE_INT32 ||
                 field->cpp_type() == FieldDescriptor::CPPTYPE_INT64);
  return number ? "integer" : "string";
}

json Columns(const KindInfo& kind) {
  json columns = json::array();
  for (const Column& column : kind.columns) {
    json entry = {
        {"name", column.name}, {"type", ColumnType(*kind.message, column.path)}, {"jsonPath", column.path}};
    if (column.wide) entry["priority"] = 1;
    columns.push_back(std::move(entry));
  }
  columns.push_back({{"name", "Age"}, {"type", "date"}, {"jsonPath", ".metadata.creationTimestamp"}});
  return columns;
}

}  // namespace

json MakeCrd(const KindInfo& kind) {
  const ResourceKind& resource = kind.resource;
  json schema = SchemaOf(*kind.message);
  json& properties = schema["properties"];
  properties["apiVersion"] = {{"type", "string"}};
  properties["kind"] = {{"type", "string"}};
  properties["metadata"] = {{"type", "object"}};
  json names = {{"kind", resource.kind},
                {"listKind", resource.kind + "List"},
                {"plural", resource.plural},
                {"singular", kind.singular}};
  if (!kind.short_names.empty()) names["shortNames"] = kind.short_names;
  json version = {{"name", resource.version},
                  {"served", true},
                  {"storage", true},
                  {"additionalPrinterColumns", Columns(kind)},
                  {"schema", {{"openAPIV3Schema", std::move(schema)}}}};
  if (kind.has_status) version["subresources"] = {{"status", json::object()}};
  for (const std::string& path : kind.selectable_fields) {
    version["selectableFields"].push_back({{"jsonPath", "." + path}});
  }
  return {{"apiVersion", "apiextensions.k8s.io/v1"},
          {"kind", "CustomResourceDefinition"},
          {"metadata", {{"name", absl::StrCat(resource.plural, ".", resource.group)}}},
          {"spec",
           {{"group", resource.group},
            {"names", std::move(names)},
            {"scope", kind.namespaced ? "Namespaced" : "Cluster"},
            {"versions", json::array({std::move(version)})}}}};
}

}  // namespace xpu::api
