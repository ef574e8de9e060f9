#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace xpu {

// A CNI error about the configuration: code 7.
absl::Status CniConfigError(absl::string_view msg, absl::string_view details = "");

// The fields of one object of a configuration. One that is null is as if it were not there. Errors are CNI
// errors that name the field. A view: the JSON must outlive it.
class JsonFields {
 public:
  // Of `object`, which must be one; `path` is what errors call it, empty for the configuration itself.
  JsonFields(const nlohmann::json& object, std::string path) : object_(&object), path_(std::move(path)) {}

  // Null if it is not there.
  const nlohmann::json& Get(absl::string_view key) const;
  bool Has(absl::string_view key) const { return !Get(key).is_null(); }
  // "runtimeConfig.mac".
  std::string PathOf(absl::string_view key) const;

  absl::StatusOr<std::optional<std::string>> String(absl::string_view key) const;
  // As String, and an empty one is as if it were not there.
  absl::StatusOr<std::optional<std::string>> NonEmptyString(absl::string_view key) const;
  // A string that is one of `values`; empty is as if it were not there.
  absl::StatusOr<std::optional<std::string>> OneOf(absl::string_view key,
                                                   const std::vector<std::string>& values) const;
  absl::StatusOr<std::optional<uint64_t>> Number(absl::string_view key, uint64_t min, uint64_t max) const;
  // An object without fields if it is not there.
  absl::StatusOr<JsonFields> Object(absl::string_view key) const;

 private:
  const nlohmann::json* object_;
  std::string path_;
};

}  // namespace xpu
