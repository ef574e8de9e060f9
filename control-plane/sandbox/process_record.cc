#include "control-plane/sandbox/process_record.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "common/sys/files.h"
#include "common/sys/process.h"

namespace xpu {
namespace {

// State and start time from /proc/[pid]/stat. The name in it may hold blanks and brackets, so fields are
// counted from the last bracket.
struct Stat {
  char state = '?';
  uint64_t start_ticks = 0;
};

absl::StatusOr<Stat> ReadStat(pid_t pid) {
  XPU_ASSIGN_OR_RETURN(const std::string text, ReadFile(absl::StrCat("/proc/", pid, "/stat")));
  const size_t bracket = text.rfind(") ");
  std::vector<std::string> fields;
  if (bracket != std::string::npos) fields = absl::StrSplit(text.substr(bracket + 2), ' ');
  Stat stat;
  // fields[0] is field 3 (state), so field 22 is fields[19].
  if (fields.size() < 20 || !absl::SimpleAtoi(fields[19], &stat.start_ticks)) {
    return absl::InternalError(absl::StrCat("/proc/", pid, "/stat has another form than proc(5) says"));
  }
  stat.state = fields[0][0];
  return stat;
}

}  // namespace

absl::StatusOr<ProcessRecord> ProcessRecord::Of(pid_t pid) {
  XPU_ASSIGN_OR_RETURN(const Stat stat, ReadStat(pid));
  return ProcessRecord{pid, stat.start_ticks};
}

absl::StatusOr<ProcessRecord> ProcessRecord::Read(const std::string& path) {
  XPU_ASSIGN_OR_RETURN(const std::string text, ReadTrimmed(path));
  const std::vector<std::string> parts = absl::StrSplit(text, ' ');
  ProcessRecord record;
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &record.pid) || record.pid <= 1 ||
      !absl::SimpleAtoi(parts[1], &record.start_ticks)) {
    return absl::DataLossError(absl::StrCat(path, " is no record of a process"));
  }
  return record;
}

absl::Status ProcessRecord::Write(const std::string& path) const {
  return WriteFileAtomic(path, absl::StrCat(pid, " ", start_ticks, "\n"));
}

bool ProcessRecord::Alive() const {
  const auto stat = ReadStat(pid);
  return stat.ok() && stat->start_ticks == start_ticks && stat->state != 'Z' && stat->state != 'X';
}

absl::StatusOr<UniqueFd> ProcessRecord::Open() const {
  UniqueFd fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  // Compared after the descriptor is held: from here on the pid cannot become another process's.
  if (!fd || !Alive()) return absl::NotFoundError(absl::StrCat("process ", pid, " has ended"));
  return fd;
}

absl::Status ProcessRecord::End(int signal, absl::Duration grace) const {
  const auto fd = Open();
  if (!fd.ok()) return absl::OkStatus();
  for (const int sent : {signal, SIGKILL}) {
    if (syscall(SYS_pidfd_send_signal, fd->get(), sent, nullptr, 0) != 0 && errno != ESRCH) {
      return absl::ErrnoToStatus(errno, absl::StrCat("cannot end process ", pid));
    }
    const absl::Status ended = WaitForEnd(fd->get(), absl::Now() + grace);
    if (ended.ok()) return ended;
  }
  return absl::DeadlineExceededError(absl::StrCat("process ", pid, " has not ended after SIGKILL"));
}

std::vector<ProcessRecord> ProcessesInNamespaces(const std::vector<uint64_t>& inodes) {
  std::vector<ProcessRecord> found;
  const auto entries = ListDirectory("/proc");
  if (!entries.ok()) return found;
  for (const std::string& entry : *entries) {
    pid_t pid = 0;
    struct stat info;
    if (!absl::SimpleAtoi(entry, &pid) || pid == getpid()) continue;
    if (stat(absl::StrCat("/proc/", pid, "/ns/net").c_str(), &info) != 0) continue;
    if (std::find(inodes.begin(), inodes.end(), info.st_ino) == inodes.end()) continue;
    if (const auto record = ProcessRecord::Of(pid); record.ok()) found.push_back(*record);
  }
  return found;
}

}  // namespace xpu
