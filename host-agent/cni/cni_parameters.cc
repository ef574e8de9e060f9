#include "host-agent/cni/cni_parameters.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "host-agent/cni/cni_error.h"

namespace xpu {
namespace {

constexpr size_t kMaxIfname = 15;  // IFNAMSIZ without the zero at the end

absl::Status EnvironmentError(absl::string_view msg, absl::string_view details = "") {
  return CniErrorStatus(CniCode::kInvalidEnvironment, msg, details);
}

bool IsNameCharacter(char c) { return absl::ascii_isalnum(c) || c == '_' || c == '.' || c == '-'; }

}  // namespace

absl::Status CheckParameters(const CniParameters& parameters, bool netns_needed) {
  if (!IsCniName(parameters.container_id)) {
    return EnvironmentError(
        absl::StrCat("CNI_CONTAINERID \"", parameters.container_id, "\" is not valid"),
        "it must begin with a letter or digit and go on with letters, digits, '_', '.' and '-'");
  }
  const std::string& ifname = parameters.ifname;
  const bool bad_character = std::any_of(ifname.begin(), ifname.end(), [](char c) {
    return c == '/' || c == ':' || absl::ascii_isspace(c) || !absl::ascii_isprint(c);
  });
  if (ifname.empty() || ifname.size() > kMaxIfname || ifname == "." || ifname == ".." || bad_character) {
    return EnvironmentError(absl::StrCat("CNI_IFNAME \"", ifname, "\" is no name of an interface"),
                            absl::StrCat("it must have 1 to ", kMaxIfname,
                                         " characters, no '/', ':' or blanks, and not be \".\" or \"..\""));
  }
  const bool absolute = absl::StartsWith(parameters.netns, "/") && !absl::StrContains(parameters.netns, '\0');
  if (netns_needed && !absolute) {
    return EnvironmentError(absl::StrCat("CNI_NETNS \"", parameters.netns, "\" is no absolute path"),
                            "give the path of the container's network namespace, for example /run/netns/x");
  }
  return absl::OkStatus();
}

absl::StatusOr<CniArgs> ParseCniArgs(absl::string_view args) {
  CniArgs result;
  bool ignore_unknown = false;
  std::string unknown;
  for (absl::string_view pair : absl::StrSplit(args, ';', absl::SkipEmpty())) {
    const std::vector<absl::string_view> parts = absl::StrSplit(pair, absl::MaxSplits('=', 1));
    if (parts.size() != 2 || parts[0].empty()) {
      return EnvironmentError(absl::StrCat("CNI_ARGS: \"", pair, "\" is no pair"),
                              "write KEY=VALUE pairs with ';' between them");
    }
    if (parts[0] == "K8S_POD_NAMESPACE") {
      result.pod_namespace = std::string(parts[1]);
    } else if (parts[0] == "K8S_POD_NAME") {
      result.pod_name = std::string(parts[1]);
    } else if (parts[0] == "MAC") {
      result.mac = std::string(parts[1]);
    } else if (parts[0] == "IP") {
      result.ip = std::string(parts[1]);
    } else if (parts[0] == "IgnoreUnknown") {
      const std::string value = absl::AsciiStrToLower(parts[1]);
      ignore_unknown = value == "1" || value == "true";
    } else if (parts[0] != "K8S_POD_INFRA_CONTAINER_ID" && parts[0] != "K8S_POD_UID") {
      unknown = std::string(parts[0]);
    }
  }
  if (!unknown.empty() && !ignore_unknown) {
    return EnvironmentError(absl::StrCat("CNI_ARGS: unknown key \"", unknown, "\""),
                            "remove it, or add IgnoreUnknown=1");
  }
  return result;
}

bool IsCniName(absl::string_view text) {
  return !text.empty() && absl::ascii_isalnum(text[0]) &&
         std::all_of(text.begin(), text.end(), IsNameCharacter);
}

}  // namespace xpu
