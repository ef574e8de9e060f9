#include "test/lib/ovs/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"

namespace xpu::testing {
namespace {

std::vector<std::string> Environment(const std::map<std::string, std::string>& added) {
  std::vector<std::string> env;
  for (const auto& [key, value] : added) env.push_back(key + "=" + value);
  for (char** entry = environ; *entry != nullptr; ++entry) {
    std::string text = *entry;
    if (!added.contains(text.substr(0, text.find('=')))) env.push_back(std::move(text));
  }
  return env;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& s : strings) pointers.push_back(s.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Runs in the child: only what is safe after fork() in a program with threads.
[[noreturn]] void Exec(const ChildOptions& options, char** argv, char** env, pid_t parent) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(126);
  if (options.netns_fd >= 0 && setns(options.netns_fd, CLONE_NEWNET) != 0) _exit(125);
  const int null = open("/dev/null", O_RDWR);
  const int output = options.output_fd >= 0 ? options.output_fd : null;
  if (dup2(null, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0) _exit(124);
  syscall(SYS_close_range, 3u, ~0u, 0u);
  execvpe(argv[0], argv, env);
  static const char kMessage[] = "cannot be run: is it installed?\n";
  (void)!write(2, kMessage, sizeof(kMessage) - 1);
  _exit(127);
}

}  // namespace

absl::StatusOr<ChildProcess> ChildProcess::Start(const ChildOptions& options) {
  std::vector<std::string> argv_strings = options.argv;
  std::vector<std::string> env_strings = Environment(options.env);
  const std::vector<char*> argv = Pointers(argv_strings);
  const std::vector<char*> env = Pointers(env_strings);
  const pid_t parent = getpid();
  ChildProcess child;
  child.pid_ = fork();
  if (child.pid_ < 0) return absl::ErrnoToStatus(errno, "fork");
  if (child.pid_ == 0) {
    Exec(options, const_cast<char**>(argv.data()), const_cast<char**>(env.data()), parent);
  }
  child.pidfd_.Reset(static_cast<int>(syscall(SYS_pidfd_open, child.pid_, 0)));
  if (!child.pidfd_) return absl::ErrnoToStatus(errno, "pidfd_open");
  return child;
}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this == &other) return *this;
  Kill();
  pid_ = std::exchange(other.pid_, -1);
  pidfd_ = std::move(other.pidfd_);
  return *this;
}

void ChildProcess::Signal(int signal) {
  if (pid_ > 0) kill(pid_, signal);
}

void ChildProcess::Kill() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  pidfd_.Reset();
}

absl::StatusOr<int> ChildProcess::Wait(absl::Duration timeout) {
  if (pid_ <= 0) return absl::FailedPreconditionError("the process was waited for before");
  pollfd ended{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
  const int ready = poll(&ended, 1, static_cast<int>(absl::ToInt64Milliseconds(timeout)));
  if (ready == 0) return absl::DeadlineExceededError(absl::StrCat("process ", pid_, " still runs"));
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  pidfd_.Reset();
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

absl::StatusOr<CommandOutput> RunCommand(ChildOptions options, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe");
  UniqueFd read_end(pipe_fds[0]), write_end(pipe_fds[1]);
  options.output_fd = write_end.get();
  XPU_ASSIGN_OR_RETURN(ChildProcess child, ChildProcess::Start(options));
  write_end.Reset();
  CommandOutput output;
  for (;;) {
    pollfd readable{.fd = read_end.get(), .events = POLLIN, .revents = 0};
    const auto left = absl::ToInt64Milliseconds(deadline - absl::Now());
    if (left <= 0 || poll(&readable, 1, static_cast<int>(left)) == 0) {
      return absl::DeadlineExceededError(absl::StrCat("'", absl::StrJoin(options.argv, " "),
                                                      "' did not end in ", absl::FormatDuration(timeout),
                                                      "; it said: ", output.text));
    }
    char buffer[65536];
    const ssize_t n = read(read_end.get(), buffer, sizeof(buffer));
    if (n > 0) output.text.append(buffer, static_cast<size_t>(n));
    if (n == 0) break;
    if (n < 0 && errno != EINTR) return absl::ErrnoToStatus(errno, "read");
  }
  XPU_ASSIGN_OR_RETURN(output.exit_code, child.Wait(deadline - absl::Now()));
  return output;
}

absl::StatusOr<std::string> CheckedCommand(ChildOptions options, absl::Duration timeout) {
  XPU_ASSIGN_OR_RETURN(CommandOutput output, RunCommand(options, timeout));
  if (output.exit_code != 0) {
    return absl::InternalError(absl::StrCat("'", absl::StrJoin(options.argv, " "), "' ended with ",
                                            output.exit_code, ": ", output.text));
  }
  return std::move(output.text);
}

}  // namespace xpu::testing
