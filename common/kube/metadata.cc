#include "common/kube/metadata.h"

#include <algorithm>

namespace xpu {
namespace {

// The member of an object, or null for anything that is not there.
const Resource& Member(const Resource& value, const char* key) {
  static const Resource kNull;
  if (!value.is_object()) return kNull;
  const auto it = value.find(key);
  return it == value.end() ? kNull : *it;
}

std::string StringMember(const Resource& value, const char* key) {
  const Resource& member = Member(value, key);
  return member.is_string() ? member.get<std::string>() : "";
}

int64_t IntMember(const Resource& value, const char* key) {
  const Resource& member = Member(value, key);
  return member.is_number_integer() ? member.get<int64_t>() : 0;
}

const Resource& Metadata(const Resource& object) { return Member(object, "metadata"); }

}  // namespace

ResourceName NameOf(const Resource& object) {
  return {StringMember(Metadata(object), "namespace"), StringMember(Metadata(object), "name")};
}

std::string VersionOf(const Resource& object) { return StringMember(Metadata(object), "resourceVersion"); }

std::string UidOf(const Resource& object) { return StringMember(Metadata(object), "uid"); }

int64_t GenerationOf(const Resource& object) { return IntMember(Metadata(object), "generation"); }

bool IsBeingDeleted(const Resource& object) {
  return !StringMember(Metadata(object), "deletionTimestamp").empty();
}

bool HasFinalizer(const Resource& object, absl::string_view finalizer) {
  const Resource& list = Member(Metadata(object), "finalizers");
  return list.is_array() &&
         std::find(list.begin(), list.end(), Resource(std::string(finalizer))) != list.end();
}

bool AddFinalizer(Resource* object, absl::string_view finalizer) {
  if (HasFinalizer(*object, finalizer)) return false;
  if (!object->is_object()) *object = Resource::object();
  Resource& metadata = (*object)["metadata"];
  if (!metadata.is_object()) metadata = Resource::object();
  Resource& list = metadata["finalizers"];
  if (!list.is_array()) list = Resource::array();
  list.push_back(std::string(finalizer));
  return true;
}

bool RemoveFinalizer(Resource* object, absl::string_view finalizer) {
  if (!HasFinalizer(*object, finalizer)) return false;
  Resource& list = (*object)["metadata"]["finalizers"];
  list.erase(std::remove(list.begin(), list.end(), Resource(std::string(finalizer))), list.end());
  return true;
}

ConditionValue GetCondition(const Resource& object, absl::string_view type) {
  ConditionValue found;
  found.type = std::string(type);
  const Resource& list = Member(Member(object, "status"), "conditions");
  if (!list.is_array()) return found;
  for (const Resource& entry : list) {
    if (StringMember(entry, "type") != type) continue;
    found.status = StringMember(entry, "status");
    found.reason = StringMember(entry, "reason");
    found.message = StringMember(entry, "message");
    found.observed_generation = IntMember(entry, "observedGeneration");
    break;
  }
  return found;
}

bool SetCondition(Resource* object, const ConditionValue& condition, absl::Time now) {
  const ConditionValue before = GetCondition(*object, condition.type);
  if (before == condition) return false;
  if (!object->is_object()) *object = Resource::object();
  Resource& status = (*object)["status"];
  if (!status.is_object()) status = Resource::object();
  Resource& list = status["conditions"];
  if (!list.is_array()) list = Resource::array();
  auto it = std::find_if(list.begin(), list.end(), [&](const Resource& entry) {
    return StringMember(entry, "type") == condition.type;
  });
  if (it == list.end()) {
    list.push_back(Resource::object());
    it = list.end() - 1;
  }
  Resource& entry = *it;
  entry["type"] = condition.type;
  entry["observedGeneration"] = condition.observed_generation;
  entry["reason"] = condition.reason;
  entry["message"] = condition.message;
  if (before.status != condition.status) {
    entry["status"] = condition.status;
    entry["lastTransitionTime"] = KubeTime(now);
  }
  return true;
}

std::string KubeTime(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

Resource MakeResource(const ResourceKind& kind, const ResourceName& name) {
  Resource object = {
      {"apiVersion", kind.ApiVersion()}, {"kind", kind.kind}, {"metadata", {{"name", name.name}}}};
  if (!name.ns.empty()) object["metadata"]["namespace"] = name.ns;
  return object;
}

}  // namespace xpu
