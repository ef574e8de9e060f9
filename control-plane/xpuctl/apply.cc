#include "control-plane/xpuctl/apply.h"

#include <ostream>

#include "absl/strings/str_cat.h"
#include "common/kube/metadata.h"
#include "control-plane/xpuctl/manifest.h"

namespace xpu {
namespace {

constexpr char kLastApplied[] = "kubectl.kubernetes.io/last-applied-configuration";

Resource LastApplied(const Resource& object) {
  const auto pointer = Resource::json_pointer("/metadata/annotations") / kLastApplied;
  if (!object.contains(pointer) || !object.at(pointer).is_string()) return nullptr;
  const Resource last =
      Resource::parse(object.at(pointer).get<std::string>(), nullptr, /*allow_exceptions=*/false);
  return last.is_object() ? last : Resource();
}

// Nulls for the members of `last` that `now` has not, at every depth.
void AddRemovals(const Resource& last, Resource* now) {
  for (const auto& [key, value] : last.items()) {
    if (!now->contains(key)) {
      (*now)[key] = nullptr;
    } else if (value.is_object() && (*now)[key].is_object()) {
      AddRemovals(value, &(*now)[key]);
    }
  }
}

// What a manifest may say: not what the server and the agents own.
Resource Wanted(Resource object) {
  object.erase("status");
  for (const char* field : {"uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp",
                            "deletionGracePeriodSeconds", "managedFields", "selfLink"}) {
    object["metadata"].erase(field);
  }
  if (object["metadata"].contains("annotations") && object["metadata"]["annotations"].is_object()) {
    object["metadata"]["annotations"].erase(kLastApplied);
  }
  return object;
}

Resource WithMemory(Resource object) {
  const std::string text = object.dump(-1, ' ', false, Resource::error_handler_t::replace);
  Resource& annotations = object["metadata"]["annotations"];
  if (!annotations.is_object()) annotations = Resource::object();
  annotations[kLastApplied] = text;
  return object;
}

absl::StatusOr<std::string> ApplyOne(Session& session, const ManifestObject& manifest) {
  const Resource wanted = Wanted(manifest.object);
  const ResourceName name = NameOf(wanted);
  absl::StatusOr<Resource> there = session.store.Get(*manifest.kind, name);
  if (absl::IsNotFound(there.status())) {
    const absl::StatusOr<Resource> made = session.store.Create(*manifest.kind, WithMemory(wanted));
    if (made.ok()) return "created";
    if (!absl::IsAlreadyExists(made.status())) return made.status();
    // Another was quicker.
    there = session.store.Get(*manifest.kind, name);
  }
  XPU_RETURN_IF_ERROR(there.status());
  const Resource patch = ApplyPatch(WithMemory(wanted), LastApplied(*there));
  XPU_ASSIGN_OR_RETURN(const Resource patched,
                       session.store.Patch(*manifest.kind, name, PatchType::kMerge, patch));
  return VersionOf(patched) == VersionOf(*there) ? "unchanged" : "configured";
}

}  // namespace

Resource ApplyPatch(const Resource& manifest, const Resource& last) {
  Resource patch = manifest;
  if (!last.is_object()) return patch;
  // Labels of others stay also when the manifest has none any more.
  const Resource::json_pointer labels("/metadata/labels");
  if (last.contains(labels) && last.at(labels).is_object() && !patch.contains(labels)) {
    patch[labels] = Resource::object();
  }
  AddRemovals(last, &patch);
  return patch;
}

absl::Status Apply(Session& session, const std::vector<std::string>& files) {
  XPU_ASSIGN_OR_RETURN(const std::vector<ManifestObject> manifests,
                       ReadManifests(files, session.in, session.ns));
  size_t failed = 0;
  for (const ManifestObject& manifest : manifests) {
    const std::string name = NameOf(manifest.object).name;
    const absl::StatusOr<std::string> done = ApplyOne(session, manifest);
    if (done.ok()) {
      session.out << Label(*manifest.kind, name) << " " << *done << "\n";
      continue;
    }
    // Nothing else will get through either.
    if (absl::IsUnavailable(done.status())) return done.status();
    ++failed;
    session.err << manifest.where << ": " << Label(*manifest.kind, name) << ": " << done.status().message()
                << "\n";
  }
  if (failed == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(failed, " of ", manifests.size(),
                                                 " objects could not be applied",
                                                 failed < manifests.size() ? "; the others were" : ""));
}

}  // namespace xpu
