#include "xpu-agent/controllers/outcome.h"

#include "absl/strings/str_cat.h"
#include "common/ctrl/event_recorder.h"

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

void TellOfReady(EventRecorder& events, const std::string& card, const Resource& object,
                 const ConditionValue& was, const ConditionValue& is) {
  if (is.status == was.status && is.reason == was.reason && is.message == was.message) return;
  if (is.status == "False")
    return events.Record(object, EventRecorder::Type::kWarning, is.reason, is.message);
  if (was.status != "False") return;
  // Cards share a Network and a chain: with its name, what one of them says is not counted as the other's.
  events.Record(object, EventRecorder::Type::kNormal, is.reason,
                absl::StrCat("card ", card, " has confirmed it"));
}

bool IsNoAnswer(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsCancelled(status);
}

absl::Status RetryFor(const absl::Status& status) {
  return absl::IsInvalidArgument(status) ? absl::OkStatus() : status;
}

}  // namespace xpu
