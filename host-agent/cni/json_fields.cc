#include "host-agent/cni/json_fields.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "host-agent/cni/cni_error.h"

namespace xpu {

using nlohmann::json;

absl::Status CniConfigError(absl::string_view msg, absl::string_view details) {
  return CniErrorStatus(CniCode::kInvalidConfig, absl::StrCat("CNI configuration: ", msg), details);
}

const json& JsonFields::Get(absl::string_view key) const {
  static const json& absent = *new json();
  const auto it = object_->find(std::string(key));
  return it == object_->end() ? absent : *it;
}

std::string JsonFields::PathOf(absl::string_view key) const {
  return path_.empty() ? std::string(key) : absl::StrCat(path_, ".", key);
}

absl::StatusOr<std::optional<std::string>> JsonFields::String(absl::string_view key) const {
  const json& value = Get(key);
  if (value.is_null()) return std::nullopt;
  if (!value.is_string()) {
    return CniConfigError(absl::StrCat(PathOf(key), " is ", value.type_name(), ", it must be a string"));
  }
  return value.get<std::string>();
}

absl::StatusOr<std::optional<std::string>> JsonFields::NonEmptyString(absl::string_view key) const {
  XPU_ASSIGN_OR_RETURN(std::optional<std::string> text, String(key));
  if (text && text->empty()) text.reset();
  return text;
}

absl::StatusOr<std::optional<std::string>> JsonFields::OneOf(absl::string_view key,
                                                             const std::vector<std::string>& values) const {
  XPU_ASSIGN_OR_RETURN(std::optional<std::string> text, NonEmptyString(key));
  if (!text || std::find(values.begin(), values.end(), *text) != values.end()) return text;
  return CniConfigError(absl::StrCat(PathOf(key), " \"", *text, "\" is not known"),
                        absl::StrCat("it must be one of \"", absl::StrJoin(values, "\", \""), "\""));
}

absl::StatusOr<std::optional<uint64_t>> JsonFields::Number(absl::string_view key, uint64_t min,
                                                           uint64_t max) const {
  const json& value = Get(key);
  if (value.is_null()) return std::nullopt;
  if (!value.is_number_unsigned() || value.get<uint64_t>() < min || value.get<uint64_t>() > max) {
    return CniConfigError(absl::StrCat(PathOf(key), " ", value.is_number() ? value.dump() : value.type_name(),
                                       " is no number from ", min, " to ", max));
  }
  return value.get<uint64_t>();
}

absl::StatusOr<JsonFields> JsonFields::Object(absl::string_view key) const {
  static const json& empty = *new json(json::object());
  const json& value = Get(key);
  if (value.is_null()) return JsonFields(empty, PathOf(key));
  if (!value.is_object()) {
    return CniConfigError(absl::StrCat(PathOf(key), " is ", value.type_name(), ", it must be an object"));
  }
  return JsonFields(value, PathOf(key));
}

}  // namespace xpu
