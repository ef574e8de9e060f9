#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "common/base/event_loop.h"
#include "common/base/unique_fd.h"
#include "common/sys/pci_bus.h"
#include "common/sys/uevent.h"

namespace xpu {

// PciBus::MonitorFunctions of a sysfs whose PCI devices are in the folder `devices`. If that is the kernel's,
// its events say what happens; else that somebody has written an attribute sriov_numvfs there, as inotify(7)
// tells once the write is done. To be made and destroyed as EventLoop asks.
class PciMonitor final : public PciBus::Monitor {
 public:
  using Changed = std::function<void(const PciAddress& address, bool gone)>;
  static absl::StatusOr<std::unique_ptr<PciBus::Monitor>> Start(const std::string& devices,
                                                                bool is_kernels_sysfs, EventLoop& loop,
                                                                Changed changed);
  ~PciMonitor() override;

  // What happens without a source; for Start, and for tests of what events do.
  PciMonitor(std::string devices, Changed changed)
      : devices_(std::move(devices)), changed_(std::move(changed)) {}
  // Tells every function, and of those known before which are gone.
  void Resync();
  void OnEvent(const Uevent& event);

 private:
  void ReadEvents();
  void ReadWrites();
  // Watches the function's sriov_numvfs if it has one and the source is inotify.
  void Watch(const PciAddress& address);
  void Tell(const PciAddress& address, bool gone);
  bool IsThere(const PciAddress& address) const;

  const std::string devices_;
  const Changed changed_;
  // One of the two.
  std::unique_ptr<UeventSocket> events_;
  UniqueFd inotify_;
  // As they were last told.
  std::set<PciAddress> known_;
  // Becomes false when the monitor goes, for the work that is still on the loop and for a callback that
  // destroys the monitor.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  EventLoop::Handle readable_;
};

}  // namespace xpu
