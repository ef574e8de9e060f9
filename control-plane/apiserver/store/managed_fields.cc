#include "control-plane/apiserver/store/managed_fields.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "control-plane/apiserver/store/api_error.h"
#include "control-plane/apiserver/store/object_rules.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;

constexpr char kApply[] = "Apply";
constexpr char kUpdate[] = "Update";
constexpr char kBefore[] = "before-first-apply";

// One entry of metadata.managedFields.
struct Entry {
  std::string manager;
  std::string operation;
  std::string subresource;
  std::string api_version;
  std::string time;
  FieldSet fields;

  bool Is(const std::string& who, const std::string& how, const std::string& where) const {
    return manager == who && operation == how && subresource == where;
  }
};

std::string Text(const json& object, const char* name) {
  const auto it = object.find(name);
  return it == object.end() || !it->is_string() ? "" : it->get<std::string>();
}

std::vector<Entry> Read(const json& object) {
  std::vector<Entry> entries;
  const json list = object["metadata"].value("managedFields", json::array());
  for (const json& entry : list) {
    if (!entry.is_object()) continue;
    entries.push_back({Text(entry, "manager"), Text(entry, "operation"), Text(entry, "subresource"),
                       Text(entry, "apiVersion"), Text(entry, "time"),
                       FieldSet::FromJson(entry.value("fieldsV1", json()))});
  }
  return entries;
}

void Write(const std::vector<Entry>& entries, json* object) {
  json list = json::array();
  for (const Entry& entry : entries) {
    if (entry.fields.empty()) continue;
    json out = {{"manager", entry.manager},        {"operation", entry.operation},
                {"apiVersion", entry.api_version}, {"time", entry.time},
                {"fieldsType", "FieldsV1"},        {"fieldsV1", entry.fields.ToJson()}};
    if (!entry.subresource.empty()) out["subresource"] = entry.subresource;
    list.push_back(std::move(out));
  }
  (*object)["metadata"]["managedFields"] = std::move(list);
}

std::string SubresourceOf(Part part) { return part == Part::kStatus ? "status" : ""; }

// What a write of this half can own.
json HalfOf(const api::KindInfo& kind, Part part, json object) {
  if (part == Part::kMain) {
    if (kind.has_status) object.erase("status");
    return object;
  }
  json half = json::object();
  if (object.contains("status")) half["status"] = object["status"];
  return half;
}

Entry& EntryOf(std::vector<Entry>& entries, const api::KindInfo& kind, const FieldManager& manager,
               const char* operation) {
  const std::string subresource = SubresourceOf(manager.part);
  const auto it = std::find_if(entries.begin(), entries.end(),
                               [&](const Entry& e) { return e.Is(manager.name, operation, subresource); });
  if (it != entries.end()) return *it;
  entries.push_back({manager.name, operation, subresource, kind.resource.ApiVersion(), manager.now, {}});
  return entries.back();
}

void Set(Entry& entry, FieldSet fields, const api::KindInfo& kind, const FieldManager& manager) {
  if (entry.fields == fields && entry.api_version == kind.resource.ApiVersion()) return;
  entry.fields = std::move(fields);
  entry.api_version = kind.resource.ApiVersion();
  entry.time = manager.now;
}

std::string OwnerOf(const Entry& entry) {
  return absl::StrCat(
      "\"", entry.manager, "\"",
      entry.subresource.empty() ? "" : absl::StrCat(" with subresource \"", entry.subresource, "\""),
      " using ", entry.api_version, entry.operation == kUpdate ? absl::StrCat(" at ", entry.time) : "");
}

