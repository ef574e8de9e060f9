#include "control-plane/apiserver/store/kind_table.h"

#include <algorithm>

#include "common/api/structural_schema.h"
#include "common/api/yaml.h"
#include "control-plane/apiserver/store/object_store.h"
#include "nlohmann/json.hpp"

namespace xpu::apiserver {
namespace {

using nlohmann::json;

// By "group/plural".
std::map<std::string, std::shared_ptr<const api::StructuralSchema>> OwnSchemas() {
  std::map<std::string, std::shared_ptr<const api::StructuralSchema>> schemas;
  for (absl::string_view text : OwnCrds()) {
    const auto crds = api::YamlToJson(text, "crd");
    // A test holds that each can be read.
    if (!crds.ok() || crds->empty()) continue;
    const json& spec = crds->front().value["spec"];
    api::FieldErrors errors;
    schemas[spec["group"].get<std::string>() + "/" + spec["names"]["plural"].get<std::string>()] =
        api::StructuralSchema::Parse(spec["versions"][0]["schema"]["openAPIV3Schema"], "", &errors);
  }
  return schemas;
}

template <class Predicate>
KindPtr Find(const std::vector<KindPtr>& kinds, const Predicate& matches) {
  const auto it =
      std::find_if(kinds.begin(), kinds.end(), [&](const KindPtr& kind) { return matches(*kind); });
  return it == kinds.end() ? nullptr : *it;
}

}  // namespace

KindTable::KindTable() {
  // Read once for all tables of a process: it takes longer than all else that a small store does.
  static const auto& schemas = *new auto(OwnSchemas());
  for (const api::KindInfo& kind : api::AllKinds()) {
    auto copy = std::make_shared<api::KindInfo>(kind);
    const auto schema = schemas.find(CollectionOf(kind.resource));
    if (schema != schemas.end()) copy->schema = schema->second;
    built_in_.push_back(std::move(copy));
  }
  Rebuild();
}

KindPtr KindTable::FindPlural(absl::string_view group, absl::string_view version,
                              absl::string_view plural) const {
  return Find(all_, [&](const api::KindInfo& k) {
    return k.resource.plural == plural && k.resource.group == group && k.resource.version == version;
  });
}

KindPtr KindTable::FindKind(absl::string_view api_version, absl::string_view kind) const {
  return Find(all_, [&](const api::KindInfo& k) {
    return k.resource.kind == kind && k.resource.ApiVersion() == api_version;
  });
}

KindPtr KindTable::OfCollection(absl::string_view collection) const {
  return Find(all_, [&](const api::KindInfo& k) { return CollectionOf(k.resource) == collection; });
}

bool KindTable::IsBuiltIn(absl::string_view group, absl::string_view plural) {
  const std::vector<api::KindInfo>& kinds = api::AllKinds();
  return std::any_of(kinds.begin(), kinds.end(), [&](const api::KindInfo& k) {
    return k.resource.group == group && k.resource.plural == plural;
  });
}

void KindTable::Serve(const std::string& crd, std::vector<KindPtr> kinds) {
  declared_[crd] = std::move(kinds);
  Rebuild();
}

void KindTable::Withdraw(const std::string& crd) {
  declared_.erase(crd);
  Rebuild();
}

void KindTable::Clear() {
  declared_.clear();
  Rebuild();
}

void KindTable::Rebuild() {
  all_ = built_in_;
  for (const auto& [crd, kinds] : declared_) all_.insert(all_.end(), kinds.begin(), kinds.end());
  std::stable_sort(all_.begin(), all_.end(),
                   [](const KindPtr& a, const KindPtr& b) { return a->resource < b->resource; });
  ++generation_;
}

}  // namespace xpu::apiserver
