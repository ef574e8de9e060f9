#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/unique_fd.h"
#include "common/sys/net_namespaces.h"

namespace xpu {

// One of the kernel's events about its devices (lib/kobject_uevent.c;
// Documentation/ABI/testing/sysfs-uevent).
struct Uevent {
  // "add", "remove", "change", "move", "online", "offline", "bind" or "unbind".
  std::string action;
  // The device, below /sys: "/devices/pci0000:00/0000:00:01.0".
  std::string device_path;
  // "pci", "auxiliary", "net", …
  std::string subsystem;
};

// Of a message "ACTION@DEVPATH", zero, then "KEY=VALUE" with a zero each. Nothing for one that is not whole,
// or that is written otherwise, as udev's are.
std::optional<Uevent> ParseUevent(absl::string_view message);

// A listener to the kernel's events (NETLINK_KOBJECT_UEVENT). Events of most devices are heard in every
// namespace that the first user namespace owns, those of interfaces only in their own. Not thread-safe.
class UeventSocket {
 public:
  // Null: the calling thread's namespace.
  static absl::StatusOr<UeventSocket> Open(const std::shared_ptr<NetNamespace>& ns);

  // Hands out what has arrived, without waiting; only what the kernel itself has sent. DataLoss if the kernel
  // had to drop messages; those that it did not drop have been handed out then or will be the next time.
  absl::Status ReceivePending(absl::FunctionRef<void(const Uevent& event)> receive);

  int fd() const { return fd_.get(); }

 private:
  explicit UeventSocket(UniqueFd fd) : fd_(std::move(fd)), buffer_(kBufferSize) {}
  // The kernel's messages are no longer than 2 KiB of variables and a path.
  static constexpr size_t kBufferSize = 16 * 1024;

  UniqueFd fd_;
  std::vector<char> buffer_;
};

}  // namespace xpu
