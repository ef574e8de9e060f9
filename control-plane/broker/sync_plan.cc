#include "control-plane/broker/sync_plan.h"

#include "common/kube/metadata.h"

namespace xpu::broker {
namespace {

// `copy` is there because of `pair.source`.
bool IsCopyOf(const Pair& pair, const Resource& copy) {
  return pair.source.has_value() && MarksOf(copy).uid == UidOf(*pair.source);
}

Step DeleteOrWait(const Resource& copy) {
  return {IsBeingDeleted(copy) ? Step::kWait : Step::kDeleteCopy, copy};
}

Step Status(const Pair& pair) {
  if (!pair.has_status || !IsCopyOf(pair, *pair.copy)) return {};
  std::optional<Resource> status = StatusFor(*pair.source, *pair.copy);
  if (!status.has_value() || pair.source->value("status", Resource()) == *status) return {};
  Step step{Step::kWriteStatus, *pair.source};
  step.object["status"] = *std::move(status);
  return step;
}

}  // namespace

Step NextStep(const Origin& origin, const Pair& pair) {
  const std::string finalizer = FinalizerOf(origin);
  const bool ours = pair.copy.has_value() && MarksOf(*pair.copy).origin == origin.name;
  const bool wanted = pair.source.has_value() && pair.named && !IsBeingDeleted(*pair.source);

  if (!wanted) {
    if (ours) {
      // What the target's agents say while they let go is worth knowing.
      if (pair.source.has_value()) {
        if (Step status = Status(pair); status.kind != Step::kNothing) return status;
      }
      return DeleteOrWait(*pair.copy);
    }
    if (!pair.source.has_value() || !HasFinalizer(*pair.source, finalizer)) return {};
    Step step{Step::kReleaseSource, *pair.source};
    RemoveFinalizer(&step.object, finalizer);
    return step;
  }

  if (pair.copy.has_value() && !ours) return {Step::kTaken, *pair.copy};
  // First of all, so that there is never a copy whose source can go without it.
  if (!HasFinalizer(*pair.source, finalizer)) {
    Step step{Step::kHoldSource, *pair.source};
    AddFinalizer(&step.object, finalizer);
    return step;
  }
  if (!pair.copy.has_value()) {
    return {Step::kCreateCopy, MakeCopy(origin, *pair.source, pair.target, nullptr)};
  }
  // Of an earlier object of that name.
  if (!IsCopyOf(pair, *pair.copy)) return DeleteOrWait(*pair.copy);
  if (IsBeingDeleted(*pair.copy)) return {Step::kWait, *pair.copy};
  if (Resource copy = MakeCopy(origin, *pair.source, pair.target, &*pair.copy); copy != *pair.copy) {
    return {Step::kUpdateCopy, std::move(copy)};
  }
  return Status(pair);
}

}  // namespace xpu::broker
