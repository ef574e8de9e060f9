#include "control-plane/apiserver/http/openapi.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/api/structural_schema.h"
#include "control-plane/apiserver/http/reply.h"
#include "control-plane/apiserver/store/api_error.h"

namespace xpu::apiserver {
namespace {

using api::KindInfo;
using nlohmann::json;

constexpr char kObjectMeta[] = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
constexpr char kGvk[] = "x-kubernetes-group-version-kind";
// As clients ask for it, and as it is answered: '@' cannot stand in a media type (RFC 9110), and Go's parser
// says so.
constexpr absl::string_view kBinary = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
constexpr absl::string_view kBinaryType = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

json Gvk(const KindInfo& kind) {
  return {{"group", kind.resource.group}, {"version", kind.resource.version}, {"kind", kind.resource.kind}};
}

// "org.opiproject.xpu.v1alpha1.Network"
std::string DefinitionName(const KindInfo& kind) {
  if (kind.resource.group.empty())
    return absl::StrCat("io.k8s.api.core.", kind.resource.version, ".", kind.resource.kind);
  std::vector<std::string> parts = absl::StrSplit(kind.resource.group, '.');
  std::reverse(parts.begin(), parts.end());
  return absl::StrCat(absl::StrJoin(parts, "."), ".", kind.resource.version, ".", kind.resource.kind);
}

json ObjectMeta() {
  const json text = {{"type", "string"}};
  const json texts = {{"type", "object"}, {"additionalProperties", text}};
  const json list = {{"type", "array"}, {"items", {{"type", "object"}}}};
  const auto of = [](json schema, const char* description) {
    schema["description"] = description;
    return schema;
  };
  return {
      {"type", "object"},
      {"description",
       "What every object has: its name, labels and "
       "annotations, and what the server notes of it."},
      {"properties",
       {{"name", of(text, "Unique within a namespace and kind.")},
        {"generateName", of(text, "A prefix; the server makes a name of it where there is none.")},
        {"namespace", of(text, "The scope of the name.")},
        {"labels", of(texts, "Keys and values that objects are selected by.")},
        {"annotations", of(texts, "Keys and values for programs.")},
        {"finalizers", of({{"type", "array"}, {"items", text}}, "Who must agree before the object goes.")},
        {"ownerReferences", of(list, "Objects that this one goes with.")},
        {"managedFields", of(list, "Who applies which fields.")},
        {"uid", of(text,
                   "Tells this object from others of that name, before "
                   "and after. Written by the server.")},
        {"resourceVersion", of(text, "Changes with the object. Written by the server.")},
        {"generation", of({{"type", "integer"}, {"format", "int64"}},
                          "Counts changes of the specification. Written by the server.")},
        {"creationTimestamp", of(text, "Written by the server.")},
        {"deletionTimestamp", of(text, "When its deletion was asked for. Written by the server.")},
        {"deletionGracePeriodSeconds", {{"type", "integer"}, {"format", "int64"}}},
        {"selfLink", text}}}};
}

// What OpenAPI v2 can say of a schema of a CRD; the server itself holds to the rest.
json Plain(const json& schema) {
  json out = json::object();
  if (!schema.is_object()) return out;
  for (const char* name : {"description", "format", "type"}) {
    if (schema.contains(name) && schema[name].is_string()) out[name] = schema[name];
  }
  for (const json& name : schema.value("required", json::array())) {
    if (name.is_string()) out["required"].push_back(name);
  }
  if (schema.value("x-kubernetes-int-or-string", false)) out.erase("type");
  // Whoever takes any field must not be told of some.
  if (schema.value("x-kubernetes-preserve-unknown-fields", false)) return out;
  if (schema.contains("items")) out["items"] = Plain(schema["items"]);
  if (schema.contains("additionalProperties") && schema["additionalProperties"].is_object()) {
    out["additionalProperties"] = Plain(schema["additionalProperties"]);
  }
  const json properties = schema.value("properties", json::object());
  for (const auto& [name, inner] : properties.items()) out["properties"][name] = Plain(inner);
  return out;
}

json Definition(const KindInfo& kind, bool v3) {
  json schema = {{"type", "object"}};
  if (kind.schema != nullptr) schema = v3 ? kind.schema->source() : Plain(kind.schema->source());
  json& properties = schema["properties"];
  properties["apiVersion"] = {{"type", "string"}, {"description", "The version of this form of the object."}};
  properties["kind"] = {{"type", "string"}, {"description", "What sort of object this is."}};
  const std::string ref = absl::StrCat(v3 ? "#/components/schemas/" : "#/definitions/", kObjectMeta);
  properties["metadata"] = v3 ? json{{"allOf", {{{"$ref", ref}}}}} : json{{"$ref", ref}};
  schema[kGvk] = json::array({Gvk(kind)});
  return schema;
}

json Parameters(bool v3) {
  json list = json::array();
  for (const char* name : {"dryRun", "fieldManager", "fieldValidation"}) {
    json parameter = {{"name", name}, {"in", "query"}};
    if (v3) {
      parameter["schema"] = {{"type", "string"}};
    } else {
      parameter["type"] = "string";
    }
    list.push_back(std::move(parameter));
  }
  return list;
}

void AddPaths(const KindInfo& kind, bool v3, json* paths) {
  const std::string base =
      absl::StrCat(kind.resource.group.empty() ? "/api/" : "/apis/", kind.resource.ApiVersion(),
                   kind.namespaced ? "/namespaces/{namespace}/" : "/", kind.resource.plural);
  const auto operation = [&](const char* action, bool writes) {
    json out = {{"x-kubernetes-action", action},
                {kGvk, Gvk(kind)},
                {"responses", {{"200", {{"description", "OK"}}}}}};
    if (writes) out["parameters"] = Parameters(v3);
    return out;
  };
  (*paths)[base] = {{"get", operation("list", false)}, {"post", operation("post", true)}};
  (*paths)[base + "/{name}"] = {{"get", operation("get", false)},
                                {"put", operation("put", true)},
                                {"patch", operation("patch", true)},
                                {"delete", operation("delete", false)}};
}

std::string V3Key(const KindInfo& kind) {
  return absl::StrCat(kind.resource.group.empty() ? "api/" : "apis/", kind.resource.ApiVersion());
}

bool Takes(absl::string_view accept, absl::string_view type) {
  for (absl::string_view range : absl::StrSplit(accept, ',')) {
    if (absl::StripAsciiWhitespace(range.substr(0, range.find(';'))) == type) return true;
  }
  return false;
}

}  // namespace

json OpenApiV2(const KindTable& kinds) {
  json definitions = {{kObjectMeta, ObjectMeta()}};
  json paths = json::object();
  for (const KindPtr& kind : kinds.all()) {
    // Of what nobody has described clients make what they know themselves of it.
    if (kind->schema != nullptr) definitions[DefinitionName(*kind)] = Definition(*kind, /*v3=*/false);
    AddPaths(*kind, /*v3=*/false, &paths);
  }
  return {{"swagger", "2.0"},
          {"info", {{"title", "xpu-apiserver"}, {"version", "v1.25.0"}}},
          {"paths", std::move(paths)},
          {"definitions", std::move(definitions)}};
}

json OpenApiV3(const KindTable& kinds, const std::string& group, const std::string& version) {
  json schemas = {{kObjectMeta, ObjectMeta()}};
  json paths = json::object();
  for (const KindPtr& kind : kinds.all()) {
    if (kind->resource.group != group || kind->resource.version != version) continue;
    schemas[DefinitionName(*kind)] = Definition(*kind, /*v3=*/true);
    AddPaths(*kind, /*v3=*/true, &paths);
  }
  if (paths.empty()) return nullptr;
  return {{"openapi", "3.0.0"},
          {"info", {{"title", "xpu-apiserver"}, {"version", "v1.25.0"}}},
          {"paths", std::move(paths)},
          {"components", {{"schemas", std::move(schemas)}}}};
}

std::optional<absl::StatusOr<HttpReply>> OpenApi::Answer(const HttpRequest& request) {
  const std::vector<std::string>& path = request.path;
  if (path.size() < 2 || path[0] != "openapi") return std::nullopt;
  if (path[1] == "v2" && path.size() == 2) return V2(request.accept);
  if (path[1] != "v3") return std::nullopt;
  if (path.size() == 2) {
    json paths = json::object();
    for (const KindPtr& kind : kinds_.all()) {
      const std::string key = V3Key(*kind);
      // The number changes with the kinds, so that a client's copy is not used any longer than it is right.
      paths[key] = {{"serverRelativeURL", absl::StrCat("/openapi/v3/", key, "?hash=", kinds_.generation())}};
    }
    return JsonReply(200, {{"paths", std::move(paths)}});
  }
  json document;
  if (path.size() == 4 && path[2] == "api") document = OpenApiV3(kinds_, "", path[3]);
  if (path.size() == 5 && path[2] == "apis") document = OpenApiV3(kinds_, path[3], path[4]);
  if (document.is_null()) return absl::StatusOr<HttpReply>(NoSuchPath());
  return JsonReply(200, document);
}

absl::StatusOr<HttpReply> OpenApi::V2(absl::string_view accept) {
  if (generation_ != kinds_.generation()) {
    const json document = OpenApiV2(kinds_);
    v2_json_ = document.dump();
    v2_binary_ = ToBinary(document);
    generation_ = kinds_.generation();
  }
  HttpReply reply;
  if (Takes(accept, kBinary) || Takes(accept, kBinaryType)) {
    reply.content_type = std::string(kBinaryType);
    reply.body = v2_binary_;
    return reply;
  }
  if (!accept.empty() && !Takes(accept, "application/json") && !Takes(accept, "*/*")) {
    return NotAcceptable(absl::StrCat("OpenAPI is given as application/json or ", kBinary));
  }
  reply.body = v2_json_;
  return reply;
}

}  // namespace xpu::apiserver
