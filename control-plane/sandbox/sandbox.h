#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "control-plane/sandbox/layout.h"
#include "control-plane/sandbox/processes.h"

namespace xpu {

// A machine with emulated cards and everything of the project running on it, for people and tests: a
// namespace for the host, one for each card's DPU, a veth pair for each VF and its representor, a sysfs that
// looks like the card's, an Open vSwitch for each card, and all agents. The machine's own network, Open
// vSwitch and kubelet are left alone. It needs root and lives on when the process that made it ends; its
// folder is all there is to know about it. Not thread-safe.
class Sandbox {
 public:
  // Told before and after each step that takes its time: what, and, once it is done, how long it took.
  struct Progress {
    std::function<void(const std::string& step)> begin = [](const std::string&) {};
    std::function<void(absl::Duration took)> done = [](absl::Duration) {};
  };

  struct ProcessState {
    std::string name;
    pid_t pid = 0;  // 0 if it was never started
    bool alive = false;
    std::string log;
    std::vector<std::string> sockets;
  };

  // Makes and starts all of it and returns when everything serves. What was begun is taken down again if a
  // step fails; the error carries the end of the log of what failed. AlreadyExists if there is one in that
  // folder.
  static absl::StatusOr<Sandbox> Up(SandboxOptions options, const Progress& progress);
  static absl::StatusOr<Sandbox> Up(SandboxOptions options) { return Up(std::move(options), Progress()); }
  // One that was made before. NotFound if there is none.
  static absl::StatusOr<Sandbox> Open(const std::string& dir);
  // Ends every process in its namespaces and removes all of it, whatever state it is in; OK if there is
  // nothing.
  static absl::Status Down(const std::string& dir);

  const SandboxOptions& options() const { return options_; }
  const SandboxLayout& layout() const { return layout_; }

  std::vector<ProcessState> Status() const;
  // Starts a process that is not running and waits until it serves. NotFound if there is none of that name,
  // FailedPrecondition if it runs.
  absl::Status Start(const std::string& process);
  // Sends `signal` and waits until it has ended. OK if it has already.
  absl::Status Kill(const std::string& process, int signal);

  // A namespace for a pod; its path is layout().netns(name).
  absl::Status AddPodNamespace(const std::string& name);
  // Takes it away, with the processes in it. OK if it is not there.
  absl::Status RemovePodNamespace(const std::string& name);

 private:
  explicit Sandbox(SandboxOptions options)
      : options_(std::move(options)), layout_(options_.dir), processes_(SandboxProcesses(options_)) {}
  absl::Status Build(const Progress& progress);
  absl::Status MakeFolders() const;
  absl::StatusOr<const ProcessSpec*> Find(const std::string& process) const;

  SandboxOptions options_;
  SandboxLayout layout_;
  std::vector<ProcessSpec> processes_;
};

}  // namespace xpu
