#include "control-plane/apiserver/http/watch_hub.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/json/json_text.h"
#include "control-plane/apiserver/store/api_error.h"
#include "control-plane/apiserver/store/object_rules.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;

// What may wait for one watch, at the least and at the most.
constexpr size_t kLeastFullBytes = 16 << 10;
constexpr size_t kMostFullBytes = 1 << 20;
constexpr int kBatch = 128;
constexpr absl::string_view kCrdCollection = "apiextensions.k8s.io/customresourcedefinitions";
// Who has to wait for a watch that ends waits about so long.
constexpr absl::Duration kRetry = absl::Seconds(5);
// A watcher that asked for bookmarks is told where it is at least every so many changes.
constexpr int64_t kBookmarkEvery = 1000;

std::string PlainLine(absl::string_view type, const json& object) {
  return absl::StrCat("{\"type\":\"", type, "\",\"object\":", JsonText(object), "}\n");
}

}  // namespace

struct WatchHub::Watcher {
  WatchRequest request;
  std::string collection;
  std::unique_ptr<HttpStream> stream;
  // The last version that the watcher has been told of or that does not concern it.
  int64_t at = 0;
  // The last version that it knows of by an event or a bookmark.
  int64_t told = 0;
  bool live = false;
  // It has been sent an object.
  bool begun = false;
  // Where the listing of what was there goes on; nothing once it is over.
  std::optional<ObjectName> list_after;
  // The pieces of that listing: up to which object, and as of which version. Changes that a piece shows
  // already are not told again.
  struct Piece {
    std::pair<std::string, std::string> last;
    int64_t version = 0;
  };
  std::vector<Piece> pieces;
  EventLoop::Handle timeout;
  // The next piece of the listing, which shows what may still not have happened.
  std::optional<Listing> held;
  // Runs while it takes nothing.
  EventLoop::Handle patience;

  bool Shown(const Change& change) {
    if (pieces.empty()) return false;
    if (change.version > pieces.back().version) {
      pieces.clear();
      return false;
    }
    const auto key = std::pair(change.ns, change.name);
    const auto piece =
        std::find_if(pieces.begin(), pieces.end(), [&](const Piece& each) { return key <= each.last; });
    return change.version <= (piece == pieces.end() ? pieces.back() : *piece).version;
  }
};

WatchHub::WatchHub(EventLoop& loop, ObjectStore& store, const RequestLimits& limits, Clock& clock)
    : loop_(loop), store_(store), limits_(limits), clock_(clock) {
  store_.OnChange([this](const Change& change) { OnChange(change); });
  store_.OnRestore([this] { OnRestore(); });
  store_.OnSettled([this](const absl::Status& settled) { OnSettled(settled.ok()); });
}

WatchHub::~WatchHub() = default;

absl::Status WatchHub::Check(const WatchRequest& request) {
  if (watchers_.size() >= limits_.watches) {
    return TooManyRequests(absl::StrCat("the server has ", limits_.watches, " watches and takes no more"),
                           kRetry);
  }
  const auto mine = watches_of_.find(request.user);
  if (!request.user.empty() && mine != watches_of_.end() && mine->second >= limits_.watches_per_user) {
    return TooManyRequests(
        absl::StrCat("user \"", request.user, "\" has ", mine->second, " watches and gets no more"), kRetry);
  }
  if (!request.since) return absl::OkStatus();
  return store_.ChangesSince(*request.kind, request.ns, *request.since, 1).status();
}

void WatchHub::Start(WatchRequest request, std::unique_ptr<HttpStream> stream) {
  watchers_.push_back(std::make_unique<Watcher>());
  Watcher& watcher = *watchers_.back();
  watcher.request = std::move(request);
  watcher.collection = CollectionOf(watcher.request.kind->resource);
  watcher.stream = std::move(stream);
  ++watches_of_[watcher.request.user];
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
    watcher.list_after = ObjectName();
    watcher.at = store_.version();
  }
  watcher.told = watcher.at;
  on_watchers_(watchers_.size());
  Pump(watcher);
}

size_t WatchHub::FullBytes() const {
  return std::clamp(limits_.watch_bytes / std::max<size_t>(1, watchers_.size()), kLeastFullBytes,
                    kMostFullBytes);
}

void WatchHub::OnChange(const Change& change) {
  const std::string& collection = change.collection;
  const size_t full = FullBytes();
  for (const std::unique_ptr<Watcher>& each : watchers_) {
    Watcher& watcher = *each;
    if (!watcher.live) continue;
    bool concerned =
        watcher.collection == collection && (watcher.request.ns.empty() || watcher.request.ns == change.ns);
    if (concerned && watcher.stream->pending() > full) {
      watcher.at = change.version - 1;
      Park(watcher);
      continue;
    }
    watcher.at = change.version;
    if (concerned) Send(watcher, change);
    if (watcher.at - watcher.told >= kBookmarkEvery) SendBookmark(watcher);
  }
  if (change.collection == kCrdCollection && change.after == nullptr) EndWatchesOf(change.name);
}

