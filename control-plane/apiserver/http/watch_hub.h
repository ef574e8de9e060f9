#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/api/kinds.h"
#include "common/api/selector.h"
#include "common/base/clock.h"
#include "common/base/event_loop.h"
#include "common/http/http_server.h"
#include "control-plane/apiserver/http/rate_limit.h"
#include "control-plane/apiserver/http/view.h"
#include "control-plane/apiserver/store/object_store.h"

namespace xpu::apiserver {

struct WatchRequest {
  KindPtr kind;
  std::string ns;  // empty for all
  api::Selector selector;
  // Where to go on; without it, everything that is there comes first, as ADDED.
  std::optional<int64_t> since;
  View view;
  bool bookmarks = false;
  std::optional<absl::Duration> timeout;
  // Who watches; empty for somebody whose watches are not counted.
  std::string user;
};

// Tells watchers of changes, as lines of JSON. A watcher is a place in the store's history and a stream: one
// that keeps up is told of a change as it happens, one that does not take what it is sent is left where it is
// and reads on in the history later. So it costs no memory beyond a bound, and loses nothing; when the
// history has moved past it, it is told so (410) and closed, and when it takes nothing for too long it is cut
// off. What was there before a watch is read in pieces, as the client takes them. All on the loop's thread;
// idle, it does nothing.
class WatchHub {
 public:
  // Makes itself a listener of the store's, which must not change any more when the hub has gone. Loop, store
  // and clock must outlive the hub.
  WatchHub(EventLoop& loop, ObjectStore& store, const RequestLimits& limits, Clock& clock);
  ~WatchHub();

  // Before Start: TooManyRequests if too many run already; Expired if the history does not reach back far
  // enough.
  absl::Status Check(const WatchRequest& request);
  void Start(WatchRequest request, std::unique_ptr<HttpStream> stream);

  size_t size() const { return watchers_.size(); }
  // Called with their number whenever a watch begins or ends.
  void OnWatchers(std::function<void(size_t)> callback) { on_watchers_ = std::move(callback); }

 private:
  struct Watcher;
  void OnChange(const Change& change);
  // What was listed meanwhile can be sent, or, if it has not happened, must be listed anew.
  void OnSettled(bool happened);
  // Reads on until it is at the history's end or the stream is full.
  void Pump(Watcher& watcher);
  // The next piece of what was there before.
  absl::Status PumpListing(Watcher& watcher);
  absl::Status PumpHistory(Watcher& watcher);
  // Waits for the client to take what it has been sent.
  void Park(Watcher& watcher);
  // All that anybody knows is too old.
  void OnRestore();
  // A kind is not served any more.
  void EndWatchesOf(const std::string& crd);
  // A stream with so much waiting gets no more.
  size_t FullBytes() const;
  void Send(Watcher& watcher, const Change& change);
  // A line with an object in the form that the watcher wants.
  std::string Line(Watcher& watcher, absl::string_view type, const nlohmann::json& object) const;
  // The line of a change for all who want objects as they are; made once.
  const std::string& SharedLine(const Change& change, absl::string_view type);
  void SendBookmark(Watcher& watcher);
  void End(Watcher& watcher, const absl::Status& why);
  void Remove(Watcher& watcher);

  EventLoop& loop_;
  ObjectStore& store_;
  const RequestLimits limits_;
  Clock& clock_;
  std::list<std::unique_ptr<Watcher>> watchers_;
  // Of the change that was sent last, by type.
  int64_t shared_version_ = 0;
  std::map<std::string, std::string, std::less<>> shared_lines_;
  std::map<std::string, size_t> watches_of_;
  std::function<void(size_t)> on_watchers_ = [](size_t) {};
};

}  // namespace xpu::apiserver
