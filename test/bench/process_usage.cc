#include "test/bench/process_usage.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/status_macros.h"
#include "common/sys/files.h"

namespace xpu::testing {
namespace {

// The number after "KEY:" in lines of such.
absl::StatusOr<int64_t> Field(const std::string& path, absl::string_view key) {
  XPU_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::ConsumePrefix(&line, key) || !absl::ConsumePrefix(&line, ":")) continue;
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    int64_t value = 0;
    if (!words.empty() && absl::SimpleAtoi(words.front(), &value)) return value;
  }
  return absl::InternalError(absl::StrCat(path, " has no number '", key, "'"));
}

}  // namespace

absl::StatusOr<double> ResidentMiB(pid_t pid) {
  XPU_ASSIGN_OR_RETURN(const int64_t kib, Field(absl::StrCat("/proc/", pid, "/smaps_rollup"), "Rss"));
  return static_cast<double>(kib) / 1024;
}

absl::StatusOr<std::map<pid_t, ThreadUsage>> ThreadsOf(pid_t pid) {
  const std::string folder = absl::StrCat("/proc/", pid, "/task");
  XPU_ASSIGN_OR_RETURN(const std::vector<std::string> ids, ListDirectory(folder));
  std::map<pid_t, ThreadUsage> threads;
  for (const std::string& id : ids) {
    auto name = ReadTrimmed(absl::StrCat(folder, "/", id, "/comm"));
    auto switches = Field(absl::StrCat(folder, "/", id, "/status"), "voluntary_ctxt_switches");
    // It has ended since.
    if (!name.ok() || !switches.ok()) continue;
    pid_t number = 0;
    if (absl::SimpleAtoi(id, &number)) threads[number] = {*name, *switches};
  }
  return threads;
}

std::map<std::string, int64_t> Wakeups(const std::map<pid_t, ThreadUsage>& before,
                                       const std::map<pid_t, ThreadUsage>& after) {
  std::map<std::string, int64_t> wakeups;
  for (const auto& [id, thread] : after) {
    const auto then = before.find(id);
    const int64_t count =
        thread.voluntary_switches - (then == before.end() ? 0 : then->second.voluntary_switches);
    if (count > 0) wakeups[thread.name] += count;
  }
  return wakeups;
}

}  // namespace xpu::testing
