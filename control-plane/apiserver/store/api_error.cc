#include "control-plane/apiserver/store/api_error.h"

#include <algorithm>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/json/json_text.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;

constexpr absl::string_view kPayload = "xpu.opiproject.org/apiserver/Status";

// "networks.xpu.opiproject.org", as Kubernetes names a resource in messages.
std::string Resource(const ResourceKind& kind) {
  return kind.group.empty() ? kind.plural : absl::StrCat(kind.plural, ".", kind.group);
}

json Details(const ResourceKind& kind, absl::string_view name) {
  json details = {{"kind", kind.plural}};
  if (!name.empty()) details["name"] = name;
  if (!kind.group.empty()) details["group"] = kind.group;
  return details;
}

json Failure(int code, absl::string_view reason, absl::string_view message, json details) {
  json status = {{"kind", "Status"},    {"apiVersion", "v1"}, {"metadata", json::object()},
                 {"status", "Failure"}, {"message", message}, {"reason", reason},
                 {"code", code}};
  if (!details.is_null()) status["details"] = std::move(details);
  return status;
}

absl::Status Make(absl::StatusCode code, int http, absl::string_view reason, const std::string& message,
                  json details = nullptr) {
  absl::Status status(code, message);
  status.SetPayload(kPayload, absl::Cord(JsonText(Failure(http, reason, message, std::move(details)))));
  return status;
}

}  // namespace

absl::Status NotFound(const ResourceKind& kind, absl::string_view name) {
  return Make(absl::StatusCode::kNotFound, 404, "NotFound",
              absl::StrCat(Resource(kind), " \"", name, "\" not found"), Details(kind, name));
}

absl::Status AlreadyExists(const ResourceKind& kind, absl::string_view name) {
  return Make(absl::StatusCode::kAlreadyExists, 409, "AlreadyExists",
              absl::StrCat(Resource(kind), " \"", name, "\" already exists"), Details(kind, name));
}

absl::Status Conflict(const ResourceKind& kind, absl::string_view name, absl::string_view why) {
  return Make(absl::StatusCode::kAborted, 409, "Conflict",
              absl::StrCat("Operation cannot be fulfilled on ", Resource(kind), " \"", name, "\": ", why),
              Details(kind, name));
}

absl::Status ApplyConflict(absl::string_view message, json causes) {
  return Make(absl::StatusCode::kAborted, 409, "Conflict", std::string(message),
              {{"causes", std::move(causes)}});
}

absl::Status Invalid(const ResourceKind& kind, absl::string_view name, const api::FieldErrors& errors) {
  json details = Details(kind, name);
  details["kind"] = kind.kind;
  json& causes = details["causes"] = json::array();
  for (const api::FieldError& error : errors) {
    causes.push_back({{"reason", error.reason}, {"message", error.message}, {"field", error.field}});
  }
  std::string list = absl::StrJoin(
      errors, "; ", [](std::string* out, const api::FieldError& error) { out->append(error.ToString()); });
  if (errors.size() > 1) list = absl::StrCat("[", list, "]");
  return Make(absl::StatusCode::kInvalidArgument, 422, "Invalid",
              absl::StrCat(kind.kind, kind.group.empty() ? "" : ".", kind.group, " \"", name,
                           "\" is invalid: ", list),
              std::move(details));
}

absl::Status BadRequest(absl::string_view message) {
  return Make(absl::StatusCode::kInvalidArgument, 400, "BadRequest", std::string(message));
}

absl::Status Unauthorized() {
  return Make(absl::StatusCode::kUnauthenticated, 401, "Unauthorized", "Unauthorized");
}

absl::Status Forbidden(const ResourceKind& kind, absl::string_view name, absl::string_view why) {
  const std::string what = name.empty() ? Resource(kind) : absl::StrCat(Resource(kind), " \"", name, "\"");
  return Make(absl::StatusCode::kPermissionDenied, 403, "Forbidden",
              absl::StrCat(what, " is forbidden: ", why), Details(kind, name));
}

absl::Status ForbiddenPath(absl::string_view why) {
  return Make(absl::StatusCode::kPermissionDenied, 403, "Forbidden", absl::StrCat("forbidden: ", why),
              json::object());
}

absl::Status TooManyRequests(absl::string_view message, absl::Duration retry_after) {
  const int64_t seconds =
      std::max<int64_t>(1, absl::ToInt64Seconds(absl::Ceil(retry_after, absl::Seconds(1))));
  return Make(absl::StatusCode::kResourceExhausted, 429, "TooManyRequests", std::string(message),
              {{"retryAfterSeconds", seconds}});
}

absl::Status Expired(absl::string_view message) {
  return Make(absl::StatusCode::kOutOfRange, 410, "Expired", std::string(message));
}

absl::Status MethodNotAllowed(absl::string_view message) {
  return Make(absl::StatusCode::kUnimplemented, 405, "MethodNotAllowed", std::string(message));
}

absl::Status UnsupportedMediaType(absl::string_view message) {
  return Make(absl::StatusCode::kInvalidArgument, 415, "UnsupportedMediaType", std::string(message));
}

absl::Status NotAcceptable(absl::string_view message) {
  return Make(absl::StatusCode::kInvalidArgument, 406, "NotAcceptable", std::string(message));
}

absl::Status RequestTooLarge(absl::string_view message) {
  return Make(absl::StatusCode::kInvalidArgument, 413, "RequestEntityTooLarge", std::string(message));
}

absl::Status NoSuchPath() {
  return Make(absl::StatusCode::kNotFound, 404, "NotFound",
              "the server could not find the requested resource", json::object());
}

json StatusObject(const absl::Status& error) {
  if (absl::optional<absl::Cord> payload = error.GetPayload(kPayload)) {
    json status = json::parse(std::string(*payload), nullptr, /*allow_exceptions=*/false);
    if (status.is_object()) return status;
  }
  // Of the disk (RFC 4918, section 11.5).
  if (absl::IsResourceExhausted(error)) return Failure(507, "InsufficientStorage", error.message(), nullptr);
  const bool again = absl::IsUnavailable(error) || absl::IsFailedPrecondition(error);
  return Failure(again ? 503 : 500, again ? "ServiceUnavailable" : "InternalError", error.message(), nullptr);
}

json DeletedObject(const ResourceKind& kind, absl::string_view name, absl::string_view uid) {
  json details = Details(kind, name);
  details["uid"] = uid;
  return {{"kind", "Status"},
          {"apiVersion", "v1"},
          {"metadata", json::object()},
          {"status", "Success"},
          {"details", details}};
}

}  // namespace xpu::apiserver
