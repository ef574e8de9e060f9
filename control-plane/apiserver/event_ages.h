#pragma once

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "control-plane/apiserver/store/object_store.h"
#include "nlohmann/json.hpp"

namespace xpu::apiserver {

// When an Event that has been there for a while was written last, as far as it tells: the latest of its
// times (Event v1 core: lastTimestamp, eventTime, series.lastObservedTime, and metadata.creationTimestamp),
// and `now` at the most, so that no client's clock keeps it for ever.
absl::Time WrittenAt(const nlohmann::json& event, absl::Time now);

// When each Event was written last. Not thread-safe.
class EventAges {
 public:
  void Written(const ObjectName& event, absl::Time at);
  void Gone(const ObjectName& event);
  void Clear();

  // Nothing without Events.
  std::optional<absl::Time> Oldest() const;
  // Those that were written last at `at` or before, the oldest first, `most` of them at the most.
  std::vector<ObjectName> UpTo(absl::Time at, size_t most) const;

 private:
  std::map<ObjectName, absl::Time> written_;
  std::set<std::pair<absl::Time, ObjectName>> by_age_;
};

}  // namespace xpu::apiserver
