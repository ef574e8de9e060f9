#include "common/kube/field_owners.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/api/kinds.h"
#include "xpu/api/v1alpha1/options.pb.h"

namespace xpu {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using Path = std::vector<Resource>;
using Fields = std::map<Path, Resource>;

constexpr char kBefore[] = "before-first-apply";
// Who has not said its name.
constexpr char kUnknown[] = "unknown";

const auto& ListKeysOf(const FieldDescriptor& field) {
  return field.options().GetExtension(api::v1alpha1::field).list_keys();
}

const FieldDescriptor* FieldOf(const Descriptor* message, const std::string& name) {
  for (int i = 0; message != nullptr && i < message->field_count(); ++i) {
    if (message->field(i)->json_name() == name) return message->field(i);
  }
  return nullptr;
}

void Collect(const Descriptor* message, const FieldDescriptor* field, const Resource& value, const Path& path,
             Fields* out) {
  if (value.is_object() && !value.empty()) {
    for (const auto& [name, inner] : value.items()) {
      const FieldDescriptor* const below = FieldOf(message, name);
      Path there = path;
      there.emplace_back(name);
      Collect(below == nullptr ? nullptr : below->message_type(), below, inner, there, out);
    }
    return;
  }
  const bool is_set = path.size() == 2 && path[0] == "metadata" && path[1] == "finalizers";
  const bool has_keys = field != nullptr && !ListKeysOf(*field).empty();
  if (!value.is_array() || value.empty() || (!is_set && !has_keys)) {
    out->insert_or_assign(path, value);
    return;
  }
  for (const Resource& item : value) {
    Path there = path;
    if (is_set) {
      there.push_back(Resource::array({item}));
      out->insert_or_assign(there, item);
      continue;
    }
    Resource keys = Resource::object();
    for (const std::string& key : ListKeysOf(*field)) keys[key] = item.value(key, Resource());
    there.push_back(keys);
    Collect(message, nullptr, item, there, out);
  }
}

// Where a step of a path leads, or null.
Resource* Step(Resource* at, const Resource& step, bool make) {
  if (step.is_string()) {
    if (!at->is_object()) {
      if (!make) return nullptr;
      *at = Resource::object();
    }
    const auto key = step.get<std::string>();
    return at->contains(key) || make ? &(*at)[key] : nullptr;
  }
  if (!at->is_array()) {
    if (!make) return nullptr;
    *at = Resource::array();
  }
  const auto is_it = [&](const Resource& item) {
    if (step.is_array()) return item == step[0];
    return std::all_of(step.items().begin(), step.items().end(), [&](const auto& key) {
      return item.is_object() && item.value(key.key(), Resource()) == key.value();
    });
  };
  const auto found = std::find_if(at->begin(), at->end(), is_it);
  if (found != at->end()) return &*found;
  if (!make) return nullptr;
  at->push_back(step.is_array() ? step[0] : step);
  return &at->back();
}

void Set(Resource* object, const Path& path, const Resource& value) {
  for (const Resource& step : path) object = Step(object, step, /*make=*/true);
  *object = value;
}

// With what is empty then.
void Remove(Resource* at, const Path& path, size_t depth = 0) {
  Resource* const below = Step(at, path[depth], /*make=*/false);
  if (below == nullptr) return;
  const bool is_last = depth + 1 == path.size();
  if (!is_last) Remove(below, path, depth + 1);
  if (!is_last && !below->empty()) return;
  if (path[depth].is_string()) {
    at->erase(path[depth].get<std::string>());
  } else {
    at->erase(at->begin() + (below - &(*at)[0]));
  }
}

}  // namespace

Fields FieldOwners::FieldsOf(const ResourceKind& kind, const Resource& object) {
  const api::KindInfo* const info = api::FindKind(kind.ApiVersion(), kind.kind);
  Fields fields;
  Collect(info == nullptr ? nullptr : info->message, nullptr, object, {}, &fields);
  std::erase_if(fields, [](const auto& field) {
    const Path& path = field.first;
    if (path[0] == "apiVersion" || path[0] == "kind") return true;
    if (path[0] != "metadata") return false;
    return path.size() < 2 || (path[1] != "labels" && path[1] != "annotations" && path[1] != "finalizers" &&
                               path[1] != "ownerReferences");
  });
  return fields;
}

std::string FieldOwners::Say(const Path& path) {
  std::string text;
  for (const Resource& step : path) {
    absl::StrAppend(&text, step.is_string() ? absl::StrCat(".", step.get<std::string>())
                                            : absl::StrCat("[", step.dump(), "]"));
  }
  return text;
}

FieldOwners FieldOwners::BeforeFirstApply(const ResourceKind& kind, const Resource& object) {
  FieldOwners owners;
  owners.owned_[kBefore] = FieldsOf(kind, object);
  return owners;
}

absl::StatusOr<Resource> FieldOwners::Apply(const ResourceKind& kind, const Resource& live,
                                            const Resource& applied, const ApplyOptions& options) {
  const std::string me = absl::StrCat(options.field_manager, options.status ? " of status" : "");
  Fields wanted = FieldsOf(kind, applied);
  std::erase_if(wanted, [&](const auto& field) { return (field.first[0] == "status") != options.status; });
  const Fields there = FieldsOf(kind, live);
  Resource merged = live;
  std::string conflicts;
  std::map<std::string, Fields> owned = owned_;
  for (const auto& [path, value] : wanted) {
    Set(&merged, path, value);
    const auto now = there.find(path);
    if (now != there.end() && now->second == value) continue;
    for (auto& [manager, fields] : owned) {
      if (manager == me || !fields.contains(path)) continue;
      absl::StrAppend(&conflicts, conflicts.empty() ? "" : ", ", "conflict with \"", manager,
                      "\": ", Say(path));
      fields.erase(path);
    }
  }
  if (!conflicts.empty() && !options.force) {
    return absl::FailedPreconditionError(absl::StrCat("Apply failed: ", conflicts));
  }
  for (const auto& [path, value] : owned[me]) {
    const bool is_kept = std::any_of(owned.begin(), owned.end(), [&, &path = path](const auto& other) {
      return other.first == me ? wanted.contains(path) : other.second.contains(path);
    });
    if (!is_kept) Remove(&merged, path);
  }
  owned[me] = std::move(wanted);
  owned_ = std::move(owned);
  return merged;
}

void FieldOwners::Updated(const ResourceKind& kind, const Resource& before, const Resource& after) {
  const Fields old = FieldsOf(kind, before), now = FieldsOf(kind, after);
  const auto change = [&](const Path& path, const Resource* value) {
    for (auto& [manager, fields] : owned_) fields.erase(path);
    if (value != nullptr) owned_[kUnknown][path] = *value;
  };
  for (const auto& [path, value] : now) {
    const auto was = old.find(path);
    if (was == old.end() || was->second != value) change(path, &value);
  }
  for (const auto& [path, value] : old) {
    if (!now.contains(path)) change(path, nullptr);
  }
}

}  // namespace xpu
