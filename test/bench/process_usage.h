#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"

namespace xpu::testing {

// What a process costs the machine, from /proc/PID. NotFound if there is none.

// Resident memory in MiB, shared libraries included (smaps_rollup, "Rss").
absl::StatusOr<double> ResidentMiB(pid_t pid);

struct ThreadUsage {
  // As the kernel calls the thread.
  std::string name;
  // How often it has gone to sleep of its own accord, which is how often it has been woken.
  int64_t voluntary_switches = 0;
};
// By thread.
absl::StatusOr<std::map<pid_t, ThreadUsage>> ThreadsOf(pid_t pid);

// How often each thread, by name, has been woken from `before` to `after`. Threads that are in one of them
// alone have come or gone meanwhile and count with all they have done.
std::map<std::string, int64_t> Wakeups(const std::map<pid_t, ThreadUsage>& before,
                                       const std::map<pid_t, ThreadUsage>& after);

}  // namespace xpu::testing
