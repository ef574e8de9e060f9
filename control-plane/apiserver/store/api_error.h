#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/api/field_error.h"
#include "common/api/kinds.h"
#include "nlohmann/json.hpp"

namespace xpu::apiserver {

// Errors of the API: absl::Status outside, and a payload that carries Kubernetes' Status object (API
// conventions, "Response Status Kind"), so that no layer between has to know about it.

absl::Status NotFound(const ResourceKind& kind, absl::string_view name);
absl::Status AlreadyExists(const ResourceKind& kind, absl::string_view name);
// 409: the object is not the one that the caller has read.
absl::Status Conflict(const ResourceKind& kind, absl::string_view name, absl::string_view why);
// 409: an apply would change fields that others own; `causes` is a list of {reason, message, field}.
absl::Status ApplyConflict(absl::string_view message, nlohmann::json causes);
// 422, with one cause for each field.
absl::Status Invalid(const ResourceKind& kind, absl::string_view name, const api::FieldErrors& errors);
// 400: the request itself makes no sense.
absl::Status BadRequest(absl::string_view message);
// 401: nobody knows who asks.
absl::Status Unauthorized();
// 403; an empty name means the collection.
absl::Status Forbidden(const ResourceKind& kind, absl::string_view name, absl::string_view why);
// 403 for a URL that is no object's.
absl::Status ForbiddenPath(absl::string_view why);
// 429: the client asks too much, and may ask again after `retry_after`.
absl::Status TooManyRequests(absl::string_view message, absl::Duration retry_after);
// 410: what was asked for is older than the history.
absl::Status Expired(absl::string_view message);
absl::Status MethodNotAllowed(absl::string_view message);
absl::Status UnsupportedMediaType(absl::string_view message);
// 406: nothing that the client would take can be given.
absl::Status NotAcceptable(absl::string_view message);
absl::Status RequestTooLarge(absl::string_view message);
// 404 for a URL that names no resource at all.
absl::Status NoSuchPath();

// The Status object to answer with. What is none of the above is an InternalError (500), or
// ServiceUnavailable (503) for what may be better at the next try.
nlohmann::json StatusObject(const absl::Status& error);

// {"kind": "Status", "status": "Success", ...} for an object that is gone.
nlohmann::json DeletedObject(const ResourceKind& kind, absl::string_view name, absl::string_view uid);

}  // namespace xpu::apiserver
