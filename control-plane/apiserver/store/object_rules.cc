#include "control-plane/apiserver/store/object_rules.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/api/api.h"
#include "common/base/status_macros.h"
#include "control-plane/apiserver/store/api_error.h"

namespace xpu::apiserver {
namespace {

using api::FieldErrors;
using api::KindInfo;
using nlohmann::json;

// What clients cannot change.
constexpr const char* kServerFields[] = {"uid",
                                         "resourceVersion",
                                         "generation",
                                         "creationTimestamp",
                                         "deletionTimestamp",
                                         "deletionGracePeriodSeconds",
                                         "managedFields"};
// What we have no use for and do not keep.
constexpr const char* kDroppedFields[] = {"selfLink"};

std::string Rfc3339(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d%ET%H:%M:%SZ", time, absl::UTCTimeZone());
}

bool IsNamespace(const KindInfo& kind) {
  return kind.resource.group.empty() && kind.resource.plural == "namespaces";
}

// Only the errors of the part that is written, and of the object as a whole: nobody can mend the other part
// with this request.
FieldErrors ErrorsOf(Part part, FieldErrors errors) {
  auto of_status = [](const api::FieldError& error) {
    return error.field == "status" || absl::StartsWith(error.field, "status.") ||
           absl::StartsWith(error.field, "status[");
  };
  bool keep_status = part == Part::kStatus;
  errors.erase(std::remove_if(
                   errors.begin(), errors.end(),
                   [&](const api::FieldError& e) { return !e.field.empty() && of_status(e) != keep_status; }),
               errors.end());
  return errors;
}

void CopyField(const json& from, json* to, const char* field) {
  auto it = from.find(field);
  if (it == from.end()) {
    to->erase(field);
  } else {
    (*to)[field] = *it;
  }
}

// What a generation counts the changes of: all but metadata and status.
bool SameContent(const json& a, const json& b) {
  const auto counts = [](const json& object, auto it) {
    while (it != object.end() && (it.key() == "metadata" || it.key() == "status")) ++it;
    return it;
  };
  auto in_a = counts(a, a.begin());
  auto in_b = counts(b, b.begin());
  while (in_a != a.end() && in_b != b.end()) {
    if (in_a.key() != in_b.key() || *in_a != *in_b) return false;
    in_a = counts(a, ++in_a);
    in_b = counts(b, ++in_b);
  }
  return in_a == a.end() && in_b == b.end();
}

json Finalizers(const json& object) { return object["metadata"].value("finalizers", json::array()); }

// Metadata is an object with well-formed fields, and says nothing against the URL.
absl::Status CheckMetadata(const KindInfo& kind, const std::string& name, const json& sent) {
  if (!sent.is_object()) return BadRequest("the body must be an object");
  FieldErrors errors = api::ValidateMetadata(kind, sent);
  if (!errors.empty()) return Invalid(kind.resource, name, errors);
  return absl::OkStatus();
}

absl::Status CheckSameObject(const KindInfo& kind, const json& old, const json& sent) {
  const std::string& name = MetadataText(old, "name");
  for (const char* field : {"name", "namespace"}) {
    const std::string& value = MetadataText(sent, field);
    if (!value.empty() && value != MetadataText(old, field)) {
      return BadRequest(absl::StrCat("metadata.", field, " is \"", value, "\" but the URL says \"",
                                     MetadataText(old, field), "\""));
    }
  }
  const std::string& uid = MetadataText(sent, "uid");
  if (!uid.empty() && uid != MetadataText(old, "uid")) {
    return Conflict(
        kind.resource, name,
        "the object that was read is gone, this is another one of that name; read it and try again");
  }
  const std::string& version = MetadataText(sent, "resourceVersion");
  if (!version.empty() && version != MetadataText(old, "resourceVersion")) {
    return Conflict(kind.resource, name,
                    "the object has been modified; read the latest version and try again");
  }
  return absl::OkStatus();
}

absl::Status CheckFinalizers(const KindInfo& kind, const json& old, const json& changed) {
  if (!IsMarked(old)) return absl::OkStatus();
  json before = Finalizers(old);
  for (const json& finalizer : Finalizers(changed)) {
    if (std::find(before.begin(), before.end(), finalizer) == before.end()) {
      return Invalid(kind.resource, MetadataText(old, "name"),
                     {{"FieldValueForbidden", "metadata.finalizers",
                       absl::StrCat("no finalizer can be added while the object is being deleted: ",
                                    finalizer.get<std::string>())}});
    }
  }
  return absl::OkStatus();
}

}  // namespace

const std::string& MetadataText(const json& object, const char* field) {
  static const auto& none = *new std::string();
  if (!object.is_object()) return none;
  auto metadata = object.find("metadata");
  if (metadata == object.end() || !metadata->is_object()) return none;
  auto it = metadata->find(field);
  return it == metadata->end() || !it->is_string() ? none : it->get_ref<const std::string&>();
}

void StampVersion(const KindInfo& kind, json* object) {
  if (kind.message == nullptr) (*object)["apiVersion"] = kind.resource.ApiVersion();
}

bool IsMarked(const json& object) { return object["metadata"].contains("deletionTimestamp"); }

bool MayGo(const json& object) { return IsMarked(object) && Finalizers(object).empty(); }

absl::StatusOr<json> NewObject(const KindInfo& kind, json sent, const std::string& uid, absl::Time now) {
  std::string name = MetadataText(sent, "name");
  XPU_RETURN_IF_ERROR(CheckMetadata(kind, name, sent));
  if (!MetadataText(sent, "resourceVersion").empty()) {
    return BadRequest("metadata.resourceVersion must not be set on an object that is to be created");
  }
  sent.erase("status");
  api::ApplyDefaults(kind, &sent);
  FieldErrors errors = api::Validate(kind, sent, nullptr);
  if (!errors.empty()) return Invalid(kind.resource, name, errors);
  json& metadata = sent["metadata"];
  for (const char* field : kServerFields) metadata.erase(field);
  for (const char* field : kDroppedFields) metadata.erase(field);
  metadata["uid"] = uid;
  metadata["generation"] = 1;
  metadata["creationTimestamp"] = Rfc3339(now);
  if (IsNamespace(kind)) sent["status"] = {{"phase", "Active"}};
  return sent;
}

absl::StatusOr<json> ChangedObject(const KindInfo& kind, Part part, const json& old, json sent) {
  std::string name = MetadataText(old, "name");
  XPU_RETURN_IF_ERROR(CheckMetadata(kind, name, sent));
  XPU_RETURN_IF_ERROR(CheckSameObject(kind, old, sent));
  api::ApplyDefaults(kind, &sent);
  json changed;
  if (part == Part::kStatus) {
    changed = old;
    CopyField(sent, &changed, "status");
    // The type is checked also where the rest of what was sent is not taken.
    for (const char* field : {"apiVersion", "kind"}) CopyField(sent, &changed, field);
  } else {
    changed = std::move(sent);
    CopyField(old, &changed, "status");
    json& metadata = changed["metadata"];
    for (const char* field : kServerFields) CopyField(old["metadata"], &metadata, field);
    for (const char* field : kDroppedFields) metadata.erase(field);
    for (const char* field : {"name", "namespace"}) CopyField(old["metadata"], &metadata, field);
  }
  FieldErrors errors = ErrorsOf(part, api::Validate(kind, changed, &old));
  if (part == Part::kStatus) {
    for (const char* field : {"apiVersion", "kind"}) {
      if (changed.value(field, json()) != old.value(field, json())) {
        errors.push_back({"FieldValueInvalid", field, absl::StrCat("must be ", old[field].dump())});
      }
    }
  }
  if (!errors.empty()) return Invalid(kind.resource, name, errors);
  XPU_RETURN_IF_ERROR(CheckFinalizers(kind, old, changed));
  if (!SameContent(changed, old)) {
    changed["metadata"]["generation"] = old["metadata"].value("generation", int64_t{0}) + 1;
  }
  return changed;
}

json MarkedForDeletion(const KindInfo& kind, json object, absl::Time now) {
  json& metadata = object["metadata"];
  if (!metadata.contains("deletionTimestamp")) {
    metadata["deletionTimestamp"] = Rfc3339(now);
    metadata["deletionGracePeriodSeconds"] = 0;
  }
  if (IsNamespace(kind)) object["status"] = {{"phase", "Terminating"}};
  return object;
}

}  // namespace xpu::apiserver
