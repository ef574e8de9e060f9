#include "control-plane/apiserver/http/watch_hub.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control-plane/apiserver/store/api_error.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;

// A stream with so much waiting gets no more until it is drained.
constexpr size_t kFullBytes = 1 << 20;
constexpr int kBatch = 128;
// A watcher that asked for bookmarks is told where it is at least every so many changes.
constexpr int64_t kBookmarkEvery = 1000;

std::string PlainLine(absl::string_view type, const json& object) {
  return absl::StrCat("{\"type\":\"", type,
                      "\",\"object\":", object.dump(-1, ' ', false, json::error_handler_t::replace), "}\n");
}

}  // namespace

struct WatchHub::Watcher {
  WatchRequest request;
  std::unique_ptr<HttpStream> stream;
  // The last version that the watcher has been told of or that does not concern it.
  int64_t at = 0;
  // The last version that it knows of by an event or a bookmark.
  int64_t told = 0;
  bool live = false;
  // It has been sent an object.
  bool begun = false;
  EventLoop::Handle timeout;
};

WatchHub::WatchHub(EventLoop& loop, ObjectStore& store, Clock& clock)
    : loop_(loop), store_(store), clock_(clock) {
  store_.OnChange([this](const Change& change) { OnChange(change); });
}

WatchHub::~WatchHub() {
  store_.OnChange([](const Change&) {});
}

absl::Status WatchHub::Check(const WatchRequest& request) {
  if (!request.since) return absl::OkStatus();
  return store_.ChangesSince(*request.kind, request.ns, *request.since, 1).status();
}

void WatchHub::Start(WatchRequest request, std::unique_ptr<HttpStream> stream) {
  watchers_.push_back(std::make_unique<Watcher>());
  Watcher& watcher = *watchers_.back();
  watcher.request = std::move(request);
  watcher.stream = std::move(stream);
  watcher.stream->SetCallbacks(
      [this, &watcher] {
        if (!watcher.live) Pump(watcher);
      },
      [this, &watcher] { Remove(watcher); });
  if (watcher.request.timeout) {
    watcher.timeout =
        loop_.After(*watcher.request.timeout, [this, &watcher] { End(watcher, absl::OkStatus()); });
  }
  if (watcher.request.since) {
    watcher.at = *watcher.request.since;
  } else {
    absl::StatusOr<Listing> all =
        store_.List(*watcher.request.kind, watcher.request.ns, watcher.request.selector);
    if (!all.ok()) return End(watcher, all.status());
    std::string lines;
    for (const json& object : all->items) lines += Line(watcher, "ADDED", object);
    if (!lines.empty()) watcher.stream->Write(lines);
    watcher.at = all->version;
  }
  watcher.told = watcher.at;
  on_watchers_(watchers_.size());
  Pump(watcher);
}

void WatchHub::OnChange(const Change& change) {
  const std::string& collection = change.collection;
  for (const std::unique_ptr<Watcher>& each : watchers_) {
    Watcher& watcher = *each;
    if (!watcher.live) continue;
    bool concerned = CollectionOf(watcher.request.kind->resource) == collection &&
                     (watcher.request.ns.empty() || watcher.request.ns == change.ns);
    if (concerned && watcher.stream->pending() > kFullBytes) {
      watcher.live = false;
      watcher.at = change.version - 1;
      continue;
    }
    watcher.at = change.version;
    if (concerned) Send(watcher, change);
    if (watcher.at - watcher.told >= kBookmarkEvery) SendBookmark(watcher);
  }
}

void WatchHub::Pump(Watcher& watcher) {
  while (watcher.stream->pending() <= kFullBytes) {
    absl::StatusOr<std::vector<Change>> changes =
        store_.ChangesSince(*watcher.request.kind, watcher.request.ns, watcher.at, kBatch);
    if (!changes.ok()) return End(watcher, changes.status());
    if (changes->empty()) {
      watcher.at = store_.version();
      watcher.live = true;
      return;
    }
    for (const Change& change : *changes) {
      watcher.at = change.version;
      Send(watcher, change);
    }
  }
}

void WatchHub::Send(Watcher& watcher, const Change& change) {
  std::optional<WatchItem> item = Project(change, watcher.request.selector);
  if (!item) return;
  watcher.stream->Write(Line(watcher, item->type, item->object));
  watcher.told = change.version;
}

std::string WatchHub::Line(Watcher& watcher, absl::string_view type, const json& object) const {
  const bool first = !std::exchange(watcher.begun, true);
  return PlainLine(type, watcher.request.view.Event(*watcher.request.kind, object, first, clock_.Now()));
}

void WatchHub::SendBookmark(Watcher& watcher) {
  watcher.told = watcher.at;
  if (!watcher.request.bookmarks) return;
  const ResourceKind& kind = watcher.request.kind->resource;
  watcher.stream->Write(Line(watcher, "BOOKMARK",
                             {{"apiVersion", kind.ApiVersion()},
                              {"kind", kind.kind},
                              {"metadata", {{"resourceVersion", absl::StrCat(watcher.at)}}}}));
}

void WatchHub::End(Watcher& watcher, const absl::Status& why) {
  if (!why.ok()) {
    watcher.stream->Write(PlainLine("ERROR", StatusObject(why)));
  } else if (watcher.live) {
    SendBookmark(watcher);
  }
  Remove(watcher);
}

void WatchHub::Remove(Watcher& watcher) {
  watchers_.remove_if([&](const std::unique_ptr<Watcher>& each) { return each.get() == &watcher; });
  on_watchers_(watchers_.size());
}

}  // namespace xpu::apiserver
