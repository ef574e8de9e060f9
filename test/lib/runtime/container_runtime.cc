#include "test/lib/runtime/container_runtime.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "common/base/unique_fd.h"
#include "common/sys/in_namespace.h"

namespace xpu::testing {
namespace {

struct Pipe {
  UniqueFd read, write;
};

absl::StatusOr<Pipe> MakePipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "cannot make a pipe");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// A file in memory, so that the plugin's standard input needs no feeding.
absl::StatusOr<UniqueFd> InMemory(const std::string& contents) {
  UniqueFd fd(memfd_create("cni-config", MFD_CLOEXEC));
  if (!fd || write(fd.get(), contents.data(), contents.size()) != static_cast<ssize_t>(contents.size()) ||
      lseek(fd.get(), 0, SEEK_SET) != 0) {
    return absl::ErrnoToStatus(errno, "cannot hold the configuration in memory");
  }
  return fd;
}

// Reads both ends until the plugin has closed them. False if the deadline came first.
bool ReadAll(int out, int err, absl::Time deadline, CniOutcome& outcome) {
  std::array<pollfd, 2> fds = {pollfd{out, POLLIN, 0}, pollfd{err, POLLIN, 0}};
  std::array<std::string*, 2> texts = {&outcome.output, &outcome.error_output};
  while (fds[0].fd >= 0 || fds[1].fd >= 0) {
    const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
    const int ready = poll(fds.data(), fds.size(), static_cast<int>(std::max<int64_t>(left, 0)));
    if (ready == 0) return false;
    for (size_t i = 0; ready > 0 && i < fds.size(); ++i) {
      if (fds[i].fd < 0 || fds[i].revents == 0) continue;
      char buffer[4096];
      const ssize_t got = read(fds[i].fd, buffer, sizeof buffer);
      if (got > 0) {
        texts[i]->append(buffer, got);
      } else if (got == 0 || errno != EINTR) {
        fds[i].fd = -1;
      }
    }
  }
  return true;
}

}  // namespace

absl::StatusOr<CniOutcome> ContainerRuntime::Run(const CniCall& call) const {
  std::vector<std::string> environment;
  const auto set = [&](absl::string_view name, const std::string& value) {
    if (!value.empty()) environment.push_back(absl::StrCat(name, "=", value));
  };
  set("CNI_COMMAND", call.command);
  set("CNI_CONTAINERID", call.container_id);
  set("CNI_NETNS", call.netns);
  set("CNI_IFNAME", call.ifname);
  set("CNI_ARGS", call.args);
  set("CNI_PATH", options_.cni_path);
  set("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
  for (const auto& [name, value] : options_.environment) set(name, value);
  std::vector<char*> envp, argv = {const_cast<char*>(options_.plugin.c_str()), nullptr};
  for (std::string& entry : environment) envp.push_back(entry.data());
  envp.push_back(nullptr);

  XPU_ASSIGN_OR_RETURN(UniqueFd input, InMemory(call.config));
  XPU_ASSIGN_OR_RETURN(Pipe out, MakePipe());
  XPU_ASSIGN_OR_RETURN(Pipe err, MakePipe());
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input.get(), 0);
  posix_spawn_file_actions_adddup2(&actions, out.write.get(), 1);
  posix_spawn_file_actions_adddup2(&actions, err.write.get(), 2);

  CniOutcome outcome;
  pid_t pid = -1;
  const absl::Status spawned = InNamespace(options_.net_namespace, [&]() -> absl::Status {
    outcome.begun = absl::Now();
    const int error = posix_spawn(&pid, options_.plugin.c_str(), &actions, nullptr, argv.data(), envp.data());
    return error == 0 ? absl::OkStatus()
                      : absl::ErrnoToStatus(error, absl::StrCat("cannot run ", options_.plugin));
  });
  posix_spawn_file_actions_destroy(&actions);
  XPU_RETURN_IF_ERROR(spawned);
  out.write.Reset();
  err.write.Reset();

  const bool finished = ReadAll(out.read.get(), err.read.get(), outcome.begun + options_.deadline, outcome);
  if (!finished) kill(pid, SIGKILL);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  outcome.elapsed = absl::Now() - outcome.begun;
  if (!finished) {
    return absl::DeadlineExceededError(absl::StrCat(options_.plugin, " ", call.command, " took longer than ",
                                                    absl::FormatDuration(options_.deadline)));
  }
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

}  // namespace xpu::testing
