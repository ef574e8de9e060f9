#include "device-plugin/resource_name.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace xpu {
namespace {

// Kubernetes checks the name as it stands in quotas, with this in front of it.
constexpr absl::string_view kQuotaPrefix = "requests.";

// RFC 1123, as Kubernetes reads it.
bool IsDnsSubdomain(absl::string_view domain) {
  if (domain.empty() || domain.size() + kQuotaPrefix.size() > 253) return false;
  for (absl::string_view label : absl::StrSplit(domain, '.')) {
    if (label.empty() || label.front() == '-' || label.back() == '-') return false;
    for (char c : label) {
      if (!absl::ascii_islower(c) && !absl::ascii_isdigit(c) && c != '-') return false;
    }
  }
  return true;
}

bool IsLocalName(absl::string_view name) {
  if (name.empty() || name.size() > 63) return false;
  if (!absl::ascii_isalnum(name.front()) || !absl::ascii_isalnum(name.back())) return false;
  for (char c : name) {
    if (!absl::ascii_isalnum(c) && c != '-' && c != '_' && c != '.') return false;
  }
  return true;
}

}  // namespace

absl::Status CheckResourceName(absl::string_view name) {
  const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(name, absl::MaxSplits('/', 1));
  const char* wrong = nullptr;
  if (!IsDnsSubdomain(parts.first)) {
    wrong = "before the slash must stand a DNS domain in lower case";
  } else if (!IsLocalName(parts.second)) {
    wrong =
        "after the slash must stand 1 to 63 letters, digits, '-', '_' or '.', a letter or digit first and "
        "last";
  } else if (absl::EndsWith(parts.first, "kubernetes.io") || absl::StartsWith(name, kQuotaPrefix)) {
    wrong = "kubernetes.io and requests. are Kubernetes' own";
  }
  if (wrong == nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("\"", name, "\" is no name of an extended resource: ", wrong,
                                                 "; an example is xpu.opiproject.org/vf"));
}

std::string PluginSocketName(absl::string_view resource) {
  return absl::StrCat("xpu-", absl::StrReplaceAll(resource, {{"/", "_"}}), ".sock");
}

std::string DeviceVariableName(absl::string_view resource) {
  return absl::StrCat("PCIDEVICE_",
                      absl::AsciiStrToUpper(absl::StrReplaceAll(resource, {{"/", "_"}, {".", "_"}})));
}

}  // namespace xpu
