#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace xpu {

// A device as the kubelet is told of it.
struct PluginDevice {
  // PCI address.
  std::string id;
  bool healthy = false;
  // -1 if there is none.
  int numa_node = -1;
  // The card's physical function that it belongs to.
  std::string physical_function;
  friend bool operator==(const PluginDevice&, const PluginDevice&) = default;
};

using PluginDevices = std::vector<PluginDevice>;

// The devices as they are now, and who wants to know. Safe from any thread. A watcher hears of the current
// list at once and then of every change; what does not change the list is told to nobody.
class DeviceBoard {
 public:
  // Called with a list that it may keep, in the order of the changes, with the board's lock held: it must not
  // block and must not call the board.
  using Watcher = std::function<void(std::shared_ptr<const PluginDevices>)>;
  using WatcherId = uint64_t;

  // Replaces the list; the order does not matter.
  void Replace(PluginDevices devices);
  // Makes every device unhealthy. Without a list it does nothing.
  void MarkAllUnhealthy();
  // Null until there is a list.
  std::shared_ptr<const PluginDevices> Devices() const;

  WatcherId AddWatcher(Watcher watcher);
  // When it returns, the watcher is not being called and never will be.
  void RemoveWatcher(WatcherId id);

 private:
  void Publish(PluginDevices devices) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  std::shared_ptr<const PluginDevices> devices_ ABSL_GUARDED_BY(mutex_);
  std::map<WatcherId, Watcher> watchers_ ABSL_GUARDED_BY(mutex_);
  WatcherId next_watcher_ ABSL_GUARDED_BY(mutex_) = 1;
};

}  // namespace xpu
