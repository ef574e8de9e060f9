#include "xpu-agent/core/field_errors.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace xpu {

void FieldErrors::Add(absl::string_view field, absl::string_view why) {
  const std::string full = absl::StrCat(prefix_, field);
  const bool known = std::any_of(errors_.begin(), errors_.end(),
                                 [&](const FieldViolation& error) { return error.field == full; });
  if (!known) errors_.push_back({full, std::string(why)});
}

void FieldErrors::Add(absl::string_view field, const absl::Status& status) {
  if (!status.ok()) Add(field, status.message());
}

absl::Status FieldErrors::ToStatus() const {
  if (errors_.empty()) return absl::OkStatus();
  const std::string message =
      absl::StrJoin(errors_, ". Also ", [](std::string* out, const FieldViolation& error) {
        absl::StrAppend(out, error.field, ": ", error.why);
      });
  return WithViolations(absl::InvalidArgumentError(message), errors_);
}

}  // namespace xpu
