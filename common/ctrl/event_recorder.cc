#include "common/ctrl/event_recorder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/status_macros.h"
#include "common/kube/metadata.h"

namespace xpu {
namespace {

const ResourceKind kEvents = {"", "v1", "Event", "events"};

// FNV-1a: the same in each process and release, so that an Event is found again by its name.
uint64_t Fingerprint(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3;
  }
  return hash;
}

std::string TextOf(const Resource& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

int64_t CountOf(const Resource& event) {
  const auto it = event.find("count");
  return it != event.end() && it->is_number_integer() ? it->get<int64_t>() : 0;
}

}  // namespace

EventRecorder::EventRecorder(Options options, ResourceStore& store, Clock& clock)
    : options_(std::move(options)), store_(store), clock_(clock) {
  controller_ =
      std::make_unique<Controller>(Controller::Options{.name = "event", .backoff = options_.backoff},
                                   [this](const ResourceName& name) { return Write(name); });
}

EventRecorder::~EventRecorder() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  controller_->Stop();
}

void EventRecorder::Record(const Resource& object, Type type, const std::string& reason,
                           const std::string& message) {
  const ResourceName about = NameOf(object);
  const std::string uid = UidOf(object);
  const absl::Time now = clock_.Now();
  // Objects without a namespace have their Events in "default".
  const std::string ns = about.ns.empty() ? "default" : about.ns;
  // 253 characters are a name's limit.
  const ResourceName name = {
      ns, absl::StrCat(about.name.substr(0, 230), ".",
                       absl::StrFormat("%016x", Fingerprint(absl::StrCat(TextOf(object, "kind"), "\n", uid,
                                                                         "\n", options_.component, "\n",
                                                                         reason, "\n", message))))};
  {
    absl::MutexLock lock(&mu_);
    auto it = things_.find(name);
    if (it == things_.end()) {
      if (!Allow(absl::StrCat(uid, "/", about.ToString()), now)) return;
      MakeRoom();
      Resource event = MakeResource(kEvents, name);
      event["involvedObject"] = {{"apiVersion", TextOf(object, "apiVersion")},
                                 {"kind", TextOf(object, "kind")},
                                 {"namespace", about.ns},
                                 {"name", about.name},
                                 {"uid", uid},
                                 {"resourceVersion", VersionOf(object)}};
      event["type"] = type == Type::kWarning ? "Warning" : "Normal";
      event["reason"] = reason;
      // 1,024 bytes are the API's limit.
      event["message"] = message.substr(0, 1024);
      event["source"] = {{"component", options_.component}, {"host", options_.host}};
      event["reportingComponent"] = options_.component;
      event["reportingInstance"] = options_.host;
      event["firstTimestamp"] = KubeTime(now);
      it = things_.emplace(name, Thing{.event = std::move(event)}).first;
    }
    ++it->second.times;
    it->second.last = now;
  }
  controller_->Enqueue(name);
}

bool EventRecorder::AwaitTurn() {
  const absl::Duration each = absl::Seconds(1) / options_.per_second;
  const auto now = std::chrono::steady_clock::now();
  absl::MutexLock lock(&mu_);
  due_ = std::max(due_, now) + absl::ToChronoNanoseconds(each);
  const absl::Duration early = absl::FromChrono(due_ - now) - each * options_.burst_of_all;
  if (early > absl::ZeroDuration()) mu_.AwaitWithTimeout(absl::Condition(&stopping_), early);
  return !stopping_;
}

absl::Status EventRecorder::Write(const ResourceName& name) {
  if (!AwaitTurn()) return absl::OkStatus();
  Resource event;
  int64_t times = 0;
  int64_t written = 0;
  {
    absl::MutexLock lock(&mu_);
    const auto it = things_.find(name);
    if (it == things_.end() || it->second.times == 0) return absl::OkStatus();
    event = it->second.event;
    times = it->second.times;
    written = it->second.written;
    event["lastTimestamp"] = KubeTime(it->second.last);
  }
  const absl::Status stored = Store(std::move(event), times, &written).status();
  absl::MutexLock lock(&mu_);
  const auto it = things_.find(name);
  if (it == things_.end()) return absl::OkStatus();
  if (stored.ok()) {
    it->second.times -= times;
    it->second.written = written + times;
    return absl::OkStatus();
  }
  // What the server refuses now it will refuse again; NotFound: the namespace is gone.
  if (absl::IsInvalidArgument(stored) || absl::IsPermissionDenied(stored) || absl::IsNotFound(stored)) {
    things_.erase(it);
    return absl::OkStatus();
  }
  return stored;
}

absl::StatusOr<Resource> EventRecorder::Store(Resource event, int64_t times, int64_t* written) {
  const ResourceName name = NameOf(event);
  const Resource last = event["lastTimestamp"];
  const auto count_up = [&] {
    return store_.Patch(kEvents, name, PatchType::kMerge,
                        {{"count", *written + times}, {"lastTimestamp", last}});
  };
  if (*written > 0) {
    absl::StatusOr<Resource> counted = count_up();
    if (!absl::IsNotFound(counted.status())) return counted;
  }
  // Never written, or too old for the server to keep.
  *written = 0;
  event["count"] = times;
  absl::StatusOr<Resource> made = store_.Create(kEvents, event);
  if (!absl::IsAlreadyExists(made.status())) return made;
  // A process before this one has said the same; a patch that changes nothing answers how often.
  XPU_ASSIGN_OR_RETURN(const Resource there,
                       store_.Patch(kEvents, name, PatchType::kMerge, Resource::object()));
  *written = std::max<int64_t>(1, CountOf(there));
  return count_up();
}

bool EventRecorder::Allow(const std::string& uid, absl::Time now) {
  const auto [it, first] = allowances_.try_emplace(uid, Allowance{static_cast<double>(options_.burst), now});
  Allowance& allowance = it->second;
  if (!first) {
    allowance.left =
        std::min<double>(options_.burst, allowance.left + (now - allowance.at) / options_.refill);
    allowance.at = now;
  }
  if (allowances_.size() > options_.capacity) {
    // The one that has been quiet for longest has its allowance back soonest.
    const auto oldest =
        std::min_element(allowances_.begin(), allowances_.end(),
                         [](const auto& a, const auto& b) { return a.second.at < b.second.at; });
    if (oldest != it) allowances_.erase(oldest);
  }
  if (allowance.left < 1) return false;
  allowance.left -= 1;
  return true;
}

void EventRecorder::MakeRoom() {
  if (things_.size() < options_.capacity) return;
  things_.erase(std::min_element(things_.begin(), things_.end(),
                                 [](const auto& a, const auto& b) { return a.second.last < b.second.last; }));
}

}  // namespace xpu
