#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/rpc/bad_request.h"

namespace xpu {

// Collects what is wrong with the fields of a request, so that its sender hears of all of it at once.
class FieldErrors {
 public:
  // `prefix` stands before each field, e.g. "svi.spec."; may be empty.
  explicit FieldErrors(std::string prefix) : prefix_(std::move(prefix)) {}

  // Of two errors of one field only the first counts, as the second usually follows from it.
  void Add(absl::string_view field, absl::string_view why);
  // Adds the error, if it is one.
  void Add(absl::string_view field, const absl::Status& status);

  // OK if there are none, otherwise InvalidArgument that names each field and says why, in words and with the
  // violations of bad_request.h.
  absl::Status ToStatus() const;

 private:
  std::string prefix_;
  std::vector<FieldViolation> errors_;
};

}  // namespace xpu
