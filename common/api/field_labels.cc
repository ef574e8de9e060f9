#include "common/api/field_labels.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace xpu::api {
namespace {

using nlohmann::json;

// Kubernetes, "Labels and Selectors". Names of DNS have the characters of labels, and are longer at the most.
constexpr size_t kMaxLabel = 63;

}  // namespace

std::string LabelValue(absl::string_view field) {
  return field.size() <= kMaxLabel ? std::string(field) : "";
}

std::string LabelSelector(absl::string_view label, absl::string_view field) {
  const std::string value = LabelValue(field);
  return value.empty() ? "" : absl::StrCat(label, "=", value);
}

json NetdevLabels(const json& spec) {
  json labels = json::object();
  for (const auto& [label, field] :
       {std::pair{kHostLabel, "host"}, {kCardLabel, "card"}, {kNetworkLabel, "network"}}) {
    const auto text = spec.find(field);
    if (text == spec.end() || !text->is_string()) continue;
    const std::string value = LabelValue(text->get_ref<const std::string&>());
    if (!value.empty()) labels[label] = value;
  }
  return labels;
}

}  // namespace xpu::api
