#include "common/rpc/failed_handshakes.h"

#include <grpc/support/log.h>

#include <map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/memory/memory.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "spdlog/spdlog.h"

namespace xpu {
namespace {

constexpr absl::string_view kFailed = "Handshake failed with fatal error ";

// As many as gRPC has of its log function: one for the process.
struct Watchers {
  absl::Mutex mu;
  std::map<const FailedHandshakes*, std::function<void(const std::string&)>> all ABSL_GUARDED_BY(mu);
};
Watchers& TheWatchers() {
  static Watchers* const kWatchers = new Watchers;
  return *kWatchers;
}

void OnLog(gpr_log_func_args* line) {
  if (const std::string why = FailedHandshakeOf(line->message); !why.empty()) {
    Watchers& watchers = TheWatchers();
    absl::MutexLock lock(&watchers.mu);
    for (const auto& [watcher, failed] : watchers.all) failed(why);
    return;
  }
  const auto level = line->severity == GPR_LOG_SEVERITY_ERROR ? spdlog::level::warn : spdlog::level::debug;
  spdlog::log(level, "gRPC: {}", line->message);
}

}  // namespace

std::unique_ptr<FailedHandshakes> FailedHandshakes::Watch(
    std::function<void(const std::string& why)> failed) {
  auto watch = absl::WrapUnique(new FailedHandshakes());
  Watchers& watchers = TheWatchers();
  absl::MutexLock lock(&watchers.mu);
  watchers.all.emplace(watch.get(), std::move(failed));
  gpr_set_log_function(&OnLog);
  return watch;
}

FailedHandshakes::~FailedHandshakes() {
  Watchers& watchers = TheWatchers();
  absl::MutexLock lock(&watchers.mu);
  watchers.all.erase(this);
  if (watchers.all.empty()) gpr_set_log_function(nullptr);
}

std::string FailedHandshakeOf(const std::string& line) {
  absl::string_view rest = line;
  if (!absl::ConsumePrefix(&rest, kFailed)) return "";
  // "SSL_ERROR_SSL: error:0A000086:SSL routines::certificate verify failed."
  absl::ConsumeSuffix(&rest, ".");
  const size_t colon = rest.rfind(':');
  const absl::string_view why = colon == absl::string_view::npos ? rest : rest.substr(colon + 1);
  return why.empty() ? std::string(rest) : std::string(why);
}

}  // namespace xpu
