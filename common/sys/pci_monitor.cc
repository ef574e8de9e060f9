#include "common/sys/pci_monitor.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"
#include "common/sys/files.h"
#include "spdlog/spdlog.h"

namespace xpu {

absl::StatusOr<std::unique_ptr<PciBus::Monitor>> PciMonitor::Start(const std::string& devices,
                                                                   bool is_kernels_sysfs, EventLoop& loop,
                                                                   Changed changed) {
  auto monitor = std::make_unique<PciMonitor>(devices, std::move(changed));
  PciMonitor* self = monitor.get();
  // Listening begins before the first look, so that nothing is missed between the two.
  if (is_kernels_sysfs) {
    XPU_ASSIGN_OR_RETURN(UeventSocket events, UeventSocket::Open(nullptr));
    monitor->events_ = std::make_unique<UeventSocket>(std::move(events));
    monitor->readable_ = loop.OnReadable(monitor->events_->fd(), [self] { self->ReadEvents(); });
  } else {
    monitor->inotify_.Reset(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (!monitor->inotify_) return absl::ErrnoToStatus(errno, "cannot watch " + devices);
    monitor->readable_ = loop.OnReadable(monitor->inotify_.get(), [self] { self->ReadWrites(); });
  }
  loop.Post([self, alive = monitor->alive_] {
    if (*alive) self->Resync();
  });
  return monitor;
}

PciMonitor::~PciMonitor() { *alive_ = false; }

void PciMonitor::Resync() {
  auto names = ListDirectory(devices_);
  if (!names.ok()) {
    spdlog::error("PCI functions: {}", names.status().ToString());
    return;
  }
  std::set<PciAddress> there;
  for (const std::string& name : *names) {
    const auto address = PciAddress::Parse(name);
    // Watched before it is looked at: a write after that is heard.
    if (address.ok()) Watch(*address);
    if (address.ok() && IsThere(*address)) there.insert(*address);
  }
  const std::set<PciAddress> before = known_;
  const std::shared_ptr<bool> alive = alive_;
  for (const PciAddress& address : before) {
    if (*alive && !there.contains(address)) Tell(address, true);
  }
  for (const PciAddress& address : there) {
    if (*alive) Tell(address, false);
  }
}

void PciMonitor::OnEvent(const Uevent& event) {
  const std::vector<std::string> path = absl::StrSplit(event.device_path, '/');
  // An auxiliary device lies in the folder of the function that it is a part of.
  const bool is_part = event.subsystem == "auxiliary";
  if (!is_part && event.subsystem != "pci") return;
  if (path.size() < (is_part ? 2u : 1u)) return;
  const auto address = PciAddress::Parse(path[path.size() - (is_part ? 2 : 1)]);
  if (!address.ok()) return;
  // The kernel says that a device goes before its folder does.
  const bool gone = !is_part && event.action == "remove";
  if (!gone && !IsThere(*address)) return;
  Tell(*address, gone);
}

void PciMonitor::ReadEvents() {
  std::vector<Uevent> news;
  const absl::Status status = events_->ReceivePending([&](const Uevent& event) { news.push_back(event); });
  const std::shared_ptr<bool> alive = alive_;
  for (const Uevent& event : news) {
    if (!*alive) return;
    OnEvent(event);
  }
  if (*alive && !status.ok()) {
    spdlog::info("PCI functions: {}; looking at all of them again", status.ToString());
    Resync();
  }
}

void PciMonitor::ReadWrites() {
  // What was written does not matter: it is read back.
  alignas(inotify_event) char buffer[4096];
  bool written = false;
  while (read(inotify_.get(), buffer, sizeof(buffer)) > 0) written = true;
  if (written) Resync();
}

void PciMonitor::Watch(const PciAddress& address) {
  if (!inotify_) return;
  const std::string attribute = absl::StrCat(devices_, "/", address.ToString(), "/sriov_numvfs");
  // Watching again what is watched changes nothing.
  if (inotify_add_watch(inotify_.get(), attribute.c_str(), IN_MODIFY) < 0 && errno != ENOENT) {
    spdlog::warn("cannot watch {}: {}", attribute, absl::ErrnoToStatus(errno, "inotify").ToString());
  }
}

void PciMonitor::Tell(const PciAddress& address, bool gone) {
  if (gone && known_.erase(address) == 0) return;
  if (!gone) known_.insert(address);
  changed_(address, gone);
}

bool PciMonitor::IsThere(const PciAddress& address) const {
  const auto text = ReadTrimmed(absl::StrCat(devices_, "/", address.ToString(), "/class"));
  uint32_t pci_class = 0;
  return text.ok() && absl::SimpleHexAtoi(*text, &pci_class) && IsNetworkClass(pci_class);
}

}  // namespace xpu