void WatchHub::OnRestore() {
  std::vector<Watcher*> all;
  for (const std::unique_ptr<Watcher>& watcher : watchers_) all.push_back(watcher.get());
  for (Watcher* watcher : all) End(*watcher, Expired("the server was restored from a backup; list again"));
}

void WatchHub::EndWatchesOf(const std::string& crd) {
  std::vector<Watcher*> over;
  for (const std::unique_ptr<Watcher>& watcher : watchers_) {
    const ResourceKind& kind = watcher->request.kind->resource;
    if (watcher->request.kind->message == nullptr && absl::StrCat(kind.plural, ".", kind.group) == crd) {
      over.push_back(watcher.get());
    }
  }
  for (Watcher* watcher : over) End(*watcher, absl::OkStatus());
}

void WatchHub::Park(Watcher& watcher) {
  watcher.live = false;
  // From its client no word can be expected any more, so none is sent.
  watcher.patience = loop_.After(limits_.watch_patience, [this, &watcher] {
    watcher.stream->Abort();
    Remove(watcher);
  });
}

void WatchHub::Pump(Watcher& watcher) {
  watcher.patience.Cancel();
  while (watcher.stream->pending() <= FullBytes()) {
    if (absl::Status read = watcher.list_after ? PumpListing(watcher) : PumpHistory(watcher); !read.ok()) {
      return End(watcher, read);
    }
    if (watcher.live || watcher.held) return;
  }
  Park(watcher);
}

void WatchHub::OnSettled(bool happened) {
  std::vector<Watcher*> held;
  for (const std::unique_ptr<Watcher>& watcher : watchers_) {
    if (watcher->held) held.push_back(watcher.get());
  }
  for (Watcher* watcher : held) {
    // It shows what has not happened, and is read anew.
    if (!happened) watcher->held.reset();
    if (!happened || watcher->held->version <= store_.version()) Pump(*watcher);
  }
}

absl::Status WatchHub::PumpListing(Watcher& watcher) {
  if (!watcher.held) {
    absl::StatusOr<Listing> read =
        store_.List(*watcher.request.kind, watcher.request.ns, watcher.request.selector,
                    {.after = *watcher.list_after, .limit = kBatch});
    if (!read.ok()) return read.status();
    watcher.held = *std::move(read);
  }
  if (watcher.held->version > store_.version()) return absl::OkStatus();
  const std::optional<Listing> piece = std::exchange(watcher.held, std::nullopt);
  std::string lines;
  for (const json& object : piece->items) lines += Line(watcher, "ADDED", object);
  if (!lines.empty()) watcher.stream->Write(lines);
  watcher.list_after = piece->more_after;
  // Nobody's name is behind an empty one's, so the last piece has none that it ends with.
  std::pair<std::string, std::string> last;
  if (piece->more_after) last = {piece->more_after->ns, piece->more_after->name};
  if (!piece->more_after && watcher.pieces.empty()) {
    watcher.at = piece->version;
  } else {
    watcher.pieces.push_back({std::move(last), piece->version});
  }
  return absl::OkStatus();
}

absl::Status WatchHub::PumpHistory(Watcher& watcher) {
  absl::StatusOr<std::vector<Change>> changes =
      store_.ChangesSince(*watcher.request.kind, watcher.request.ns, watcher.at, kBatch);
  if (!changes.ok()) return changes.status();
  if (changes->empty()) {
    watcher.at = store_.version();
    watcher.live = true;
    watcher.pieces.clear();
  }
  for (const Change& change : *changes) {
    watcher.at = change.version;
    if (!watcher.Shown(change)) Send(watcher, change);
  }
  return absl::OkStatus();
}

void WatchHub::Send(Watcher& watcher, const Change& change) {
  const std::optional<absl::string_view> type = ItemType(change, watcher.request.selector);
  if (!type) return;
  const api::KindInfo& kind = *watcher.request.kind;
  // Objects of kinds that are declared at run time differ from version to version.
  if (watcher.request.view.is_plain() && kind.message != nullptr) {
    watcher.stream->Write(SharedLine(change, *type));
  } else {
    json object = ItemObject(change, *type);
    StampVersion(kind, &object);
    watcher.stream->Write(Line(watcher, *type, object));
  }
  watcher.told = change.version;
}

const std::string& WatchHub::SharedLine(const Change& change, absl::string_view type) {
  if (shared_version_ != change.version) shared_lines_.clear();
  shared_version_ = change.version;
  std::string& line = shared_lines_[std::string(type)];
  if (line.empty() && type != "DELETED" && !change.text.empty()) {
    line = absl::StrCat("{\"type\":\"", type, "\",\"object\":", change.text, "}\n");
  }
  if (line.empty()) line = PlainLine(type, ItemObject(change, type));
  return line;
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
  const auto mine = watches_of_.find(watcher.request.user);
  if (mine != watches_of_.end() && --mine->second == 0) watches_of_.erase(mine);
  watchers_.remove_if([&](const std::unique_ptr<Watcher>& each) { return each.get() == &watcher; });
  on_watchers_(watchers_.size());
}

}  // namespace xpu::apiserver
