#pragma once

#include <deque>
#include <optional>
#include <string>
#include <thread>

#include "common/api/selector.h"
#include "common/kube/fake_store.h"

namespace xpu {

// A watch of a FakeStore: a queue and the thread that empties it. All but the constructor and the destructor
// needs the store's lock.
class FakeStore::FakeWatcher : public ResourceStore::Watcher {
 public:
  FakeWatcher(FakeStore& store, std::string collection, std::string ns, api::Selector selector,
              WatchCallbacks callbacks)
      : store_(store),
        collection_(std::move(collection)),
        ns_(std::move(ns)),
        selector_(std::move(selector)),
        callbacks_(std::move(callbacks)) {}
  ~FakeWatcher() override;

  void Start();
  // Queues the event that the change is for this watch, if it is one.
  void Offer(const Change& change);
  void OfferBookmark(const std::string& version);
  // The events queued so far still come, then the end.
  void End(const absl::Status& status);
  bool running() const { return !end_; }

 private:
  void Run();

  FakeStore& store_;
  const std::string collection_;
  const std::string ns_;
  const api::Selector selector_;
  const WatchCallbacks callbacks_;
  std::deque<WatchEvent> queue_;
  std::optional<absl::Status> end_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace xpu
