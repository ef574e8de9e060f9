#include "xpu-agent/controllers/outcome.h"

namespace xpu {
namespace {

const char* ReasonFor(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return "Confirmed";
    case absl::StatusCode::kInvalidArgument:
      return "Invalid";
    case absl::StatusCode::kNotFound:
      return "NotFound";
    case absl::StatusCode::kAlreadyExists:
      return "Conflict";
    case absl::StatusCode::kFailedPrecondition:
      return "InUse";
    case absl::StatusCode::kResourceExhausted:
      return "NoneLeft";
    case absl::StatusCode::kUnimplemented:
      return "NotSupported";
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
      return "AgentUnavailable";
    default:
      return "Failed";
  }
}

}  // namespace

ConditionValue ReadyCondition(const Resource& object, const absl::Status& status,
                              const std::string& message) {
  return {"Ready", status.ok() ? "True" : "False", ReasonFor(status.code()), message, GenerationOf(object)};
}

bool IsNoAnswer(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsCancelled(status);
}

absl::Status RetryFor(const absl::Status& status) {
  return absl::IsInvalidArgument(status) ? absl::OkStatus() : status;
}

}  // namespace xpu
