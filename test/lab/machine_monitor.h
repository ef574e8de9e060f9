#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/unique_fd.h"

namespace xpu::testing {

// The hands of whoever stands before the virtual machine: pulls cards and cables. Speaks QMP to QEMU through
// a serial port of the machine (machine.sh). For one thread; only one may be open at a time.
class MachineMonitor {
 public:
  // NotFound outside the machine.
  static absl::StatusOr<MachineMonitor> Open();

  // Asks for the card to be pulled, as one presses the slot's button; the kernel lets go of it and then it
  // vanishes. Returns when it is gone.
  absl::Status Unplug(const std::string& id);
  // Puts a card with seven virtual functions into a slot of the machine.
  absl::Status Plug(const std::string& id, const std::string& slot, const std::string& wire,
                    const std::string& mac);
  // The cable of a card.
  absl::Status SetCable(const std::string& id, bool plugged);

 private:
  explicit MachineMonitor(UniqueFd fd) : fd_(std::move(fd)) {}
  // One command; its answer was no error. `arguments` is a JSON object.
  absl::Status Execute(const std::string& command, const std::string& arguments);
  // The next message; DeadlineExceeded if none comes.
  absl::StatusOr<std::string> ReadLine();

  UniqueFd fd_;
  std::string buffer_;
};

}  // namespace xpu::testing
