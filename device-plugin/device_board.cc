#include "device-plugin/device_board.h"

#include <algorithm>
#include <utility>

namespace xpu {

void DeviceBoard::Replace(PoolMembers members) {
  std::sort(members.begin(), members.end(),
            [](const PoolMember& a, const PoolMember& b) { return a.function.id < b.function.id; });
  PluginDevices devices;
  devices.reserve(members.size());
  for (const PoolMember& member : members) {
    devices.push_back({.id = member.function.id,
                       .healthy = member.function.healthy,
                       .numa_node = topology_ ? member.function.numa_node : -1});
  }
  auto shared = std::make_shared<const PoolMembers>(std::move(members));
  absl::MutexLock lock(&mutex_);
  members_ = std::move(shared);
  if (devices_ == nullptr || *devices_ != devices) Publish(std::move(devices));
}

void DeviceBoard::MarkAllUnhealthy() {
  absl::MutexLock lock(&mutex_);
  if (devices_ == nullptr) return;
  PluginDevices devices = *devices_;
  for (PluginDevice& device : devices) device.healthy = false;
  if (devices != *devices_) Publish(std::move(devices));
}

void DeviceBoard::Publish(PluginDevices devices) {
  devices_ = std::make_shared<const PluginDevices>(std::move(devices));
  for (const auto& [id, watcher] : watchers_) watcher(devices_);
}

std::shared_ptr<const PoolMembers> DeviceBoard::Members() const {
  absl::MutexLock lock(&mutex_);
  return members_;
}

DeviceBoard::WatcherId DeviceBoard::AddWatcher(Watcher watcher) {
  absl::MutexLock lock(&mutex_);
  if (devices_ != nullptr) watcher(devices_);
  watchers_.emplace(next_watcher_, std::move(watcher));
  return next_watcher_++;
}

void DeviceBoard::RemoveWatcher(WatcherId id) {
  absl::MutexLock lock(&mutex_);
  watchers_.erase(id);
}

const PoolMember* FindMember(const PoolMembers& members, const std::string& id) {
  const auto found = std::lower_bound(
      members.begin(), members.end(), id,
      [](const PoolMember& member, const std::string& wanted) { return member.function.id < wanted; });
  return found != members.end() && found->function.id == id ? &*found : nullptr;
}

}  // namespace xpu
