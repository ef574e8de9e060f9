#include "common/kube/watch_stream.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/kube/kube_errors.h"

namespace xpu {
namespace {

// etcd keeps no object larger than 1.5 MiB; JSON may be some times that.
constexpr size_t kMaxLine = 32 << 20;

}  // namespace

void WatchSink::Close() {
  absl::MutexLock lock(&mu_);
  closed_ = true;
}

void WatchSink::OnResume(std::function<void()> resume) {
  {
    absl::MutexLock lock(&flow_mu_);
    resume_ = resume;
    if (!std::exchange(missed_, false)) return;
  }
  if (resume) resume();
}

bool WatchSink::Admit() {
  absl::MutexLock lock(&flow_mu_);
  refused_ = waiting_ > kFullBytes;
  return !refused_;
}

void WatchSink::Queued(size_t bytes) {
  absl::MutexLock lock(&flow_mu_);
  waiting_ += bytes;
}

void WatchSink::Handled(size_t bytes) {
  std::function<void()> resume;
  {
    absl::MutexLock lock(&flow_mu_);
    waiting_ -= bytes;
    if (!refused_ || waiting_ > kFullBytes / 2) return;
    refused_ = false;
    resume = resume_;
    missed_ = !resume;
  }
  if (resume) resume();
}

void WatchSink::Line(const std::string& line) {
  absl::MutexLock lock(&mu_);
  if (closed_) return;
  nlohmann::json parsed = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object() || !parsed.contains("object") || !parsed["object"].is_object() ||
      !parsed.contains("type") || !parsed["type"].is_string()) {
    return EndLocked(absl::UnavailableError(
        absl::StrCat("the server sent a watch event that cannot be read: ", line.substr(0, 100))));
  }
  const std::string type = parsed["type"].get<std::string>();
  WatchEvent event;
  if (type == "ADDED") {
    event.type = WatchEvent::Type::kAdded;
  } else if (type == "MODIFIED") {
    event.type = WatchEvent::Type::kModified;
  } else if (type == "DELETED") {
    event.type = WatchEvent::Type::kDeleted;
  } else if (type == "BOOKMARK") {
    event.type = WatchEvent::Type::kBookmark;
  } else if (type == "ERROR") {
    return EndLocked(FromKubeStatus(parsed["object"]));
  } else {
    return EndLocked(
        absl::UnavailableError(absl::StrCat("the server sent a watch event of type \"", type, "\"")));
  }
  event.object = std::move(parsed["object"]);
  if (callbacks_.event) callbacks_.event(event);
}

void WatchSink::End(const absl::Status& status) {
  absl::MutexLock lock(&mu_);
  EndLocked(status);
}

void WatchSink::EndLocked(const absl::Status& status) {
  if (closed_) return;
  closed_ = true;
  if (callbacks_.ended) callbacks_.ended(status);
}

bool LineSplitter::Feed(absl::string_view piece, const std::function<void(std::string)>& line) {
  while (true) {
    const size_t end = piece.find('\n');
    absl::StrAppend(&partial_, piece.substr(0, end));
    if (partial_.size() > kMaxLine) return false;
    if (end == absl::string_view::npos) return true;
    piece.remove_prefix(end + 1);
    std::string complete = std::exchange(partial_, "");
    if (!complete.empty()) line(std::move(complete));
  }
}

WatchDispatcher::WatchDispatcher() : thread_([this] { Run(); }) {}

WatchDispatcher::~WatchDispatcher() {
  {
    absl::MutexLock lock(&mu_);
    stop_ = true;
  }
  thread_.join();
}

void WatchDispatcher::PostLine(std::shared_ptr<WatchSink> sink, std::string line) {
  sink->Queued(line.size());
  Post({std::move(sink), std::move(line), absl::OkStatus(), false});
}

void WatchDispatcher::PostEnd(std::shared_ptr<WatchSink> sink, absl::Status status) {
  Post({std::move(sink), "", std::move(status), true});
}

void WatchDispatcher::Post(Item item) {
  absl::MutexLock lock(&mu_);
  queue_.push_back(std::move(item));
}

void WatchDispatcher::Run() {
  const auto ready = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return stop_ || !queue_.empty(); };
  while (true) {
    Item item;
    {
      absl::MutexLock lock(&mu_);
      mu_.Await(absl::Condition(&ready));
      if (stop_) return;
      item = std::move(queue_.front());
      queue_.pop_front();
    }
    if (item.is_end) {
      item.sink->End(item.end);
    } else {
      item.sink->Line(item.line);
      item.sink->Handled(item.line.size());
    }
  }
}

}  // namespace xpu
