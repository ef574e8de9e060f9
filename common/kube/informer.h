#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/backoff.h"
#include "common/base/event_loop.h"
#include "common/kube/resource_store.h"

namespace xpu {

// Keeps a copy of a kind's objects up to date: lists them, then watches from that version. When a watch ends,
// it goes on from the last version seen; it lists again when the store has forgotten that one. Errors are
// tried again with a growing delay, and the copy stays meanwhile. Never polls. The copy is without
// metadata.managedFields.
//
// Construct and destroy it on the loop's thread, or while the loop does not run. The store's blocking calls
// are made on a thread of the informer's own.
class Informer {
 public:
  // Called on the loop. Any may be null.
  struct Handler {
    std::function<void(const ResourceName& name, const Resource& object)> added;
    std::function<void(const ResourceName& name, const Resource& before, const Resource& now)> updated;
    // With the last state that was seen.
    std::function<void(const ResourceName& name, const Resource& last)> deleted;
    // Once, when all that the first list showed has been handed over.
    std::function<void()> synced;
    // The same of each later list, which stands in for a watch that the store has forgotten: nobody is told
    // of what came and went between the two.
    std::function<void()> relisted;
  };
  struct Options {
    ResourceKind kind;
    // Empty for all namespaces.
    std::string ns;
    ListOptions selection;
    // What objects are found by (Having) beside their names; null for nothing. Pure, and safe from any thread.
    std::function<std::string(const Resource& object)> index;
    Backoff::Options backoff;
    uint64_t seed = 1;
  };

  // `loop` and `store` are not owned and must outlive it.
  Informer(EventLoop& loop, ResourceStore& store, Options options, Handler handler);
  // No handler is called any more. Waits for a call to the store that is under way.
  ~Informer();
  Informer(const Informer&) = delete;
  Informer& operator=(const Informer&) = delete;

  // These may be called from any thread. What a handler was told is in the copy.
  std::optional<Resource> Get(const ResourceName& name) const;
  std::vector<ResourceName> Names() const;
  std::vector<Resource> All() const;
  // Those for which Options::index is `value`; takes as long as there are such. None without an index.
  std::vector<Resource> Having(const std::string& value) const;
  bool synced() const;

 private:
  class Core;
  std::shared_ptr<Core> core_;
};

}  // namespace xpu
