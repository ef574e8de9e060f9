#include "device-plugin/device_board.h"

#include <algorithm>
#include <utility>

namespace xpu {

void DeviceBoard::Replace(PluginDevices devices) {
  std::sort(devices.begin(), devices.end(),
            [](const PluginDevice& a, const PluginDevice& b) { return a.id < b.id; });
  absl::MutexLock lock(&mutex_);
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

std::shared_ptr<const PluginDevices> DeviceBoard::Devices() const {
  absl::MutexLock lock(&mutex_);
  return devices_;
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

}  // namespace xpu
