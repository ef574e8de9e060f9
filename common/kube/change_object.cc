#include "common/kube/change_object.h"

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/kube/metadata.h"

namespace xpu {
namespace {

// Each try is lost only to another writer's success, so this is far beyond what writers do to one object.
constexpr int kTries = 10;

}  // namespace

absl::StatusOr<Resource> ChangeObject(ResourceStore& store, const ResourceKind& kind, const Resource& object,
                                      ObjectPart part, const std::function<bool(Resource*)>& change) {
  const ResourceName name = NameOf(object);
  Resource current = object;
  for (int i = 0; i < kTries; ++i) {
    Resource changed = current;
    if (!change(&changed)) return current;
    absl::StatusOr<Resource> written =
        part == ObjectPart::kStatus ? store.UpdateStatus(kind, changed) : store.Update(kind, changed);
    if (!absl::IsAborted(written.status())) return written;
    XPU_ASSIGN_OR_RETURN(current, store.Get(kind, name));
    if (UidOf(current) != UidOf(object)) {
      return absl::NotFoundError(
          absl::StrCat(kind.plural, " ", name.ToString(), " is gone; another object has its name now"));
    }
  }
  return absl::AbortedError(
      absl::StrCat(kind.plural, " ", name.ToString(), " is changed by others all the time"));
}

}  // namespace xpu
