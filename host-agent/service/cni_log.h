#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "host-agent/cni/cni_config.h"
#include "host-agent/service/cni_handler.h"

namespace xpu {

// Tells of a call and its outcome in the agent's own log, and in the file that its configuration names
// ("logFile", "logLevel"), if it does. A file that cannot be written to is no error of the call's.
//
// `command` is CNI_COMMAND. Any thread.
void LogCniCall(const char* command, const CniHandler::Request& request,
                const absl::StatusOr<std::string>& result);

// Appends one line to `log`'s file, if `level` is one that it takes: "2026-11-21T12:00:00Z [info] text". The
// file is made if it is not there (mode 0600). Only regular files are written to: nobody can make the agent
// wait with a FIFO.
absl::Status AppendCniLog(const CniLog& log, CniLog::Level level, absl::Time now, const std::string& text);

}  // namespace xpu
