#include "control-plane/apiserver/event_expiry.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "common/base/status_macros.h"
#include "common/log/log.h"
#include "control-plane/apiserver/store/object_rules.h"

namespace xpu::apiserver {
namespace {

// So many are deleted in one go, before requests have their turn.
constexpr size_t kAtOnce = 100;
// From one time to the next there is at least this part of the Events' time, so that some go together.
constexpr int kPauses = 60;

}  // namespace

EventExpiry::EventExpiry(EventLoop& loop, ObjectStore& store, Clock& clock, absl::Duration ttl)
    : loop_(loop),
      store_(store),
      clock_(clock),
      ttl_(ttl),
      kind_(store.kinds().FindKind("v1", "Event")),
      collection_(CollectionOf(kind_->resource)) {}

absl::Status EventExpiry::Start() {
  store_.OnChange([this](const Change& change) { OnChange(change); });
  store_.OnRestore([this] {
    if (const absl::Status taken = TakeUp(); !taken.ok()) {
      spdlog::warn("old Events of the backup stay until the server's next start: {}",
                   std::string(taken.message()));
    }
  });
  return TakeUp();
}

absl::Status EventExpiry::TakeUp() {
  ages_.Clear();
  XPU_ASSIGN_OR_RETURN(const Listing events, store_.List(*kind_, "", {}));
  for (const nlohmann::json& event : events.items) {
    ages_.Written({MetadataText(event, "namespace"), MetadataText(event, "name")},
                  WrittenAt(event, clock_.Now()));
  }
  Await(absl::ZeroDuration());
  return absl::OkStatus();
}

void EventExpiry::OnChange(const Change& change) {
  if (change.collection != collection_) return;
  const ObjectName event{change.ns, change.name};
  if (change.after == nullptr) return ages_.Gone(event);
  ages_.Written(event, clock_.Now());
  Await(absl::ZeroDuration());
}

void EventExpiry::Await(absl::Duration least) {
  const std::optional<absl::Time> oldest = ages_.Oldest();
  if (waits_ || !oldest) return;
  waits_ = true;
  timer_ = loop_.After(std::max(*oldest + ttl_ - clock_.Now(), least), [this] { Wake(); });
}

void EventExpiry::Wake() {
  waits_ = false;
  const std::vector<ObjectName> old = ages_.UpTo(clock_.Now() - ttl_, kAtOnce);
  // There may be more.
  absl::Duration pause = old.size() == kAtOnce ? absl::ZeroDuration() : ttl_ / kPauses;
  for (const ObjectName& event : old) {
    const absl::StatusOr<Deleted> deleted = store_.Delete(*kind_, event, {});
    // The age of one that has gone stays until that is on the disk. One with finalizers is for others to end.
    if (deleted.ok() && !deleted->waits) continue;
    if (deleted.ok() || absl::IsNotFound(deleted.status())) {
      ages_.Gone(event);
      continue;
    }
    spdlog::warn("the old Event {}/{} could not be deleted; it is tried again in {}: {}", event.ns,
                 event.name, absl::FormatDuration(ttl_ / kPauses), std::string(deleted.status().message()));
    pause = ttl_ / kPauses;
    break;
  }
  Await(pause);
}

}  // namespace xpu::apiserver
