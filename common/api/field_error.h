#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace xpu::api {

// What is wrong with one field of an object, in the terms of Kubernetes' Status (details.causes).
struct FieldError {
  // "FieldValueRequired", "FieldValueInvalid", "FieldValueTypeInvalid", "FieldValueNotSupported",
  // "FieldValueForbidden", "FieldValueDuplicate", "FieldValueTooMany" or "FieldValueTooLong".
  std::string reason;
  // Path from the object's root: "spec.prefixes[1]", "metadata.labels[app]".
  std::string field;
  // What is wrong and what would be right; does not repeat the path.
  std::string message;

  std::string ToString() const { return field.empty() ? message : field + ": " + message; }
  friend bool operator==(const FieldError&, const FieldError&) = default;
};

using FieldErrors = std::vector<FieldError>;

// OK for none; otherwise InvalidArgument, "<what> is not valid: <path>: <message>; ...".
absl::Status ToStatus(const FieldErrors& errors, absl::string_view what);

}  // namespace xpu::api
