#pragma once

#include <cstdint>
#include <functional>
#include <list>
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
#include "control-plane/apiserver/http/view.h"
#include "control-plane/apiserver/store/object_store.h"

namespace xpu::apiserver {

struct WatchRequest {
  const api::KindInfo* kind = nullptr;
  std::string ns;  // empty for all
  api::Selector selector;
  // Where to go on; without it, everything that is there comes first, as ADDED.
  std::optional<int64_t> since;
  View view;
  bool bookmarks = false;
  std::optional<absl::Duration> timeout;
};

// Tells watchers of changes, as lines of JSON. A watcher is a place in the store's history and a stream: one
// that keeps up is told of a change as it happens, one that does not take what it is sent is left where it is
// and reads on in the history later. So it costs no memory beyond a bound, and loses nothing; when the
// history has moved past it, it is told so (410) and closed. All on the loop's thread; idle, it does nothing.
class WatchHub {
 public:
  // Makes itself the store's listener. Loop, store and clock must outlive the hub.
  WatchHub(EventLoop& loop, ObjectStore& store, Clock& clock);
  ~WatchHub();

  // Before Start: whether the history reaches back far enough; Expired if not.
  absl::Status Check(const WatchRequest& request);
  void Start(WatchRequest request, std::unique_ptr<HttpStream> stream);

  // Called with their number whenever a watch begins or ends.
  void OnWatchers(std::function<void(size_t)> callback) { on_watchers_ = std::move(callback); }

 private:
  struct Watcher;
  void OnChange(const Change& change);
  // Reads on in the history until it is at its end or the stream is full.
  void Pump(Watcher& watcher);
  void Send(Watcher& watcher, const Change& change);
  // A line with an object in the form that the watcher wants.
  std::string Line(Watcher& watcher, absl::string_view type, const nlohmann::json& object) const;
  void SendBookmark(Watcher& watcher);
  void End(Watcher& watcher, const absl::Status& why);
  void Remove(Watcher& watcher);

  EventLoop& loop_;
  ObjectStore& store_;
  Clock& clock_;
  std::list<std::unique_ptr<Watcher>> watchers_;
  std::function<void(size_t)> on_watchers_ = [](size_t) {};
};

}  // namespace xpu::apiserver
