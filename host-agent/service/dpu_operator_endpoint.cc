#include "host-agent/service/dpu_operator_endpoint.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "host-agent/cni/cni_error.h"
#include "host-agent/cni/shim_request.h"
#include "host-agent/service/cni_log.h"

namespace xpu {
namespace {

// The plugin's environment, and a configuration of up to 1 MiB in base64.
constexpr size_t kMaxBodyBytes = size_t{2} << 20;
// What is read all the same, so that the answer is not lost by closing on a client that still writes.
constexpr size_t kMaxReadBytes = size_t{16} << 20;

HttpReply Text(int code, absl::string_view text) {
  return {.code = code, .content_type = "text/plain; charset=utf-8", .body = absl::StrCat(text, "\n")};
}

HttpReply Refusal(const absl::Status& status) {
  const CniFailure failure = ToCniFailure(status);
  return Text(400, absl::StrCat(failure.msg, failure.details.empty() ? "" : "; ", failure.details));
}

HttpReply ToReply(const absl::StatusOr<std::string>& result) {
  if (!result.ok()) return Refusal(result.status());
  return {.code = 200, .content_type = "application/json", .body = FormatShimAnswer(*result)};
}

absl::Status MakeFolderOf(const std::string& path) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::path(path).parent_path();
  std::error_code error;
  if (folder.empty() || !fs::create_directories(folder, error)) {
    if (!error) return absl::OkStatus();
    return absl::PermissionDeniedError(
        absl::StrCat("cannot make the folder ", folder.string(), " for the socket: ", error.message()));
  }
  fs::permissions(folder, fs::perms::owner_all, error);
  if (!error) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("cannot keep others out of the folder ", folder.string(), ": ", error.message()));
}

}  // namespace

DpuOperatorEndpoint::DpuOperatorEndpoint(EventLoop& loop, CniHandler& handler)
    : loop_(loop),
      handler_(handler),
      server_(loop, {.max_body_bytes = kMaxReadBytes},
              [this](const HttpRequest& request) { return Handle(request); }) {}

absl::StatusOr<std::unique_ptr<DpuOperatorEndpoint>> DpuOperatorEndpoint::Start(EventLoop& loop,
                                                                                CniHandler& handler,
                                                                                const std::string& path) {
  XPU_RETURN_IF_ERROR(MakeFolderOf(path));
  std::unique_ptr<DpuOperatorEndpoint> endpoint(new DpuOperatorEndpoint(loop, handler));
  XPU_RETURN_IF_ERROR(endpoint->server_.Listen("unix:" + path).status());
  return endpoint;
}

void DpuOperatorEndpoint::Drain(std::function<void()> drained) {
  draining_ = true;
  drained_ = std::move(drained);
  // As if one more had run until now.
  ++running_;
  CallEnded();
}

void DpuOperatorEndpoint::CallEnded() {
  if (--running_ > 0 || drained_ == nullptr) return;
  // The loop writes what was sent in its next turn, before it looks at timers.
  written_ = loop_.After(absl::ZeroDuration(), [this] { drained_(); });
}

HttpReply DpuOperatorEndpoint::Handle(const HttpRequest& request) {
  if (request.path != std::vector<std::string>{"cni"}) return Text(404, "there is only /cni");
  if (request.method != "POST") return Text(405, "/cni takes POST only");
  if (request.body.size() > kMaxBodyBytes) return Text(413, "the body is larger than 2 MiB");
  if (draining_) return Text(503, "the host agent is stopping; try again");
  absl::StatusOr<ShimRequest> read = ParseShimRequest(request.body);
  if (!read.ok()) return Refusal(read.status());

  HttpReply reply;
  reply.later = [this, shim = *std::move(read)](std::unique_ptr<HttpPending> pending) mutable {
    CniHandler::Request call{.parameters = std::move(shim.parameters),
                             .config = std::move(shim.config),
                             .dialect = CniDialect::kDpuOperator};
    // The answer may come on any thread, and goes out on the loop's.
    const std::shared_ptr<HttpPending> shared = std::move(pending);
    ++running_;
    CniHandler::Done done = [this, &loop = loop_, alive = std::weak_ptr<bool>(alive_), call,
                             command = shim.command, shared](const absl::StatusOr<std::string>& result) {
      LogCniCall(command.c_str(), call, result);
      loop.Post([this, alive, shared, reply = ToReply(result)] {
        shared->Send(reply);
        if (!alive.expired()) CallEnded();
      });
    };
    if (shim.command == "ADD") {
      handler_.Add(call, std::move(done));
    } else if (shim.command == "DEL") {
      handler_.Del(call, std::move(done));
    } else {
      handler_.Check(call, std::move(done));
    }
  };
  return reply;
}

}  // namespace xpu
