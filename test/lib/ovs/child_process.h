#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/unique_fd.h"

namespace xpu::testing {

struct ChildOptions {
  // Program (searched in PATH) and arguments.
  std::vector<std::string> argv;
  // Added to the environment of this process.
  std::map<std::string, std::string> env;
  // Network namespace to run in; -1: this process's own. Not taken over.
  int netns_fd = -1;
  // Where standard output and error go; -1: /dev/null. Not taken over.
  int output_fd = -1;
};

// A process that dies with its owner: when this goes away, and when the thread that started it ends (so that
// a test program killed by a time limit leaves nothing behind). Start it from a thread that lives long
// enough.
class ChildProcess {
 public:
  static absl::StatusOr<ChildProcess> Start(const ChildOptions& options);
  ChildProcess() = default;
  ~ChildProcess() { Kill(); }
  ChildProcess(ChildProcess&& other) noexcept { *this = std::move(other); }
  ChildProcess& operator=(ChildProcess&& other) noexcept;

  bool running() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }
  // Becomes readable when the process has ended.
  int pidfd() const { return pidfd_.get(); }
  // Sends SIGKILL and waits for the end; does nothing if it was waited for before.
  void Kill();
  void Signal(int signal);
  // The exit code, 128 + signal if it was killed; DeadlineExceeded (and it still runs) after `timeout`.
  absl::StatusOr<int> Wait(absl::Duration timeout);

 private:
  pid_t pid_ = -1;
  UniqueFd pidfd_;
};

struct CommandOutput {
  int exit_code = 0;
  // Standard output and error, as they came.
  std::string text;
};

// Runs a command to its end and returns what it said; killed after `timeout` (DeadlineExceeded). `output_fd`
// of the options is not used.
absl::StatusOr<CommandOutput> RunCommand(ChildOptions options, absl::Duration timeout = absl::Seconds(30));

// The same, but an exit code other than 0 is an Internal error that carries the command and what it said.
absl::StatusOr<std::string> CheckedCommand(ChildOptions options, absl::Duration timeout = absl::Seconds(30));

}  // namespace xpu::testing
