#include "common/api/field_error.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace xpu::api {

absl::Status ToStatus(const FieldErrors& errors, absl::string_view what) {
  if (errors.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      what, " is not valid: ", absl::StrJoin(errors, "; ", [](std::string* out, const FieldError& error) {
        out->append(error.ToString());
      })));
}

}  // namespace xpu::api
