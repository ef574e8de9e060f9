#include "host-agent/service/cni_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/base/unique_fd.h"
#include "host-agent/cni/cni_error.h"
#include "spdlog/spdlog.h"

namespace xpu {
namespace {

constexpr std::array<const char*, 5> kLevelNames = {"panic", "error", "warning", "info", "debug"};

std::string Describe(const char* command, const CniParameters& parameters) {
  std::string text = absl::StrCat("CNI ", command);
  if (!parameters.container_id.empty()) {
    absl::StrAppend(&text, " ", parameters.container_id, " ", parameters.ifname);
  }
  return text;
}

std::string Describe(const CniFailure& failure) {
  return absl::StrCat("error ", static_cast<uint32_t>(failure.code), ": ", failure.msg,
                      failure.details.empty() ? "" : "; ", failure.details);
}

void LogToItsOwn(const CniLog& log, CniLog::Level level, const std::string& text) {
  const absl::Status status = AppendCniLog(log, level, absl::Now(), text);
  if (!status.ok()) spdlog::warn("logFile of a CNI configuration: {}", std::string(status.message()));
}

}  // namespace

void LogCniCall(const char* command, const CniHandler::Request& request,
                const absl::StatusOr<std::string>& result) {
  const std::string call = Describe(command, request.parameters);
  const std::string outcome = result.ok() ? "done" : Describe(ToCniFailure(result.status()));
  if (result.ok()) {
    spdlog::info("{}: {}", call, outcome);
  } else {
    spdlog::warn("{}: {}", call, outcome);
  }
  // Most have none, and then there is nothing to be read a second time.
  if (!absl::StrContains(absl::AsciiStrToLower(request.config), "logfile")) return;
  const CniLog log = ReadCniHints(request.config).log;
  if (log.file.empty()) return;
  const std::string where = request.parameters.netns.empty() ? "" : " in " + request.parameters.netns;
  LogToItsOwn(log, CniLog::Level::kDebug, absl::StrCat(call, where, ": ", absl::CEscape(request.config)));
  if (result.ok()) {
    LogToItsOwn(log, CniLog::Level::kInfo, absl::StrCat(call, where, ": done"));
    if (!result->empty()) LogToItsOwn(log, CniLog::Level::kDebug, absl::StrCat(call, where, ": ", *result));
  } else {
    LogToItsOwn(log, CniLog::Level::kError, absl::StrCat(call, where, ": ", outcome));
  }
}

absl::Status AppendCniLog(const CniLog& log, CniLog::Level level, absl::Time now, const std::string& text) {
  if (log.file.empty() || level > log.level) return absl::OkStatus();
  const auto error = [&](const char* what) {
    return absl::UnavailableError(absl::StrCat("cannot ", what, " ", log.file, ": ", strerror(errno)));
  };
  const UniqueFd fd(
      open(log.file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW, 0600));
  if (!fd) return error("open");
  struct stat info;
  if (fstat(fd.get(), &info) != 0) return error("look at");
  if (!S_ISREG(info.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(log.file, " is no regular file; give another"));
  }
  // One write, so that lines of several calls do not mix.
  const std::string line = absl::StrCat(absl::FormatTime(absl::RFC3339_sec, now, absl::UTCTimeZone()), " [",
                                        kLevelNames[static_cast<size_t>(level)], "] ", text, "\n");
  if (write(fd.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size()))
    return error("write to");
  return absl::OkStatus();
}

}  // namespace xpu
