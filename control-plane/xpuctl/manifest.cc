#include "control-plane/xpuctl/manifest.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/kube/metadata.h"

namespace xpu {
namespace {

absl::StatusOr<std::string> ReadAll(const std::string& file, std::istream& in) {
  if (file == "-") return std::string(std::istreambuf_iterator<char>(in), {});
  std::ifstream stream(file, std::ios::binary);
  if (!stream)
    return absl::NotFoundError(absl::StrCat(file, ": there is no such file, or it cannot be read"));
  return std::string(std::istreambuf_iterator<char>(stream), {});
}

absl::StatusOr<std::vector<std::string>> Expand(const std::vector<std::string>& files) {
  std::vector<std::string> expanded;
  for (const std::string& file : files) {
    std::error_code error;
    if (file == "-" || !std::filesystem::is_directory(file, error)) {
      expanded.push_back(file);
      continue;
    }
    std::vector<std::string> inside;
    for (auto it = std::filesystem::directory_iterator(file, error);
         it != std::filesystem::directory_iterator(); it.increment(error)) {
      const std::string extension = it->path().extension().string();
      if (extension == ".yaml" || extension == ".yml" || extension == ".json")
        inside.push_back(it->path().string());
    }
    if (error) return absl::NotFoundError(absl::StrCat(file, ": ", error.message()));
    if (inside.empty()) {
      return absl::NotFoundError(absl::StrCat(file, ": there is no *.yaml, *.yml or *.json in that folder"));
    }
    std::sort(inside.begin(), inside.end());
    expanded.insert(expanded.end(), inside.begin(), inside.end());
  }
  return expanded;
}

std::string StringIn(const Resource& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

absl::Status AddObject(Resource object, const std::string& where, const std::string& ns,
                       std::vector<ManifestObject>* objects) {
  if (!object.is_object()) return absl::InvalidArgumentError(absl::StrCat(where, ": this is not an object"));
  const std::string version = StringIn(object, "apiVersion");
  const std::string kind_name = StringIn(object, "kind");
  if (version == "v1" && kind_name == "List") {
    if (!object.contains("items") || !object["items"].is_array()) {
      return absl::InvalidArgumentError(absl::StrCat(where, ": a List needs items"));
    }
    for (Resource& item : object["items"]) {
      XPU_RETURN_IF_ERROR(AddObject(std::move(item), where, ns, objects));
    }
    return absl::OkStatus();
  }
  if (version.empty()) return absl::InvalidArgumentError(absl::StrCat(where, ": apiVersion is missing"));
  if (kind_name.empty()) return absl::InvalidArgumentError(absl::StrCat(where, ": kind is missing"));
  const api::KindInfo* kind = api::FindKind(version, kind_name);
  if (kind == nullptr) {
    const std::string known =
        absl::StrJoin(api::AllKinds(), ", ", [](std::string* out, const api::KindInfo& info) {
          absl::StrAppend(out, info.resource.ApiVersion(), " ", info.resource.kind);
        });
    return absl::InvalidArgumentError(
        absl::StrCat(where, ": there is no kind ", version, " ", kind_name, "; there are ", known));
  }
  if (NameOf(object).name.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(where, ": metadata.name is missing"));
  }
  if (kind->namespaced && NameOf(object).ns.empty()) object["metadata"]["namespace"] = ns;
  objects->push_back({where, kind, std::move(object)});
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<ManifestObject>> ReadManifests(const std::vector<std::string>& files,
                                                          std::istream& in, const std::string& ns) {
  XPU_ASSIGN_OR_RETURN(const std::vector<std::string> expanded, Expand(files));
  std::vector<ManifestObject> objects;
  for (const std::string& file : expanded) {
    const std::string source = file == "-" ? "standard input" : file;
    XPU_ASSIGN_OR_RETURN(const std::string text, ReadAll(file, in));
    XPU_ASSIGN_OR_RETURN(std::vector<api::YamlDocument> documents, api::YamlToJson(text, source));
    for (api::YamlDocument& document : documents) {
      XPU_RETURN_IF_ERROR(
          AddObject(std::move(document.value), absl::StrCat(source, ":", document.line), ns, &objects));
    }
  }
  if (objects.empty()) return absl::InvalidArgumentError("there is no object in what was given");
  return objects;
}

}  // namespace xpu
