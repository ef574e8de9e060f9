#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/unique_fd.h"
#include "common/sys/net_namespaces.h"

namespace xpu {

// How a process ended.
struct ExitStatus {
  // Exit code; -1 if a signal ended it.
  int code = -1;
  // The signal, or 0.
  int signal = 0;
  bool ok() const { return code == 0; }
  // "exit code 1", "signal 9 (Killed)".
  std::string ToString() const;
};

struct SpawnOptions {
  // The program and its arguments; a program without a slash is looked for in PATH.
  std::vector<std::string> argv;
  // Set in addition to this process's environment.
  std::vector<std::pair<std::string, std::string>> environment;
  // Where it runs; null: where the caller is.
  std::shared_ptr<NetNamespace> net_namespace;
  // Standard output and error are appended to it; empty: they stay the caller's.
  std::string log_file;
  // Standard output is appended to this one instead.
  std::string output_file;
  // What it reads on standard input; empty: that is /dev/null.
  std::string input;
  // Standard output and error are these descriptors instead, which stay the caller's; -1: as above.
  int output_fd = -1;
  int errors_fd = -1;
  // In a session of its own, so that a Ctrl-C at the terminal does not reach it.
  bool new_session = true;
};

// A child process. Not thread-safe, but Signal() and the pidfd may be used from
// any thread. When it goes away the process is killed (SIGKILL) and waited for, unless it was released.
class Process {
 public:
  // NotFound if there is no such program; PermissionDenied if it may not be run. The process runs the program
  // when this returns.
  static absl::StatusOr<Process> Spawn(const SpawnOptions& options);
  ~Process();
  Process(Process&&) noexcept;
  Process& operator=(Process&&) noexcept;

  pid_t pid() const { return pid_; }
  // Readable once the process has ended (pidfd_open(2)).
  int pidfd() const { return pidfd_.get(); }

  // OK if it has ended already.
  absl::Status Signal(int signal);
  // Waits until it ends. DeadlineExceeded if it has not by then; it may be waited for again.
  absl::StatusOr<ExitStatus> Wait(absl::Time deadline = absl::InfiniteFuture());
  // Ends it kindly: SIGTERM, and SIGKILL after `grace`.
  absl::StatusOr<ExitStatus> Stop(absl::Duration grace);
  // Lets it live on after this object; gives its pid.
  pid_t Release();

 private:
  Process(pid_t pid, UniqueFd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
  void KillAndReap();

  pid_t pid_ = -1;
  UniqueFd pidfd_;
  std::optional<ExitStatus> ended_;
};

// Runs a program to its end and gives what it wrote to standard output. Internal, with its standard error, if
// it fails; DeadlineExceeded, after a SIGKILL, if it takes longer.
absl::StatusOr<std::string> RunProgram(const SpawnOptions& options, absl::Time deadline);

// What a program has left at its end.
struct ProgramEnd {
  ExitStatus status;
  std::string output;
  std::string errors;
};

// Runs a program to its end, whatever that is, in a session of its own. DeadlineExceeded if it takes longer,
// ResourceExhausted if it writes more than `max_output` bytes to standard output or error: then all processes
// of its group have been killed. Errors of Process::Spawn.
absl::StatusOr<ProgramEnd> RunToEnd(const SpawnOptions& options, absl::Time deadline, size_t max_output);

// Waits until a process that need not be a child has ended. OK if it has, or was never there;
// DeadlineExceeded.
absl::Status WaitForEnd(int pidfd, absl::Time deadline);

// The socket on which a process that is started tells that it serves (sd_notify(3)). One socket for each
// process.
class ReadinessSocket {
 public:
  // Makes a socket at `path` (a path, as abstract names do not cross network namespaces). It goes with this.
  static absl::StatusOr<ReadinessSocket> Make(const std::string& path);
  ~ReadinessSocket();
  ReadinessSocket(ReadinessSocket&&) noexcept;
  ReadinessSocket& operator=(ReadinessSocket&&) = delete;

  // For SpawnOptions::environment.
  std::pair<std::string, std::string> environment() const { return {"NOTIFY_SOCKET", path_}; }
  // Waits for READY=1. Aborted, with how it ended, if `process` ends first; DeadlineExceeded.
  absl::Status Wait(Process& process, absl::Time deadline);

 private:
  ReadinessSocket(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  std::string path_;
  UniqueFd fd_;
};

}  // namespace xpu
