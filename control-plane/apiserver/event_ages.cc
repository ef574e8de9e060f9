#include "control-plane/apiserver/event_ages.h"

#include <algorithm>

namespace xpu::apiserver {

absl::Time WrittenAt(const nlohmann::json& event, absl::Time now) {
  absl::Time at = absl::InfinitePast();
  const auto look = [&](const nlohmann::json& object, const char* field) {
    const auto it = object.find(field);
    absl::Time told;
    if (it == object.end() || !it->is_string()) return;
    if (absl::ParseTime(absl::RFC3339_full, it->get_ref<const std::string&>(), &told, nullptr)) {
      at = std::max(at, told);
    }
  };
  const auto look_into = [&](const char* part, const char* field) {
    if (const auto it = event.find(part); it != event.end() && it->is_object()) look(*it, field);
  };
  look(event, "lastTimestamp");
  look(event, "eventTime");
  look_into("series", "lastObservedTime");
  look_into("metadata", "creationTimestamp");
  return std::min(at, now);
}

void EventAges::Written(const ObjectName& event, absl::Time at) {
  Gone(event);
  written_.emplace(event, at);
  by_age_.emplace(at, event);
}

void EventAges::Gone(const ObjectName& event) {
  const auto it = written_.find(event);
  if (it == written_.end()) return;
  by_age_.erase({it->second, it->first});
  written_.erase(it);
}

void EventAges::Clear() {
  written_.clear();
  by_age_.clear();
}

std::optional<absl::Time> EventAges::Oldest() const {
  if (by_age_.empty()) return std::nullopt;
  return by_age_.begin()->first;
}

std::vector<ObjectName> EventAges::UpTo(absl::Time at, size_t most) const {
  std::vector<ObjectName> events;
  for (const auto& [written, event] : by_age_) {
    if (written > at || events.size() == most) break;
    events.push_back(event);
  }
  return events;
}

}  // namespace xpu::apiserver
