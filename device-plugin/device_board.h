#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "device-plugin/plugin_function.h"

namespace xpu {

// A device as the kubelet is told of it.
struct PluginDevice {
  // Of the function.
  std::string id;
  bool healthy = false;
  // -1 if there is none, or the kubelet is not to know.
  int numa_node = -1;
  friend bool operator==(const PluginDevice&, const PluginDevice&) = default;
};

using PluginDevices = std::vector<PluginDevice>;

// The functions of a pool as they are now, and who wants to know of the devices that they make. Safe from any
// thread. A watcher hears of the current list at once and then of every change; what does not change the list
// of devices is told to nobody.
class DeviceBoard {
 public:
  // Called with a list that it may keep, in the order of the changes, with the board's lock held: it must not
  // block and must not call the board.
  using Watcher = std::function<void(std::shared_ptr<const PluginDevices>)>;
  using WatcherId = uint64_t;

  // Whether devices tell their NUMA node.
  explicit DeviceBoard(bool topology = true) : topology_(topology) {}

  // Replaces the list; the order does not matter.
  void Replace(PoolMembers members);
  // Makes every device unhealthy. Without a list it does nothing.
  void MarkAllUnhealthy();
  // Sorted by id. Null until there is a list.
  std::shared_ptr<const PoolMembers> Members() const;

  WatcherId AddWatcher(Watcher watcher);
  // When it returns, the watcher is not being called and never will be.
  void RemoveWatcher(WatcherId id);

 private:
  void Publish(PluginDevices devices) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const bool topology_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<const PoolMembers> members_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const PluginDevices> devices_ ABSL_GUARDED_BY(mutex_);
  std::map<WatcherId, Watcher> watchers_ ABSL_GUARDED_BY(mutex_);
  WatcherId next_watcher_ ABSL_GUARDED_BY(mutex_) = 1;
};

// The member with that id; null if there is none. `members` is sorted by id.
const PoolMember* FindMember(const PoolMembers& members, const std::string& id);

}  // namespace xpu
