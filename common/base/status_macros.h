#pragma once

// Early return on absl::Status and absl::StatusOr, and words added on the way up.

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace xpu {

// The same code and payloads, with "context: " before the message. OK stays OK.
absl::Status Annotate(const absl::Status& status, absl::string_view context);

}  // namespace xpu

#define XPU_CONCAT_INNER(a, b) a##b
#define XPU_CONCAT(a, b) XPU_CONCAT_INNER(a, b)

#define XPU_RETURN_IF_ERROR(expression)                                              \
  do {                                                                               \
    if (absl::Status xpu_status = (expression); !xpu_status.ok()) return xpu_status; \
  } while (false)

// XPU_ASSIGN_OR_RETURN(auto x, F()); the left side may declare or assign.
#define XPU_ASSIGN_OR_RETURN(left, expression) \
  XPU_ASSIGN_OR_RETURN_INNER(XPU_CONCAT(xpu_or_, __LINE__), left, expression)
#define XPU_ASSIGN_OR_RETURN_INNER(name, left, expression) \
  auto name = (expression);                                \
  if (!name.ok()) return std::move(name).status();         \
  left = *std::move(name)
