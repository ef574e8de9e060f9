#include "common/log/log.h"

#include "absl/strings/str_cat.h"
#include "spdlog/sinks/stdout_sinks.h"

namespace xpu {

absl::Status InitLogging(const std::string& program, const std::string& level) {
  const auto parsed = spdlog::level::from_str(level);
  // from_str answers "off" for what it does not know.
  if (parsed == spdlog::level::off || parsed == spdlog::level::trace || parsed == spdlog::level::critical) {
    return absl::InvalidArgumentError(
        absl::StrCat("log level \"", level, "\" is not one of debug, info, warn, error"));
  }
  auto logger = std::make_shared<spdlog::logger>(program, std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %n: %v", spdlog::pattern_time_type::utc);
  logger->set_level(parsed);
  logger->flush_on(spdlog::level::debug);
  spdlog::set_default_logger(std::move(logger));
  return absl::OkStatus();
}

}  // namespace xpu
