#include "common/sys/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"
#include "common/sys/files.h"
#include "common/sys/poll_until.h"

namespace xpu {
namespace {

int PidfdOpen(pid_t pid) { return static_cast<int>(syscall(SYS_pidfd_open, pid, 0)); }

absl::StatusOr<std::string> FindProgram(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* path = std::getenv("PATH");
  for (absl::string_view folder :
       absl::StrSplit(path != nullptr ? path : "/usr/sbin:/usr/bin:/sbin:/bin", ':')) {
    const std::string candidate = absl::StrCat(folder, "/", name);
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return absl::NotFoundError(absl::StrCat("there is no program ", name, " in PATH"));
}

// No descriptor for an empty path.
absl::StatusOr<UniqueFd> OpenLog(const std::string& path) {
  if (path.empty()) return UniqueFd();
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
  if (!fd) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  return fd;
}

// What a program is to read. A file in memory, so that nobody has to write while it reads.
absl::StatusOr<UniqueFd> OpenInput(const std::string& input) {
  if (input.empty()) {
    UniqueFd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!null) return absl::ErrnoToStatus(errno, "cannot open /dev/null");
    return null;
  }
  UniqueFd fd(memfd_create("xpu-input", MFD_CLOEXEC));
  if (!fd) return absl::ErrnoToStatus(errno, "memfd_create");
  for (absl::string_view rest = input; !rest.empty();) {
    const ssize_t written = write(fd.get(), rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return absl::ErrnoToStatus(errno, "cannot hand a program its input");
    rest.remove_prefix(static_cast<size_t>(written));
  }
  if (lseek(fd.get(), 0, SEEK_SET) != 0) return absl::ErrnoToStatus(errno, "lseek");
  return fd;
}

// The reading end of a program's output.
class OutputPipe {
 public:
  static absl::StatusOr<OutputPipe> Make() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe");
    OutputPipe made(ends[0], ends[1]);
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) return absl::ErrnoToStatus(errno, "fcntl");
    return made;
  }
  int write_end() const { return write_end_.get(); }
  // Once the program has its own.
  void CloseWriteEnd() { write_end_.Reset(); }
  // -1 when there is no more to come.
  int read_end() const { return read_end_.get(); }
  std::string TakeText() { return std::move(text_); }

  // Reads what is there; ResourceExhausted if that makes it more than `max` bytes.
  absl::Status Drain(size_t max) {
    char buffer[16384];
    while (read_end_) {
      const ssize_t got = read(read_end_.get(), buffer, sizeof buffer);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EAGAIN) return absl::OkStatus();
      if (got < 0) return absl::ErrnoToStatus(errno, "cannot read what a program writes");
      if (got == 0) {
        read_end_.Reset();
        return absl::OkStatus();
      }
      text_.append(buffer, static_cast<size_t>(got));
      if (text_.size() > max) {
        return absl::ResourceExhaustedError(absl::StrCat("it wrote more than ", max, " bytes"));
      }
    }
    return absl::OkStatus();
  }

 private:
  OutputPipe(int read_end, int write_end) : read_end_(read_end), write_end_(write_end) {}
  UniqueFd read_end_;
  UniqueFd write_end_;
  std::string text_;
};

// What the child needs, all made before the fork: after it only async-signal-safe calls are allowed.
struct Prepared {
  std::string program;
  std::vector<std::string> environment;
  std::vector<char*> argv;
  std::vector<char*> envp;
  UniqueFd input;
  UniqueFd output;  // none: the caller's
  UniqueFd errors;
  // The same, or the caller's; -1: the child keeps what it inherits.
  int output_fd = -1;
  int errors_fd = -1;
  int net_namespace = -1;
  bool new_session = false;
};

