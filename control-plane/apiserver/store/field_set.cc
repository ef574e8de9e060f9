#include "control-plane/apiserver/store/field_set.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/json/json_text.h"

namespace xpu::apiserver {
namespace {

using api::SchemaNode;
using nlohmann::json;
using ListType = api::SchemaNode::ListType;

// Fields of metadata that somebody can own.
const api::StructuralSchema& MetadataSchema() {
  static const auto& schema = *new std::shared_ptr<const api::StructuralSchema>([] {
    api::FieldErrors errors;
    return api::StructuralSchema::Parse(json::parse(R"({"type": "object", "properties": {
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
        "finalizers": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "ownerReferences": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"],
                            "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}})"),
                                        "", &errors);
  }());
  return *schema;
}

const SchemaNode* Child(const SchemaNode* node, const std::string& name) {
  if (node == nullptr) return nullptr;
  const auto it = node->properties.find(name);
  return it == node->properties.end() ? node->additional.get() : it->second.get();
}

bool IsGranularObject(const SchemaNode* node, const json& value) {
  return value.is_object() && !value.empty() && (node == nullptr || !node->atomic_object);
}

ListType TypeOf(const SchemaNode* node) { return node == nullptr ? ListType::kAtomic : node->list_type; }

// Whether all items have the keys that tell them apart; only then a list is merged item by item.
bool IsGranularList(const SchemaNode* node, const json& value) {
  if (!value.is_array() || value.empty() || TypeOf(node) == ListType::kAtomic) return false;
  return TypeOf(node) == ListType::kSet ||
         std::all_of(value.begin(), value.end(), [](const json& item) { return item.is_object(); });
}

std::string KeyOf(const SchemaNode* node, const json& item) {
  if (TypeOf(node) == ListType::kSet || !item.is_object()) return absl::StrCat("v:", JsonText(item));
  json keys = json::object();
  for (const std::string& key : node->list_keys) keys[key] = item.value(key, json());
  return absl::StrCat("k:", JsonText(keys));
}

json* Find(const SchemaNode* node, json& list, const std::string& key) {
  for (json& item : list) {
    if (KeyOf(node, item) == key) return &item;
  }
  return nullptr;
}

FieldSet All(const SchemaNode* node, const json& value) {
  FieldSet set;
  if (IsGranularObject(node, value)) {
    for (const auto& [name, inner] : value.items()) set.below["f:" + name] = All(Child(node, name), inner);
  } else if (IsGranularList(node, value)) {
    for (const json& item : value) {
      FieldSet& inner = set.below[KeyOf(node, item)];
      if (TypeOf(node) == ListType::kMap) inner = All(node->items.get(), item);
      inner.self = true;
    }
  } else {
    set.self = true;
  }
  return set;
}

void CompareInto(const SchemaNode* node, const json* before, const json* after, FieldSet* changed,
                 FieldSet* removed) {
  if (after == nullptr) {
    *removed = All(node, *before);
  } else if (before == nullptr) {
    *changed = All(node, *after);
  } else if (*before == *after) {
    // Nothing.
  } else if (IsGranularObject(node, *before) && IsGranularObject(node, *after)) {
    for (const auto& [name, value] : after->items()) {
      const auto old = before->find(name);
      CompareInto(Child(node, name), old == before->end() ? nullptr : &*old, &value,
                  &changed->below["f:" + name], &removed->below["f:" + name]);
    }
    for (const auto& [name, value] : before->items()) {
      if (!after->contains(name)) removed->below["f:" + name] = All(Child(node, name), value);
    }
  } else if (IsGranularList(node, *before) && IsGranularList(node, *after)) {
    json old_list = *before;
    json new_list = *after;
    for (const json& item : *after) {
      const std::string key = KeyOf(node, item);
      const json* old = Find(node, old_list, key);
      FieldSet& inner = changed->below[key];
      if (old == nullptr) {
        if (TypeOf(node) == ListType::kMap) inner = All(node->items.get(), item);
        inner.self = true;
      } else if (TypeOf(node) == ListType::kMap) {
        CompareInto(node->items.get(), old, &item, &inner, &removed->below[key]);
      }
    }
    for (const json& item : *before) {
      const std::string key = KeyOf(node, item);
      if (Find(node, new_list, key) != nullptr) continue;
      removed->below[key] = TypeOf(node) == ListType::kMap ? All(node->items.get(), item) : FieldSet();
      removed->below[key].self = true;
    }
  } else {
    *changed = All(node, *after);
    *removed = All(node, *before).Without(*changed);
  }
  const auto prune = [](FieldSet* set) {
    std::erase_if(set->below, [](const auto& entry) { return entry.second.empty(); });
  };
  prune(changed);
  prune(removed);
}

void MergeInto(const SchemaNode* node, const json& applied, json* live) {
  if (live->is_object() && IsGranularObject(node, applied)) {
    for (const auto& [name, value] : applied.items()) {
      const auto it = live->find(name);
      if (it == live->end()) {
        (*live)[name] = value;
      } else {
        MergeInto(Child(node, name), value, &*it);
      }
    }
  } else if (live->is_array() && IsGranularList(node, applied)) {
    for (const json& item : applied) {
      json* there = Find(node, *live, KeyOf(node, item));
      if (there == nullptr) {
        live->push_back(item);
      } else if (TypeOf(node) == ListType::kMap) {
        MergeInto(node->items.get(), item, there);
      }
    }
  } else {
    *live = applied;
  }
}

// Returns whether the value itself goes.
bool RemoveFrom(const SchemaNode* node, const FieldSet& fields, json* value) {
  const bool granular = IsGranularObject(node, *value) || IsGranularList(node, *value);
  if (!granular) return fields.self;
  if (value->is_object()) {
    for (auto it = value->begin(); it != value->end();) {
      const auto inner = fields.below.find("f:" + it.key());
      const bool goes = inner != fields.below.end() && RemoveFrom(Child(node, it.key()), inner->second, &*it);
      it = goes ? value->erase(it) : std::next(it);
    }
  } else {
    for (auto it = value->begin(); it != value->end();) {
      const auto inner = fields.below.find(KeyOf(node, *it));
      bool goes = inner != fields.below.end() && inner->second.self;
      if (inner != fields.below.end() && !goes) goes = RemoveFrom(node->items.get(), inner->second, &*it);
      it = goes ? value->erase(it) : std::next(it);
    }
  }
  return value->empty();
}

// What belongs to no manager.
constexpr const char* kNobodys[] = {"apiVersion", "kind"};
constexpr const char* kOwnedMetadata[] = {"labels", "annotations", "finalizers", "ownerReferences"};

json Metadata(const json& object) {
  json out = json::object();
  const auto it = object.find("metadata");
  if (it == object.end() || !it->is_object()) return out;
  for (const char* name : kOwnedMetadata) {
    if (it->contains(name)) out[name] = (*it)[name];
  }
  return out;
}

json Content(json object) {
  for (const char* name : kNobodys) object.erase(name);
  object.erase("metadata");
  return object;
}

}  // namespace

FieldSet FieldSet::FromJson(const json& fields_v1) {
  FieldSet set;
  if (!fields_v1.is_object()) return set;
  for (const auto& [name, inner] : fields_v1.items()) {
    if (name == ".") {
      set.self = true;
    } else {
      FieldSet below = FromJson(inner);
      if (below.below.empty()) below.self = true;
      set.below[name] = std::move(below);
    }
  }
  return set;
}

json FieldSet::ToJson() const {
  json out = json::object();
  if (self && !below.empty()) out["."] = json::object();
  for (const auto& [name, inner] : below) out[name] = inner.ToJson();
  return out;
}

FieldSet FieldSet::And(const FieldSet& other) const {
  FieldSet out;
  out.self = self && other.self;
  for (const auto& [name, inner] : below) {
    const auto it = other.below.find(name);
    if (it == other.below.end()) continue;
    if (FieldSet both = inner.And(it->second); !both.empty()) out.below[name] = std::move(both);
  }
  return out;
}

FieldSet FieldSet::Or(const FieldSet& other) const {
  FieldSet out = *this;
  out.self = self || other.self;
  for (const auto& [name, inner] : other.below) {
    const auto it = out.below.find(name);
    out.below[name] = it == out.below.end() ? inner : it->second.Or(inner);
  }
  return out;
}

FieldSet FieldSet::Without(const FieldSet& other) const {
  FieldSet out;
  out.self = self && !other.self;
  for (const auto& [name, inner] : below) {
    const auto it = other.below.find(name);
    FieldSet rest = it == other.below.end() ? inner : inner.Without(it->second);
    if (!rest.empty()) out.below[name] = std::move(rest);
  }
  return out;
}

std::vector<std::string> FieldSet::Paths() const {
  std::vector<std::string> out;
  AppendPaths("", &out);
  return out;
}

void FieldSet::AppendPaths(const std::string& path, std::vector<std::string>* out) const {
  if (self) out->push_back(path);
  for (const auto& [name, inner] : below) {
    const absl::string_view text = absl::string_view(name).substr(2);
    std::string step = absl::StrCat(".", text);
    if (absl::StartsWith(name, "v:")) step = absl::StrCat("[=", text, "]");
    if (absl::StartsWith(name, "k:")) {
      const json keys = json::parse(text, nullptr, /*allow_exceptions=*/false);
      std::vector<std::string> parts;
      for (const auto& [key, value] : keys.items()) parts.push_back(absl::StrCat(key, "=", JsonText(value)));
      step = absl::StrCat("[", absl::StrJoin(parts, ","), "]");
    }
    inner.AppendPaths(path + step, out);
  }
}

MergeSchema::MergeSchema(const api::KindInfo& kind) : schema_(kind.schema) {}

FieldSet MergeSchema::Fields(const json& object) const {
  FieldSet set;
  const json content = Content(object);
  if (!content.empty()) set = All(schema_ == nullptr ? nullptr : &schema_->root(), content);
  const json metadata = Metadata(object);
  if (!metadata.empty()) set.below["f:metadata"] = All(&MetadataSchema().root(), metadata);
  set.self = false;
  return set;
}

MergeSchema::Difference MergeSchema::Compare(const json& before, const json& after) const {
  Difference out;
  // A name that both have keeps the two from being compared as a whole where one is empty.
  const auto with = [](json object) {
    object["apiVersion"] = "";
    return object;
  };
  const json old_content = with(Content(before)), new_content = with(Content(after));
  CompareInto(schema_ == nullptr ? nullptr : &schema_->root(), &old_content, &new_content, &out.changed,
              &out.removed);
  const json old_metadata = with(Metadata(before)), new_metadata = with(Metadata(after));
  FieldSet changed, removed;
  CompareInto(&MetadataSchema().root(), &old_metadata, &new_metadata, &changed, &removed);
  if (!changed.empty()) out.changed.below["f:metadata"] = std::move(changed);
  if (!removed.empty()) out.removed.below["f:metadata"] = std::move(removed);
  return out;
}

json MergeSchema::Merge(const json& live, const json& applied) const {
  json out = live;
  const json content = Content(applied);
  if (!content.empty()) MergeInto(schema_ == nullptr ? nullptr : &schema_->root(), content, &out);
  const json metadata = Metadata(applied);
  if (!metadata.empty()) MergeInto(&MetadataSchema().root(), metadata, &out["metadata"]);
  return out;
}

void MergeSchema::Remove(const FieldSet& fields, json* object) const {
  FieldSet content = fields;
  const auto metadata = content.below.extract("f:metadata");
  for (auto& [name, inner] : content.below) {
    const auto it = object->find(name.substr(2));
    if (it == object->end()) continue;
    const SchemaNode* node = schema_ == nullptr ? nullptr : Child(&schema_->root(), it.key());
    if (RemoveFrom(node, inner, &*it)) object->erase(it);
  }
  if (!metadata.empty()) RemoveFrom(&MetadataSchema().root(), metadata.mapped(), &(*object)["metadata"]);
}

}  // namespace xpu::apiserver
