#include "control-plane/xpuctl/delete.h"

#include <algorithm>
#include <optional>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "common/kube/metadata.h"
#include "control-plane/xpuctl/manifest.h"

namespace xpu {
namespace {

struct Doomed {
  const api::KindInfo* kind = nullptr;
  ResourceName name;
  std::string uid;
};

absl::StatusOr<std::vector<Doomed>> Choose(Session& session, const DeleteCommand& options) {
  if (options.words.empty() == options.files.empty()) {
    return absl::InvalidArgumentError("say what to delete: KIND NAME, KIND/NAME, or -f FILE");
  }
  std::vector<Doomed> doomed;
  if (!options.files.empty()) {
    XPU_ASSIGN_OR_RETURN(const auto manifests, ReadManifests(options.files, session.in, session.ns));
    for (const ManifestObject& manifest : manifests) {
      doomed.push_back({manifest.kind, NameOf(manifest.object), ""});
    }
    // What was made last goes first: objects of a manifest build on those before them.
    std::reverse(doomed.begin(), doomed.end());
    return doomed;
  }
  XPU_ASSIGN_OR_RETURN(const std::vector<Target> targets, ParseTargets(options.words));
  for (const Target& target : targets) {
    if (target.name.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("say which of the ", target.kind->resource.plural, " to delete, by name"));
    }
    doomed.push_back({target.kind, NameIn(session, *target.kind, target.name), ""});
  }
  return doomed;
}

// What keeps an object that is being deleted.
std::string Holders(const Resource& object) {
  const Resource metadata = object.value("metadata", Resource::object());
  const Resource finalizers = metadata.value("finalizers", Resource::array());
  std::string text = finalizers.empty() ? "" : absl::StrCat("it waits for ", finalizers.dump());
  const ConditionValue ready = GetCondition(object, "Ready");
  if (ready.status == "False") absl::StrAppend(&text, text.empty() ? "" : ": ", ready.message);
  return text;
}

}  // namespace

absl::Status WaitUntilGone(ResourceStore& store, const ResourceKind& kind, const ResourceName& name,
                           const std::string& uid, absl::Time deadline) {
  const ListOptions only = {"", "metadata.name=" + name.name};
  while (true) {
    XPU_ASSIGN_OR_RETURN(const ResourceList list, store.List(kind, name.ns, only));
    if (list.items.empty() || UidOf(list.items[0]) != uid) return absl::OkStatus();
    absl::Mutex mu;
    bool gone = false;
    std::optional<absl::Status> ended;
    Resource last = list.items[0];
    XPU_ASSIGN_OR_RETURN(const auto watcher, store.Watch(kind, name.ns, list.resource_version, only,
                                                         {[&](const WatchEvent& event) {
                                                            if (event.type == WatchEvent::Type::kBookmark)
                                                              return;
                                                            absl::MutexLock lock(&mu);
                                                            gone = gone ||
                                                                   event.type == WatchEvent::Type::kDeleted;
                                                            last = event.object;
                                                          },
                                                          [&](const absl::Status& status) {
                                                            absl::MutexLock lock(&mu);
                                                            ended = status;
                                                          }}));
    const auto decided = [&] { return gone || ended.has_value(); };
    absl::MutexLock lock(&mu);
    if (!mu.AwaitWithDeadline(absl::Condition(&decided), deadline)) {
      return absl::DeadlineExceededError(
          absl::StrCat(kind.kind, " ", name.ToString(), " is still there; ", Holders(last)));
    }
    if (gone) return absl::OkStatus();
    // A watch that the server closed, or whose version it has forgotten, is begun again.
    if (!ended->ok() && !absl::IsOutOfRange(*ended)) return *ended;
  }
}

absl::Status Delete(Session& session, const DeleteCommand& options) {
  XPU_ASSIGN_OR_RETURN(std::vector<Doomed> doomed, Choose(session, options));
  size_t failed = 0;
  const auto complain = [&](const Doomed& one, const absl::Status& status) {
    ++failed;
    session.err << "xpuctl: " << Label(*one.kind, one.name.name) << ": " << status.message() << "\n";
  };
  std::vector<Doomed> going;
  for (Doomed& one : doomed) {
    absl::StatusOr<Resource> object = session.store.Get(*one.kind, one.name);
    absl::Status deleted = object.status();
    if (object.ok()) {
      one.uid = UidOf(*object);
      deleted = session.store.Delete(*one.kind, one.name);
    }
    if (absl::IsUnavailable(deleted)) return deleted;
    if (absl::IsNotFound(deleted) && options.ignore_not_found) continue;
    if (!deleted.ok()) {
      complain(one, deleted);
      continue;
    }
    going.push_back(one);
    if (!options.wait) session.out << Label(*one.kind, one.name.name) << " is being deleted\n";
  }
  const absl::Time deadline = absl::Now() + options.timeout;
  for (const Doomed& one : going) {
    if (!options.wait) break;
    const absl::Status gone = WaitUntilGone(session.store, *one.kind, one.name, one.uid, deadline);
    if (gone.ok()) {
      session.out << Label(*one.kind, one.name.name) << " deleted\n";
    } else {
      complain(one, gone);
    }
  }
  if (failed == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(failed, " of ", doomed.size(), " objects could not be deleted"));
}

}  // namespace xpu
