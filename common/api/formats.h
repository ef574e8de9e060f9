#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "xpu/api/v1alpha1/options.pb.h"

namespace xpu::api {

// Empty if `text` is of the format; otherwise what it must be, for "must be ...".
std::string CheckFormat(v1alpha1::Format format, absl::string_view text);

// Names of RFC 1123, as Kubernetes uses them.
bool IsDnsLabel(absl::string_view text);
bool IsDnsSubdomain(absl::string_view text);

}  // namespace xpu::api
