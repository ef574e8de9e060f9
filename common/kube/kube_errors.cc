#include "common/kube/kube_errors.h"

#include <algorithm>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace xpu {
namespace {

// Milliseconds.
constexpr char kRetryAfter[] = "xpu.opiproject.org/retry-after";

absl::StatusCode CodeFor(int code, const std::string& reason) {
  switch (code) {
    case 400:
    case 406:
    case 413:
    case 415:
    case 422:
      return absl::StatusCode::kInvalidArgument;
    case 401:
      return absl::StatusCode::kUnauthenticated;
    case 403:
      return absl::StatusCode::kPermissionDenied;
    case 404:
      return absl::StatusCode::kNotFound;
    case 405:
      return absl::StatusCode::kUnimplemented;
    case 409:
      return reason == "AlreadyExists" ? absl::StatusCode::kAlreadyExists : absl::StatusCode::kAborted;
    case 410:
      return absl::StatusCode::kOutOfRange;
    case 429:
      return absl::StatusCode::kResourceExhausted;
    default:
      return code >= 500 ? absl::StatusCode::kUnavailable : absl::StatusCode::kInternal;
  }
}

// Somebody else owns fields of an apply: reading the object again does not help.
bool IsFieldConflict(const nlohmann::json& status) {
  const auto details = status.find("details");
  if (details == status.end() || !details->is_object()) return false;
  const auto causes = details->find("causes");
  if (causes == details->end() || !causes->is_array()) return false;
  return std::any_of(causes->begin(), causes->end(), [](const nlohmann::json& cause) {
    const auto reason = cause.is_object() ? cause.find("reason") : cause.end();
    return cause.is_object() && reason != cause.end() && *reason == "FieldManagerConflict";
  });
}

std::string StringOf(const nlohmann::json& status, const char* key) {
  const auto it = status.find(key);
  return it != status.end() && it->is_string() ? it->get<std::string>() : "";
}

}  // namespace

absl::Status FromKubeStatus(const nlohmann::json& status) {
  if (!status.is_object()) return absl::UnavailableError("the server sent an error that cannot be read");
  const auto code = status.find("code");
  const int number = code != status.end() && code->is_number_integer() ? code->get<int>() : 500;
  const std::string reason = StringOf(status, "reason");
  std::string message = StringOf(status, "message");
  if (message.empty()) message = reason.empty() ? absl::StrCat("the server answered ", number) : reason;
  if (number == 409 && IsFieldConflict(status)) return absl::FailedPreconditionError(message);
  return absl::Status(CodeFor(number, reason), message);
}

absl::Status FromHttpError(int code, const std::string& body, const std::string& request,
                           std::optional<absl::Duration> retry_after) {
  absl::Status error;
  const nlohmann::json status = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (status.is_object() && StringOf(status, "kind") == "Status") {
    nlohmann::json with_code = status;
    with_code["code"] = code;
    error = FromKubeStatus(with_code);
  } else {
    constexpr size_t kExcerpt = 200;
    error = absl::Status(CodeFor(code, ""), absl::StrCat(request, ": the server answered ", code,
                                                         body.empty() ? "" : ": ", body.substr(0, kExcerpt)));
  }
  if (retry_after)
    error.SetPayload(kRetryAfter, absl::Cord(absl::StrCat(absl::ToInt64Milliseconds(*retry_after))));
  return error;
}

std::optional<absl::Duration> RetryAfter(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kRetryAfter);
  int64_t milliseconds = 0;
  if (!payload || !absl::SimpleAtoi(std::string(*payload), &milliseconds)) return std::nullopt;
  return absl::Milliseconds(milliseconds);
}

}  // namespace xpu
