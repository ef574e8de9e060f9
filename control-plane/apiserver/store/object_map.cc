#include "control-plane/apiserver/store/object_map.h"

#include "common/base/status_macros.h"
#include "common/json/json_text.h"

namespace xpu::apiserver {

using nlohmann::json;

std::string ObjectText(const json& object) { return JsonText(object); }

absl::StatusOr<ObjectPtr> ReadObjectText(const std::string& text) {
  json object = json::parse(text.data(), text.data() + text.size(), nullptr, /*allow_exceptions=*/false);
  if (!object.is_object() || !object.contains("metadata") || !object["metadata"].is_object()) {
    return absl::DataLossError("a row of the store is no object; restore the file from a backup");
  }
  return std::make_shared<const json>(std::move(object));
}

std::set<std::string> OwnersOf(const ObjectPtr& object) {
  std::set<std::string> owners;
  if (object == nullptr) return owners;
  const json& metadata = (*object)["metadata"];
  const auto references = metadata.find("ownerReferences");
  if (references == metadata.end() || !references->is_array()) return owners;
  for (const json& owner : *references) {
    if (owner.is_object() && owner.contains("uid") && owner["uid"].is_string()) owners.insert(owner["uid"]);
  }
  return owners;
}

void ObjectMap::Load(const Key& key, std::optional<std::string> text) {
  std::optional<Stored> stored;
  if (text) stored = Stored{.text = *std::move(text)};
  Exchange(key, std::move(stored));
}

void ObjectMap::LoadOwner(Key key, const std::string& uid) {
  const auto collection = collections_.find(key.collection);
  if (collection == collections_.end()) return;
  const auto it = collection->second.find(std::pair(absl::string_view(key.ns), absl::string_view(key.name)));
  if (it == collection->second.end()) return;
  it->second.owners.insert(uid);
  dependents_[uid].insert(std::move(key));
}

ObjectMap::Stored* ObjectMap::Find(absl::string_view collection, absl::string_view ns,
                                   absl::string_view name) {
  const auto objects = collections_.find(collection);
  if (objects == collections_.end()) return nullptr;
  const auto it = objects->second.find(std::pair(ns, name));
  return it == objects->second.end() ? nullptr : &it->second;
}

absl::StatusOr<ObjectPtr> ObjectMap::Read(absl::string_view collection, absl::string_view ns,
                                          absl::string_view name) {
  Stored* stored = Find(collection, ns, name);
  if (stored == nullptr) return nullptr;
  if (stored->object != nullptr) {
    recent_.splice(recent_.begin(), recent_, stored->place);
    return stored->object;
  }
  XPU_ASSIGN_OR_RETURN(ObjectPtr object, ReadObjectText(stored->text));
  stored->is_sound = true;
  Keep(*stored, object);
  return object;
}

absl::StatusOr<const std::string*> ObjectMap::Text(absl::string_view collection, absl::string_view ns,
                                                   absl::string_view name) {
  Stored* stored = Find(collection, ns, name);
  if (stored == nullptr) return nullptr;
  if (!stored->is_sound) XPU_RETURN_IF_ERROR(ReadObjectText(stored->text).status());
  stored->is_sound = true;
  return &stored->text;
}

void ObjectMap::Keep(Stored& stored, ObjectPtr object) {
  stored.object = std::move(object);
  recent_.push_front(&stored);
  stored.place = recent_.begin();
  recent_bytes_ += stored.text.size();
  while (recent_bytes_ > most_recent_bytes_) Drop(*recent_.back());
}

void ObjectMap::Drop(Stored& stored) {
  if (stored.object == nullptr) return;
  stored.object = nullptr;
  recent_.erase(stored.place);
  recent_bytes_ -= stored.text.size();
}

absl::Status ObjectMap::Scan(const std::string& collection, const std::string& ns,
                             const std::string& after_ns, const std::string& after_name,
                             absl::FunctionRef<absl::StatusOr<bool>(const ObjectPtr&)> row) const {
  const auto objects = collections_.find(collection);
  if (objects == collections_.end()) return absl::OkStatus();
  const std::string& first_ns = ns.empty() ? after_ns : ns;
  auto it =
      objects->second.upper_bound(std::pair(absl::string_view(first_ns), absl::string_view(after_name)));
  for (; it != objects->second.end(); ++it) {
    if (!ns.empty() && it->first.first != ns) return absl::OkStatus();
    ObjectPtr object = it->second.object;
    // A list is long, and would take the place of what is in use.
    if (object == nullptr) {
      XPU_ASSIGN_OR_RETURN(object, ReadObjectText(it->second.text));
    }
    XPU_ASSIGN_OR_RETURN(const bool more, row(object));
    if (!more) return absl::OkStatus();
  }
  return absl::OkStatus();
}

std::vector<ObjectMap::Key> ObjectMap::KeysIn(const std::string& ns) const {
  std::vector<Key> keys;
  for (const auto& [collection, objects] : collections_) {
    auto it = objects.lower_bound(std::pair(absl::string_view(ns), absl::string_view()));
    for (; it != objects.end() && it->first.first == ns; ++it) {
      keys.push_back({collection, ns, it->first.second});
    }
  }
  return keys;
}

std::vector<ObjectMap::Key> ObjectMap::KeysOf(const std::string& collection) const {
  std::vector<Key> keys;
  const auto objects = collections_.find(collection);
  if (objects == collections_.end()) return keys;
  for (const auto& [name, stored] : objects->second) keys.push_back({collection, name.first, name.second});
  return keys;
}

std::vector<ObjectMap::Key> ObjectMap::DependentsOf(const std::string& uid) const {
  const auto it = dependents_.find(uid);
  if (it == dependents_.end()) return {};
  return {it->second.begin(), it->second.end()};
}

std::optional<ObjectMap::Stored> ObjectMap::Exchange(const Key& key, std::optional<Stored> next) {
  Collection& objects = collections_[key.collection];
  const auto it = objects.find(std::pair(absl::string_view(key.ns), absl::string_view(key.name)));
  std::optional<Stored> before;
  if (it != objects.end()) {
    Drop(it->second);
    before = std::move(it->second);
    bytes_ -= before->text.size();
    for (const std::string& uid : before->owners) {
      const auto dependents = dependents_.find(uid);
      dependents->second.erase(key);
      if (dependents->second.empty()) dependents_.erase(dependents);
    }
  }
  if (next) {
    bytes_ += next->text.size();
    for (const std::string& uid : next->owners) dependents_[uid].insert(key);
    Stored& stored = it != objects.end() ? it->second : objects[Name(key.ns, key.name)];
    const ObjectPtr object = std::exchange(next->object, nullptr);
    stored = *std::move(next);
    if (object != nullptr) Keep(stored, object);
  } else if (it != objects.end()) {
    objects.erase(it);
  }
  return before;
}

ObjectMap::Applied ObjectMap::Apply(const Change& change) {
  Applied applied;
  Key key{change.collection, change.ns, change.name};
  std::optional<Stored> next;
  if (change.after != nullptr) {
    next = Stored{
        .text = change.text, .owners = OwnersOf(change.after), .object = change.after, .is_sound = true};
    applied.has_owners = !next->owners.empty();
  }
  std::optional<Stored> before = Exchange(key, std::move(next));
  if (before) {
    applied.before = before->text;
    applied.has_owners |= !before->owners.empty();
  }
  undo_.push_back({change.version, std::move(key), std::move(before)});
  return applied;
}

void ObjectMap::Revert(int64_t version) {
  while (!undo_.empty() && undo_.back().version > version) {
    Undo undo = std::move(undo_.back());
    undo_.pop_back();
    Exchange(undo.key, std::move(undo.before));
  }
}

void ObjectMap::Settle(int64_t version) {
  while (!undo_.empty() && undo_.front().version <= version) undo_.pop_front();
}

}  // namespace xpu::apiserver