absl::Status Prepare(const SpawnOptions& options, Prepared& prepared) {
  if (options.argv.empty()) return absl::InvalidArgumentError("no program to start");
  XPU_ASSIGN_OR_RETURN(prepared.program, FindProgram(options.argv[0]));
  std::map<std::string, std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::pair<std::string, std::string> pair = absl::StrSplit(*entry, absl::MaxSplits('=', 1));
    environment[pair.first] = pair.second;
  }
  // A child that is not told where must not report to whoever waits for this process.
  environment.erase("NOTIFY_SOCKET");
  for (const auto& [name, value] : options.environment) environment[name] = value;
  for (const auto& [name, value] : environment)
    prepared.environment.push_back(absl::StrCat(name, "=", value));
  for (std::string& entry : prepared.environment) prepared.envp.push_back(entry.data());
  prepared.envp.push_back(nullptr);
  for (const std::string& argument : options.argv)
    prepared.argv.push_back(const_cast<char*>(argument.c_str()));
  prepared.argv.push_back(nullptr);
  XPU_ASSIGN_OR_RETURN(prepared.input, OpenInput(options.input));
  XPU_ASSIGN_OR_RETURN(prepared.errors, OpenLog(options.log_file));
  XPU_ASSIGN_OR_RETURN(prepared.output,
                       OpenLog(options.output_file.empty() ? options.log_file : options.output_file));
  prepared.output_fd = options.output_fd >= 0 ? options.output_fd : prepared.output.get();
  prepared.errors_fd = options.errors_fd >= 0 ? options.errors_fd : prepared.errors.get();
  if (options.net_namespace != nullptr) prepared.net_namespace = options.net_namespace->fd();
  prepared.new_session = options.new_session;
  return absl::OkStatus();
}

// In the child: becomes the program, or writes the errno to `report`.
[[noreturn]] void BecomeProgram(const Prepared& prepared, int report) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  bool ok = !prepared.new_session || setsid() >= 0;
  ok = ok && (prepared.net_namespace < 0 || setns(prepared.net_namespace, CLONE_NEWNET) == 0);
  ok = ok && dup2(prepared.input.get(), STDIN_FILENO) >= 0;
  ok = ok && (prepared.output_fd < 0 || dup2(prepared.output_fd, STDOUT_FILENO) >= 0);
  ok = ok && (prepared.errors_fd < 0 || dup2(prepared.errors_fd, STDERR_FILENO) >= 0);
  if (ok) execve(prepared.program.c_str(), prepared.argv.data(), prepared.envp.data());
  const int error = errno;
  const ssize_t ignored = write(report, &error, sizeof(error));
  _exit(ignored == sizeof(error) ? 127 : 126);
}

ExitStatus FromWait(const siginfo_t& info) {
  ExitStatus status;
  if (info.si_code == CLD_EXITED) {
    status.code = info.si_status;
  } else {
    status.signal = info.si_status;
  }
  return status;
}

}  // namespace

std::string ExitStatus::ToString() const {
  if (signal != 0) return absl::StrCat("signal ", signal, " (", strsignal(signal), ")");
  return absl::StrCat("exit code ", code);
}

absl::StatusOr<Process> Process::Spawn(const SpawnOptions& options) {
  Prepared prepared;
  XPU_RETURN_IF_ERROR(Prepare(options, prepared));
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe");
  UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  const pid_t pid = fork();
  if (pid < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot start ", prepared.program));
  if (pid == 0) BecomeProgram(prepared, write_end.get());
  write_end.Reset();
  Process process(pid, UniqueFd(PidfdOpen(pid)));
  if (!process.pidfd_) return absl::ErrnoToStatus(errno, "pidfd_open");
  // The pipe closes without a word when execve succeeds.
  int error = 0;
  ssize_t got;
  do {
    got = read(read_end.get(), &error, sizeof(error));
  } while (got < 0 && errno == EINTR);
  if (got == sizeof(error)) {
    process.Wait().IgnoreError();
    return absl::ErrnoToStatus(error, absl::StrCat("cannot start ", prepared.program));
  }
  return process;
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), pidfd_(std::move(other.pidfd_)), ended_(other.ended_) {}

Process& Process::operator=(Process&& other) noexcept {
  if (this == &other) return *this;
  KillAndReap();
  pid_ = std::exchange(other.pid_, -1);
  pidfd_ = std::move(other.pidfd_);
  ended_ = other.ended_;
  return *this;
}

Process::~Process() { KillAndReap(); }

void Process::KillAndReap() {
  if (pid_ <= 0 || ended_) return;
  kill(pid_, SIGKILL);
  siginfo_t info{};
  while (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED) != 0 && errno == EINTR) {
  }
}