absl::Status Refuse(const std::vector<std::pair<const Entry*, FieldSet>>& conflicts) {
  json causes = json::array();
  std::string list;
  for (const auto& [entry, fields] : conflicts) {
    const std::string owner = absl::StrCat("conflict with ", OwnerOf(*entry));
    absl::StrAppend(&list, list.empty() ? "" : "\n", owner, ":");
    for (const std::string& path : fields.Paths()) {
      causes.push_back({{"reason", "FieldManagerConflict"}, {"message", owner}, {"field", path}});
      absl::StrAppend(&list, "\n- ", path);
    }
  }
  const size_t count = causes.size();
  if (count == 1) {
    list = absl::StrCat(causes[0]["message"].get<std::string>(), ": ", causes[0]["field"].get<std::string>());
  }
  return ApplyConflict(
      absl::StrCat("Apply failed with ", count, " conflict", count == 1 ? "" : "s", ": ", list),
      std::move(causes));
}

}  // namespace

json FirstApplied(const api::KindInfo& kind, json applied, const FieldManager& manager) {
  std::vector<Entry> entries;
  EntryOf(entries, kind, manager, kApply).fields =
      MergeSchema(kind).Fields(HalfOf(kind, manager.part, applied));
  Write(entries, &applied);
  return applied;
}

absl::StatusOr<json> Applied(const api::KindInfo& kind, const json& live, const json& applied,
                             const FieldManager& manager, bool force) {
  const MergeSchema schema(kind);
  const json mine = HalfOf(kind, manager.part, applied);
  std::vector<Entry> entries = Read(live);
  if (entries.empty()) {
    for (const Part part : {Part::kMain, Part::kStatus}) {
      Entry& before = EntryOf(entries, kind, {kBefore, part, manager.now}, kUpdate);
      if (kind.has_status || part == Part::kMain) before.fields = schema.Fields(HalfOf(kind, part, live));
    }
  }
  const FieldSet fields = schema.Fields(mine);
  const FieldSet dropped = EntryOf(entries, kind, manager, kApply).fields.Without(fields);
  json merged = schema.Merge(live, mine);

  const std::string subresource = SubresourceOf(manager.part);
  const FieldSet changed = schema.Compare(live, merged).changed;
  std::vector<std::pair<const Entry*, FieldSet>> conflicts;
  FieldSet of_others;
  for (Entry& entry : entries) {
    if (entry.Is(manager.name, kApply, subresource)) continue;
    // Where nobody has said that it may be taken.
    if (FieldSet conflict = entry.fields.And(changed).And(fields); !conflict.empty()) {
      conflicts.emplace_back(&entry, conflict);
      if (force) entry.fields = entry.fields.Without(conflict);
    }
    of_others = of_others.Or(entry.fields);
  }
  if (!conflicts.empty() && !force) return Refuse(conflicts);
  schema.Remove(dropped.Without(of_others), &merged);
  Set(EntryOf(entries, kind, manager, kApply), fields, kind, manager);
  Write(entries, &merged);
  return merged;
}

bool IsTracked(const json& object) {
  const json& metadata = object["metadata"];
  const auto managed = metadata.find("managedFields");
  return managed != metadata.end() && !managed->empty();
}

void TrackUpdate(const api::KindInfo& kind, const json& before, const FieldManager& manager, json* after) {
  std::vector<Entry> entries = Read(before);
  if (entries.empty()) return;
  const MergeSchema schema(kind);
  const MergeSchema::Difference difference =
      schema.Compare(HalfOf(kind, manager.part, before), HalfOf(kind, manager.part, *after));
  if (difference.changed.empty() && difference.removed.empty()) {
    Write(entries, after);
    return;
  }
  const FieldSet touched = difference.changed.Or(difference.removed);
  const std::string subresource = SubresourceOf(manager.part);
  for (Entry& entry : entries) {
    if (!entry.Is(manager.name, kUpdate, subresource)) entry.fields = entry.fields.Without(touched);
  }
  Entry& mine = EntryOf(entries, kind, manager, kUpdate);
  Set(mine, mine.fields.Without(difference.removed).Or(difference.changed), kind, manager);
  Write(entries, after);
}

}  // namespace xpu::apiserver
