#include "host-agent/cni/cni_config.h"

#include <algorithm>
#include <array>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/cni.h"
#include "common/base/status_macros.h"
#include "host-agent/cni/cni_error.h"
#include "nlohmann/json.hpp"

namespace xpu {
namespace {

using nlohmann::json;

constexpr size_t kMaxIfname = 15;  // IFNAMSIZ without the zero at the end

// Keys of others that may be in any configuration: the specification's, libcni's, Multus' and the shim's own.
constexpr std::array<absl::string_view, 12> kForeignKeys = {"cniVersions",
                                                            "args",
                                                            "ipMasq",
                                                            "ipam",
                                                            "dns",
                                                            "capabilities",
                                                            "prevResult",
                                                            "disableCheck",
                                                            "disableGC",
                                                            "resourceName",
                                                            "loadOnlyInlinedPlugins",
                                                            "hostAgentSocket"};
constexpr std::array<absl::string_view, 8> kOurKeys = {"cniVersion", "name",    "type", "deviceID",
                                                       "pciBusID",   "network", "mac",  "runtimeConfig"};

absl::Status ConfigError(absl::string_view msg, absl::string_view details = "") {
  return CniErrorStatus(CniCode::kInvalidConfig, absl::StrCat("CNI configuration: ", msg), details);
}

absl::Status EnvironmentError(absl::string_view msg, absl::string_view details = "") {
  return CniErrorStatus(CniCode::kInvalidEnvironment, msg, details);
}

bool IsNameCharacter(char c) { return absl::ascii_isalnum(c) || c == '_' || c == '.' || c == '-'; }

// What the specification allows as name of a network and as container id.
bool IsCniName(absl::string_view text) {
  return !text.empty() && absl::ascii_isalnum(text[0]) &&
         std::all_of(text.begin(), text.end(), IsNameCharacter);
}

// RFC 1123, as Kubernetes names namespaces (one label) and resources (labels joined with dots).
bool IsDnsLabel(absl::string_view text) {
  const auto alnum = [](char c) { return absl::ascii_islower(c) || absl::ascii_isdigit(c); };
  return !text.empty() && text.size() <= 63 && alnum(text.front()) && alnum(text.back()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return alnum(c) || c == '-'; });
}

bool IsDnsSubdomain(absl::string_view text) {
  if (text.size() > 253) return false;
  const std::vector<absl::string_view> labels = absl::StrSplit(text, '.');
  return std::all_of(labels.begin(), labels.end(), IsDnsLabel);
}

// The string at `key`; nothing if it is absent or null.
absl::StatusOr<std::optional<std::string>> GetString(const json& object, const char* key,
                                                     absl::string_view path) {
  const auto it = object.find(key);
  if (it == object.end() || it->is_null()) return std::nullopt;
  if (!it->is_string())
    return ConfigError(absl::StrCat(path, " is ", it->type_name(), ", it must be a string"));
  return it->get<std::string>();
}

absl::Status CheckVersion(const json& config, std::string* version) {
  XPU_ASSIGN_OR_RETURN(const std::optional<std::string> given, GetString(config, "cniVersion", "cniVersion"));
  // The specification before 0.2.0 had no cniVersion.
  *version = given.value_or("0.1.0");
  if (IsCniVersion(*version)) return absl::OkStatus();
  return CniErrorStatus(
      CniCode::kIncompatibleVersion,
      given ? absl::StrCat("cniVersion \"", *version, "\" is not supported")
            : "the CNI configuration has no cniVersion",
      absl::StrCat("set cniVersion to one of ",
                   absl::StrJoin(kCniVersions, ", ",
                                 [](std::string* out, std::string_view version) { out->append(version); })));
}

absl::Status CheckKeys(const json& config) {
  for (const auto& [key, value] : config.items()) {
    const bool known = absl::StartsWith(key, "cni.dev/") ||
                       std::find(kForeignKeys.begin(), kForeignKeys.end(), key) != kForeignKeys.end() ||
                       std::find(kOurKeys.begin(), kOurKeys.end(), key) != kOurKeys.end();
    if (!known) {
      return ConfigError(absl::StrCat("unknown key \"", key, "\""),
                         absl::StrCat("remove it or correct its name; the plugin's own keys are ",
                                      absl::StrJoin(kOurKeys, ", ")));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<FunctionId> ParseDevice(const json& config, const json& runtime) {
  struct Source {
    const json& object;
    const char* key;
    const char* path;
  };
  std::optional<FunctionId> device;
  std::string from;
  for (const Source& source :
       {Source{runtime, "deviceID", "runtimeConfig.deviceID"}, Source{config, "deviceID", "deviceID"},
        Source{config, "pciBusID", "pciBusID"}}) {
    XPU_ASSIGN_OR_RETURN(const std::optional<std::string> text,
                         GetString(source.object, source.key, source.path));
    if (!text) continue;
    const absl::StatusOr<FunctionId> address = FunctionId::Parse(*text);
    if (!address.ok()) {
      return ConfigError(absl::StrCat(source.path, " \"", *text, "\" is no PCI address"),
                         "give the function as domain:bus:device.function, for example 0000:03:00.2");
    }
    if (device && *device != *address) {
      return ConfigError(
          absl::StrCat(source.path, " is ", address->ToString(), " but ", from, " is ", device->ToString()),
          "name one function only");
    }
    device = *address;
    from = source.path;
  }
  if (!device) {
    return ConfigError("deviceID is missing",
                       "give the PCI address of the function as deviceID, or declare the capability "
                       "\"deviceID\" so that the runtime passes the one that was allocated");
  }
  return *device;
}

absl::Status ParseNetwork(const json& config, const CniArgs& args, CniConfig* result) {
  XPU_ASSIGN_OR_RETURN(const std::optional<std::string> given, GetString(config, "network", "network"));
  result->network_namespace = args.pod_namespace.empty() ? "default" : args.pod_namespace;
  absl::string_view name = given ? absl::string_view(*given) : absl::string_view(result->name);
  if (given) {
    if (const size_t slash = given->find('/'); slash != std::string::npos) {
      result->network_namespace = given->substr(0, slash);
      name.remove_prefix(slash + 1);
    }
  }
  result->network = std::string(name);
  if (!IsDnsLabel(result->network_namespace)) {
    return ConfigError(absl::StrCat("\"", result->network_namespace, "\" is no name of a namespace"),
                       "a network is \"name\" or \"namespace/name\"; the namespace has lower-case letters, "
                       "digits and '-' only");
  }
  if (!IsDnsSubdomain(result->network)) {
    return ConfigError(
        absl::StrCat(given ? "network" : "name", " \"", given ? *given : result->name,
                     "\" is no name of a Network"),
        given ? "a network is \"name\" or \"namespace/name\" in lower-case letters, digits, '-' and '.'"
              : "set network to the Network that is meant, as \"name\" or \"namespace/name\"");
  }
  return absl::OkStatus();
}

absl::Status ParseMac(const json& config, const json& runtime, CniConfig* result) {
  XPU_ASSIGN_OR_RETURN(const std::optional<std::string> own, GetString(config, "mac", "mac"));
  XPU_ASSIGN_OR_RETURN(const std::optional<std::string> asked,
                       GetString(runtime, "mac", "runtimeConfig.mac"));
  const std::optional<std::string>& text = asked ? asked : own;
  if (!text) return absl::OkStatus();
  const absl::StatusOr<MacAddress> mac = MacAddress::Parse(*text);
  if (!mac.ok() || !mac->IsUnicast()) {
    return ConfigError(
        absl::StrCat(asked ? "runtimeConfig.mac" : "mac", " \"", *text, "\" is no unicast MAC address"),
        "give six octets like 02:00:00:00:00:01, the first one even");
  }
  result->mac = *mac;
  return absl::OkStatus();
}

absl::Status ParseAddresses(const json& runtime, CniConfig* result) {
  const auto ips = runtime.find("ips");
  if (ips == runtime.end() || ips->is_null()) return absl::OkStatus();
  if (!ips->is_array()) {
    return ConfigError(
        absl::StrCat("runtimeConfig.ips is ", ips->type_name(), ", it must be a list of strings"));
  }
  for (size_t i = 0; i < ips->size(); ++i) {
    const std::string path = absl::StrCat("runtimeConfig.ips[", i, "]");
    const json& entry = (*ips)[i];
    if (!entry.is_string()) {
      return ConfigError(absl::StrCat(path, " is ", entry.type_name(), ", it must be a string"));
    }
    const std::string text = entry.get<std::string>();
    // The length is the Network's business.
    absl::StatusOr<IpAddress> address = IpAddress::Parse(text);
    if (!address.ok() && absl::StrContains(text, '/')) {
      if (const auto with_length = InterfaceAddress::Parse(text); with_length.ok())
        address = with_length->address;
    }
    if (!address.ok() || !address->IsUnicast()) {
      return ConfigError(absl::StrCat(path, " \"", text, "\" is no unicast IP address"),
                         "give an address like 10.0.0.5 or 10.0.0.5/24 or 2001:db8::5");
    }
    for (const IpAddress& other : result->addresses) {
      if (other.family() == address->family()) {
        return ConfigError(
            absl::StrCat(path, ": ", address->ToString(), " is the second address of its family"),
            "ask for at most one IPv4 and one IPv6 address");
      }
    }
    result->addresses.push_back(*address);
  }
  return absl::OkStatus();
}

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
  if (netns_needed && !absl::StartsWith(parameters.netns, "/")) {
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

absl::StatusOr<CniConfig> ParseCniConfig(absl::string_view bytes, const CniArgs& args) {
  const json config = json::parse(bytes.begin(), bytes.end(), nullptr, /*allow_exceptions=*/false);
  if (config.is_discarded()) {
    return CniErrorStatus(CniCode::kDecodeFailure, "the CNI configuration is no JSON",
                          absl::StrCat(bytes.size(), " bytes came on standard input"));
  }
  if (!config.is_object()) {
    return CniErrorStatus(
        CniCode::kDecodeFailure,
        absl::StrCat("the CNI configuration is ", config.type_name(), ", it must be an object"));
  }
  CniConfig result;
  XPU_RETURN_IF_ERROR(CheckVersion(config, &result.cni_version));
  XPU_RETURN_IF_ERROR(CheckKeys(config));

  XPU_ASSIGN_OR_RETURN(const std::optional<std::string> name, GetString(config, "name", "name"));
  if (!name || !IsCniName(*name)) {
    return ConfigError(
        name ? absl::StrCat("name \"", *name, "\" is not valid") : "name is missing",
        "the name of the network begins with a letter or digit and goes on with letters, digits, "
        "'_', '.' and '-'");
  }
  result.name = *name;
  XPU_RETURN_IF_ERROR(GetString(config, "type", "type").status());

  const auto runtime_it = config.find("runtimeConfig");
  const json runtime = runtime_it == config.end() || runtime_it->is_null() ? json::object() : *runtime_it;
  if (!runtime.is_object()) {
    return ConfigError(absl::StrCat("runtimeConfig is ", runtime.type_name(), ", it must be an object"));
  }
  XPU_ASSIGN_OR_RETURN(result.device, ParseDevice(config, runtime));
  XPU_RETURN_IF_ERROR(ParseNetwork(config, args, &result));
  XPU_RETURN_IF_ERROR(ParseMac(config, runtime, &result));
  XPU_RETURN_IF_ERROR(ParseAddresses(runtime, &result));
  return result;
}

std::string CniVersionForErrors(absl::string_view bytes) {
  const json config = json::parse(bytes.begin(), bytes.end(), nullptr, /*allow_exceptions=*/false);
  if (config.is_object()) {
    const auto it = config.find("cniVersion");
    if (it != config.end() && it->is_string()) {
      std::string version = it->get<std::string>();
      if (IsCniVersion(version)) return version;
    }
  }
  return std::string(kNewestCniVersion);
}

}  // namespace xpu
