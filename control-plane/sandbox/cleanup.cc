#include "control-plane/sandbox/cleanup.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"
#include "common/sys/files.h"
#include "common/sys/net_namespaces_real.h"
#include "control-plane/sandbox/layout.h"
#include "control-plane/sandbox/process_record.h"

namespace xpu {
namespace {

constexpr absl::Duration kGrace = absl::Seconds(5);

absl::Status EndProcessesIn(const std::vector<std::string>& namespace_paths) {
  std::vector<uint64_t> inodes;
  for (const std::string& path : namespace_paths) {
    struct stat info;
    if (stat(path.c_str(), &info) == 0) inodes.push_back(info.st_ino);
  }
  absl::Status first;
  for (const ProcessRecord& record : ProcessesInNamespaces(inodes)) first.Update(record.End(SIGKILL, kGrace));
  return first;
}

// Paths of all mounts below `dir`, the innermost first (proc(5), mountinfo, field 5).
std::vector<std::string> MountsBelow(const std::string& dir) {
  std::vector<std::string> mounts;
  const auto text = ReadFile("/proc/self/mountinfo");
  if (!text.ok()) return mounts;
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, ' ');
    if (fields.size() > 4 && absl::StartsWith(fields[4], dir + "/")) mounts.emplace_back(fields[4]);
  }
  std::reverse(mounts.begin(), mounts.end());
  return mounts;
}

}  // namespace

absl::Status ClearNamespace(const std::string& path) {
  XPU_RETURN_IF_ERROR(EndProcessesIn({path}));
  return RemoveBoundNamespace(path);
}

absl::Status ClearSandbox(const std::string& dir) {
  const SandboxLayout layout(dir);
  absl::Status first;

  // The agents first and kindly, the last one started first: what they hold open they close themselves.
  if (const auto records = ListDirectory(layout.record_dir()); records.ok()) {
    for (const std::string& name : *records) {
      if (const auto record = ProcessRecord::Read(layout.record(name)); record.ok()) {
        first.Update(record->End(SIGTERM, kGrace));
      }
    }
  }
  // Whatever else runs there: pods, processes of an "up" that was killed before it could write a record.
  if (const auto names = ListDirectory(layout.netns_dir()); names.ok()) {
    std::vector<std::string> paths;
    for (const std::string& name : *names) paths.push_back(layout.netns(name));
    first.Update(EndProcessesIn(paths));
  }
  for (const std::string& path : MountsBelow(dir)) {
    if (umount2(path.c_str(), MNT_DETACH) != 0 && errno != EINVAL && errno != ENOENT) {
      first.Update(absl::ErrnoToStatus(errno, absl::StrCat("cannot unmount ", path)));
    }
  }
  first.Update(RemoveTree(dir));
  return first;
}

}  // namespace xpu
