#include "control-plane/apiserver/store/crd.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/api/field_path.h"
#include "common/api/formats.h"
#include "common/api/structural_schema.h"
#include "control-plane/apiserver/store/object_rules.h"

namespace xpu::apiserver {
namespace {

using api::FieldErrors;
using nlohmann::json;

constexpr char kGroup[] = "apiextensions.k8s.io";

// Null where there is nothing.
const json& At(const json& object, const char* name) {
  static const json& nothing = *new json();
  if (!object.is_object()) return nothing;
  const auto it = object.find(name);
  return it == object.end() ? nothing : *it;
}

std::string Text(const json& object, const char* name) {
  const json& value = At(object, name);
  return value.is_string() ? value.get<std::string>() : "";
}

std::vector<std::string> Texts(const json& object, const char* name) {
  std::vector<std::string> out;
  for (const json& text : At(object, name)) {
    if (text.is_string()) out.push_back(text.get<std::string>());
  }
  return out;
}

class Reader {
 public:
  Reader(const json& crd, const KindTable& table, FieldErrors* errors)
      : crd_(crd), spec_(At(crd, "spec")), names_(At(spec_, "names")), table_(table), errors_(*errors) {}

  std::vector<KindPtr> Read() {
    const size_t before = errors_.size();
    Names();
    Versions();
    if (errors_.size() != before) return {};
    return kinds_;
  }

 private:
  void Names() {
    group_ = Text(spec_, "group");
    plural_ = Text(names_, "plural");
    kind_ = Text(names_, "kind");
    const std::string scope = Text(spec_, "scope");
    if (!api::IsDnsSubdomain(group_) || !absl::StrContains(group_, '.')) {
      Add("FieldValueInvalid", "spec.group", "must be a domain, such as example.org");
    }
    if (!api::IsDnsLabel(plural_)) Add("FieldValueInvalid", "spec.names.plural", "must be a lower-case word");
    if (kind_.empty()) Add("FieldValueRequired", "spec.names.kind", "Required value");
    if (scope != "Namespaced" && scope != "Cluster") {
      Add("FieldValueNotSupported", "spec.scope", "must be Namespaced or Cluster");
    }
    const std::string name = absl::StrCat(plural_, ".", group_);
    if (MetadataText(crd_, "name") != name) {
      Add("FieldValueInvalid", "metadata.name", "must be spec.names.plural+\".\"+spec.group");
    }
    const std::string strategy = Text(At(spec_, "conversion"), "strategy");
    if (!strategy.empty() && strategy != "None") {
      Add("FieldValueNotSupported", "spec.conversion.strategy", "this server converts nothing: must be None");
    }
    // Names that mean another kind of the group already.
    for (const KindPtr& other : table_.all()) {
      if (other->resource.group != group_ || other->resource.plural == plural_) continue;
      if (other->resource.kind == kind_) {
        Add("FieldValueDuplicate", "spec.names.kind",
            absl::StrCat("is ", other->resource.plural, ".", group_, "'s already"));
      }
    }
  }

  void Versions() {
    const json& versions = At(spec_, "versions");
    if (!versions.is_array() || versions.empty()) {
      return Add("FieldValueRequired", "spec.versions", "must have at least one version");
    }
    int stored = 0;
    for (size_t i = 0; i < versions.size(); ++i) {
      const json& version = versions[i];
      const std::string path = absl::StrCat("spec.versions[", i, "]");
      if (At(version, "storage") == true) ++stored;
      if (!api::IsDnsLabel(Text(version, "name"))) {
        Add("FieldValueInvalid", path + ".name", "must be a lower-case word, such as v1");
      }
      Version(version, path);
    }
    if (stored != 1)
      Add("FieldValueInvalid", "spec.versions", "must have exactly one version with storage: true");
  }

