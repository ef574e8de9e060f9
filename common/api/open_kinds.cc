#include "common/api/open_kinds.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/api/schema.h"
#include "xpu/api/core/v1/core.pb.h"

namespace xpu::api {
namespace {

using core::v1::ConfigMap;
using core::v1::Secret;
using nlohmann::json;

// Kubernetes API, core/v1 ConfigMap and Secret: keys of `data`.
constexpr size_t kMaxKeyBytes = 253;

bool IsDataKey(const std::string& key) {
  return !key.empty() && key.size() <= kMaxKeyBytes && key != "." && key != ".." &&
         std::all_of(key.begin(), key.end(),
                     [](char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.'; });
}

// A map from keys to texts, in base64 where `base64` says so.
void CheckData(const json& object, const char* field, bool base64, FieldErrors* errors) {
  const json* data = Present(object, field);
  if (data == nullptr) return;
  if (!data->is_object()) {
    errors->push_back({"FieldValueTypeInvalid", field, "must be an object of texts"});
    return;
  }
  for (const auto& [key, value] : data->items()) {
    const std::string path = absl::StrCat(field, "[", Quote(json(key)), "]");
    std::string decoded;
    if (!IsDataKey(key)) {
      errors->push_back(
          {"FieldValueInvalid", path,
           absl::StrCat("a key has at most ", kMaxKeyBytes, " letters, digits, '-', '_' and '.'")});
    } else if (!value.is_string()) {
      errors->push_back({"FieldValueTypeInvalid", path, "must be a text"});
    } else if (base64 && !absl::Base64Unescape(value.get_ref<const std::string&>(), &decoded)) {
      errors->push_back({"FieldValueInvalid", path, "must be in base64; plain text goes into stringData"});
    }
  }
}

}  // namespace

void FillInOpenKind(const KindInfo& kind, json* object) {
  if (kind.message != Secret::descriptor()) return;
  const json* plain = Present(*object, "stringData");
  const json* data = Present(*object, "data");
  if (plain == nullptr || !plain->is_object() || (data != nullptr && !data->is_object())) return;
  const auto is_text = [](const json& value) { return value.is_string(); };
  if (!std::all_of(plain->begin(), plain->end(), is_text)) return;
  json all = data == nullptr ? json::object() : *data;
  for (const auto& [key, value] : plain->items()) {
    all[key] = absl::Base64Escape(value.get_ref<const std::string&>());
  }
  object->erase("stringData");
  (*object)["data"] = std::move(all);
}

void CheckOpenKind(const KindInfo& kind, const json& object, FieldErrors* errors) {
  if (kind.message == ConfigMap::descriptor()) {
    CheckData(object, "data", /*base64=*/false, errors);
    CheckData(object, "binaryData", /*base64=*/true, errors);
  } else if (kind.message == Secret::descriptor()) {
    CheckData(object, "data", /*base64=*/true, errors);
    // What could not be taken over as it is.
    CheckData(object, "stringData", /*base64=*/false, errors);
  }
}

}  // namespace xpu::api
