#include "control-plane/xpuctl/object_events.h"

#include <algorithm>
#include <cstdint>
#include <ostream>
#include <tuple>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "common/api/object_columns.h"
#include "common/kube/metadata.h"
#include "control-plane/xpuctl/table.h"

namespace xpu {
namespace {

const ResourceKind kEvents = {"", "v1", "Event", "events"};

// The text at `key`, or in the object at `outer`; empty for anything else.
std::string TextAt(const Resource& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}
std::string TextAt(const Resource& object, const char* outer, const char* key) {
  const auto it = object.find(outer);
  return it != object.end() && it->is_object() ? TextAt(*it, key) : "";
}
int64_t CountAt(const Resource& object) {
  const auto it = object.find("count");
  return it != object.end() && it->is_number_integer() ? it->get<int64_t>() : 0;
}

// The first of the times that is one.
absl::Time FirstTime(const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    absl::Time time;
    if (absl::ParseTime(absl::RFC3339_full, text, &time, nullptr)) return time;
  }
  return absl::InfinitePast();
}

// An Event (Kubernetes API, core/v1) as a person reads it. There are two ways to count: `count` with two
// timestamps, and `series` with `eventTime`.
struct Told {
  absl::Time first;
  absl::Time last;
  int64_t times = 1;
  std::string type, reason, from, message;
};

Told ReadEvent(const Resource& event) {
  Told told;
  const auto series = event.find("series");
  const bool in_series = series != event.end() && series->is_object();
  const std::string created = TextAt(event, "metadata", "creationTimestamp");
  told.first = FirstTime({TextAt(event, "eventTime"), TextAt(event, "firstTimestamp"), created});
  told.last =
      std::max(told.first, FirstTime({in_series ? TextAt(*series, "lastObservedTime") : "",
                                      TextAt(event, "lastTimestamp"), TextAt(event, "eventTime"), created}));
  told.times = std::max<int64_t>(1, CountAt(in_series ? *series : event));
  told.type = TextAt(event, "type");
  told.reason = TextAt(event, "reason");
  std::vector<std::string> from = {TextAt(event, "source", "component"), TextAt(event, "source", "host")};
  if (from[0].empty()) from = {TextAt(event, "reportingComponent"), TextAt(event, "reportingInstance")};
  from.erase(std::remove(from.begin(), from.end(), ""), from.end());
  told.from = absl::StrJoin(from, ", ");
  told.message = std::string(absl::StripAsciiWhitespace(TextAt(event, "message")));
  return told;
}

std::string AgeOf(const Told& told, absl::Time now) {
  if (told.last == absl::InfinitePast()) return "";
  std::string last = api::AgeText(now - told.last);
  if (told.times == 1) return last;
  return absl::StrCat(last, " (x", told.times, " over ", api::AgeText(now - told.first), ")");
}

}  // namespace

void PrintEvents(Session& session, const api::KindInfo& kind, const Resource& object) {
  const ResourceName about = NameOf(object);
  ListOptions selection;
  selection.field_selector =
      absl::StrCat("involvedObject.kind=", kind.resource.kind, ",involvedObject.namespace=", about.ns,
                   ",involvedObject.name=", about.name, ",involvedObject.uid=", UidOf(object));
  // Where those about objects without a namespace are.
  const std::string ns = about.ns.empty() ? "default" : about.ns;
  const absl::StatusOr<ResourceList> events = session.store.List(kEvents, ns, selection);
  if (!events.ok()) {
    session.out << "Events:      cannot be read: " << events.status().message() << "\n";
    return;
  }
  if (events->items.empty()) {
    session.out << "Events:      <none>\n";
    return;
  }
  std::vector<Told> all;
  for (const Resource& event : events->items) all.push_back(ReadEvent(event));
  std::stable_sort(all.begin(), all.end(), [](const Told& a, const Told& b) {
    return std::tie(a.last, a.first) < std::tie(b.last, b.first);
  });
  session.out << "Events:\n";
  Table table({"Type", "Reason", "Age", "From", "Message"});
  for (const Told& told : all)
    table.AddRow({told.type, told.reason, AgeOf(told, session.clock.Now()), told.from, told.message});
  table.Print(session.out);
}

}  // namespace xpu