  void Version(const json& version, const std::string& path) {
    auto info = std::make_shared<api::KindInfo>();
    info->resource = {group_, Text(version, "name"), kind_, plural_};
    info->singular = Text(names_, "singular");
    if (info->singular.empty()) info->singular = absl::AsciiStrToLower(kind_);
    info->short_names = Texts(names_, "shortNames");
    info->categories = Texts(names_, "categories");
    info->namespaced = Text(spec_, "scope") == "Namespaced";
    info->has_status = At(At(version, "subresources"), "status").is_object();
    if (At(At(version, "subresources"), "scale").is_object()) {
      Add("FieldValueNotSupported", path + ".subresources.scale", "this server has no subresource scale");
    }
    Columns(version, path, info.get());
    for (const json& field : At(version, "selectableFields")) {
      info->selectable_fields.emplace_back(absl::StripPrefix(Text(field, "jsonPath"), "."));
    }
    const json& schema = At(At(version, "schema"), "openAPIV3Schema");
    const std::string schema_path = path + ".schema.openAPIV3Schema";
    if (!schema.is_object())
      return Add("FieldValueRequired", schema_path, "Required value: schemas are required");
    if (KindTable::IsBuiltIn(group_, plural_)) return;
    info->schema = api::StructuralSchema::Parse(schema, schema_path, &errors_);
    if (At(version, "served") == true) kinds_.push_back(std::move(info));
  }

  void Columns(const json& version, const std::string& path, api::KindInfo* info) {
    const json& columns = At(version, "additionalPrinterColumns");
    // As Kubernetes: the age where nobody says which columns there are.
    info->age_column = !columns.is_array() || columns.empty();
    for (size_t i = 0; columns.is_array() && i < columns.size(); ++i) {
      const json& column = columns[i];
      const json& priority = At(column, "priority");
      api::Column out{Text(column, "name"), Text(column, "jsonPath"), priority.is_number() && priority > 0,
                      Text(column, "type") == "date"};
      if (!api::FieldPath::Parse(out.path).ok()) {
        Add("FieldValueInvalid", absl::StrCat(path, ".additionalPrinterColumns[", i, "].jsonPath"),
            "cannot be read as a path, such as .spec.size");
        continue;
      }
      info->columns.push_back(std::move(out));
    }
  }

  void Add(absl::string_view reason, const std::string& path, absl::string_view message) {
    errors_.push_back({std::string(reason), path, std::string(message)});
  }

  const json& crd_;
  const json& spec_;
  const json& names_;
  const KindTable& table_;
  FieldErrors& errors_;
  std::string group_, plural_, kind_;
  std::vector<KindPtr> kinds_;
};

}  // namespace

bool IsCrd(const api::KindInfo& kind) {
  return kind.resource.group == kGroup && kind.resource.plural == "customresourcedefinitions";
}

std::vector<KindPtr> KindsOf(const json& crd, const KindTable& table, FieldErrors* errors) {
  return Reader(crd, table, errors).Read();
}

void FillInCrd(json* crd, absl::string_view now) {
  json& spec = (*crd)["spec"];
  json& names = spec["names"];
  const std::string kind = Text(names, "kind");
  if (Text(names, "singular").empty()) names["singular"] = absl::AsciiStrToLower(kind);
  if (Text(names, "listKind").empty()) names["listKind"] = kind + "List";
  if (!spec.contains("conversion")) spec["conversion"] = {{"strategy", "None"}};
  json& status = (*crd)["status"];
  if (!status.is_object()) status = json::object();
  status["acceptedNames"] = names;
  json& stored = status["storedVersions"];
  if (!stored.is_array()) stored = json::array();
  for (const json& version : spec["versions"]) {
    const bool known = std::find(stored.begin(), stored.end(), version["name"]) != stored.end();
    if (At(version, "storage") == true && !known) stored.push_back(version["name"]);
  }
  if (status.contains("conditions")) return;
  for (const auto& [type, reason, message] :
       {std::tuple{"NamesAccepted", "NoConflicts", "no conflicts found"},
        {"Established", "InitialNamesAccepted", "the initial names have been accepted"}}) {
    status["conditions"].push_back({{"type", type},
                                    {"status", "True"},
                                    {"lastTransitionTime", std::string(now)},
                                    {"reason", reason},
                                    {"message", message}});
  }
}

}  // namespace xpu::apiserver
