#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "nlohmann/json_fwd.hpp"

namespace xpu::api {

// Labels of a Netdev, which say again what fields of its spec say: host, card and network. By them it is
// found on servers that cannot select by the fields of declared kinds (before Kubernetes 1.31). Whoever
// writes the spec writes the labels.
inline constexpr char kHostLabel[] = "xpu.opiproject.org/host";
inline constexpr char kCardLabel[] = "xpu.opiproject.org/card";
inline constexpr char kNetworkLabel[] = "xpu.opiproject.org/network";

// The value of the label for such a field; nothing, and then the object has no such label, for what no label
// can say: nothing, or a name of more than 63 characters.
std::string LabelValue(absl::string_view field);
// "LABEL=VALUE", as a selector of labels; for what no label can say the empty selector, of all objects.
std::string LabelSelector(absl::string_view label, absl::string_view field);

// metadata.labels for this spec of a Netdev.
nlohmann::json NetdevLabels(const nlohmann::json& spec);

}  // namespace xpu::api
