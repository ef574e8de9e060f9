#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/unique_fd.h"

namespace xpu {

// A process that was started and then left to itself: its pid, and when it started, so that another process
// that got the same pid later is never taken for it.
struct ProcessRecord {
  pid_t pid = 0;
  // Clock ticks after boot (proc(5), /proc/[pid]/stat, field 22).
  uint64_t start_ticks = 0;

  // Of a process that runs. NotFound if it does not.
  static absl::StatusOr<ProcessRecord> Of(pid_t pid);
  // From and to a small file.
  static absl::StatusOr<ProcessRecord> Read(const std::string& path);
  absl::Status Write(const std::string& path) const;

  bool Alive() const;
  // A descriptor of the very process (pidfd_open(2)); NotFound if it has ended.
  absl::StatusOr<UniqueFd> Open() const;
  // Sends `signal` and waits until the process has ended, after `grace` with SIGKILL. OK if it has already.
  absl::Status End(int signal, absl::Duration grace) const;
};

// All processes, this one left out, whose network namespace is one of `inodes`.
std::vector<ProcessRecord> ProcessesInNamespaces(const std::vector<uint64_t>& inodes);

}  // namespace xpu
