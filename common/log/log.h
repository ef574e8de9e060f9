#pragma once

#include <string>

#include "absl/status/status.h"
#include "spdlog/spdlog.h"

namespace xpu {

// Sets up spdlog's default logger for a process: standard error, one line for each message,
// "2026-01-02T03:04:05.678Z level program: message". Log with spdlog::info(...) and so on.
//   level: "debug", "info", "warn" or "error"; InvalidArgument for anything else.
absl::Status InitLogging(const std::string& program, const std::string& level);

}  // namespace xpu