absl::Status Process::Signal(int signal) {
  if (syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0) == 0 || errno == ESRCH) {
    return absl::OkStatus();
  }
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot send signal ", signal, " to process ", pid_));
}

absl::StatusOr<ExitStatus> Process::Wait(absl::Time deadline) {
  if (ended_) return *ended_;
  XPU_RETURN_IF_ERROR(Annotate(WaitForEnd(pidfd_.get(), deadline), absl::StrCat("process ", pid_)));
  siginfo_t info{};
  while (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED) != 0) {
    if (errno != EINTR) return absl::ErrnoToStatus(errno, absl::StrCat("cannot wait for process ", pid_));
  }
  ended_ = FromWait(info);
  return *ended_;
}

absl::StatusOr<ExitStatus> Process::Stop(absl::Duration grace) {
  XPU_RETURN_IF_ERROR(Signal(SIGTERM));
  auto ended = Wait(absl::Now() + grace);
  if (!absl::IsDeadlineExceeded(ended.status())) return ended;
  XPU_RETURN_IF_ERROR(Signal(SIGKILL));
  return Wait();
}

pid_t Process::Release() { return std::exchange(pid_, -1); }

absl::Status WaitForEnd(int pidfd, absl::Time deadline) {
  pollfd ended{pidfd, POLLIN, 0};
  return PollUntil(&ended, 1, deadline, "the end of a process");
}

absl::StatusOr<std::string> RunProgram(const SpawnOptions& options, absl::Time deadline) {
  XPU_ASSIGN_OR_RETURN(const TemporaryDirectory folder, TemporaryDirectory::Make());
  SpawnOptions with_files = options;
  with_files.output_file = folder.path() + "/out";
  with_files.log_file = folder.path() + "/err";
  XPU_ASSIGN_OR_RETURN(Process process, Process::Spawn(with_files));
  auto ended = process.Wait(deadline);
  if (!ended.ok()) return Annotate(ended.status(), options.argv[0]);
  if (!ended->ok()) {
    return absl::InternalError(absl::StrCat(options.argv[0], ": ", ended->ToString(), ": ",
                                            ReadTrimmed(with_files.log_file).value_or("")));
  }
  return ReadFile(with_files.output_file);
}

absl::StatusOr<ProgramEnd> RunToEnd(const SpawnOptions& options, absl::Time deadline, size_t max_output) {
  XPU_ASSIGN_OR_RETURN(OutputPipe output, OutputPipe::Make());
  XPU_ASSIGN_OR_RETURN(OutputPipe errors, OutputPipe::Make());
  SpawnOptions with_pipes = options;
  with_pipes.new_session = true;
  with_pipes.output_fd = output.write_end();
  with_pipes.errors_fd = errors.write_end();
  XPU_ASSIGN_OR_RETURN(Process process, Process::Spawn(with_pipes));
  output.CloseWriteEnd();
  errors.CloseWriteEnd();

  const auto drain = [&] {
    absl::Status status = output.Drain(max_output);
    status.Update(errors.Drain(max_output));
    return status;
  };
  absl::Status status;
  bool ended = false;
  while (status.ok() && !ended) {
    // Not until the pipes close: what it has started in the background may hold them for ever.
    pollfd events[] = {
        {process.pidfd(), POLLIN, 0}, {output.read_end(), POLLIN, 0}, {errors.read_end(), POLLIN, 0}};
    status = PollUntil(events, 3, deadline, "the end of a program");
    ended = status.ok() && events[0].revents != 0;
    if (status.ok()) status = drain();
  }
  if (!status.ok()) {
    kill(-process.pid(), SIGKILL);
    return Annotate(status, options.argv[0]);
  }
  XPU_ASSIGN_OR_RETURN(const ExitStatus exit, process.Wait(deadline));
  return ProgramEnd{.status = exit, .output = output.TakeText(), .errors = errors.TakeText()};
}

}  // namespace xpu
