// OpenAPI v2 as gnostic's message.
#include "control-plane/apiserver/http/openapi.h"
#include "gnostic/openapi/v2/document.pb.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;

template <class Message>
void AddExtensions(const json& from, Message* to) {
  for (const auto& [name, value] : from.items()) {
    if (name.rfind("x-", 0) != 0) continue;
    auto* extension = to->add_vendor_extension();
    extension->set_name(name);
    // JSON is YAML.
    extension->mutable_value()->set_yaml(value.dump());
  }
}

void Fill(const json& from, openapi::v2::Schema* to) {
  if (from.contains("$ref")) to->set__ref(from["$ref"].get<std::string>());
  if (from.contains("format")) to->set_format(from["format"].get<std::string>());
  if (from.contains("description")) to->set_description(from["description"].get<std::string>());
  if (from.contains("type")) to->mutable_type()->add_value(from["type"].get<std::string>());
  for (const json& name : from.value("required", json::array())) to->add_required(name.get<std::string>());
  if (from.contains("items")) Fill(from["items"], to->mutable_items()->add_schema());
  if (from.contains("additionalProperties")) {
    Fill(from["additionalProperties"], to->mutable_additional_properties()->mutable_schema());
  }
  const json properties = from.value("properties", json::object());
  for (const auto& [name, inner] : properties.items()) {
    auto* property = to->mutable_properties()->add_additional_properties();
    property->set_name(name);
    Fill(inner, property->mutable_value());
  }
  AddExtensions(from, to);
}

void Fill(const json& from, openapi::v2::Operation* to) {
  for (const json& parameter : from.value("parameters", json::array())) {
    auto* query = to->add_parameters()
                      ->mutable_parameter()
                      ->mutable_non_body_parameter()
                      ->mutable_query_parameter_sub_schema();
    query->set_name(parameter["name"].get<std::string>());
    query->set_in(parameter["in"].get<std::string>());
    query->set_type(parameter["type"].get<std::string>());
  }
  AddExtensions(from, to);
}

}  // namespace

std::string ToBinary(const json& v2) {
  openapi::v2::Document document;
  document.set_swagger(v2["swagger"].get<std::string>());
  document.mutable_info()->set_title(v2["info"]["title"].get<std::string>());
  document.mutable_info()->set_version(v2["info"]["version"].get<std::string>());
  for (const auto& [name, schema] : v2["definitions"].items()) {
    auto* definition = document.mutable_definitions()->add_additional_properties();
    definition->set_name(name);
    Fill(schema, definition->mutable_value());
  }
  for (const auto& [name, item] : v2["paths"].items()) {
    auto* path = document.mutable_paths()->add_path();
    path->set_name(name);
    openapi::v2::PathItem* to = path->mutable_value();
    if (item.contains("get")) Fill(item["get"], to->mutable_get());
    if (item.contains("put")) Fill(item["put"], to->mutable_put());
    if (item.contains("post")) Fill(item["post"], to->mutable_post());
    if (item.contains("delete")) Fill(item["delete"], to->mutable_delete_());
    if (item.contains("patch")) Fill(item["patch"], to->mutable_patch());
  }
  return document.SerializeAsString();
}

}  // namespace xpu::apiserver
