#include "host-agent/cni/cni_config.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/cni.h"
#include "common/base/function_id.h"
#include "common/base/status_macros.h"
#include "common/json/strict_json.h"
#include "host-agent/cni/cni_error.h"
#include "host-agent/cni/json_fields.h"
#include "host-agent/cni/vf_keys.h"
#include "nlohmann/json.hpp"

namespace xpu {
namespace {

using nlohmann::json;

// Keys of others that may be in any configuration and mean nothing here: the specification's, libcni's,
// Multus' and the shim's own. sriov-cni overwrites "master" with what it finds out by itself.
constexpr std::array<absl::string_view, 10> kForeignKeys = {
    "cniVersions", "ipMasq",       "capabilities",           "disableCheck",
    "disableGC",   "resourceName", "loadOnlyInlinedPlugins", "hostAgentSocket",
    "master",      "type"};
constexpr std::array<absl::string_view, 24> kOurKeys = {
    "cniVersion", "name",        "deviceID",      "pciBusID", "network",  "vlan",
    "vlanQoS",    "vlanProto",   "mac",           "mtu",      "spoofchk", "trust",
    "link_state", "min_tx_rate", "max_tx_rate",   "ipam",     "dns",      "routes",
    "args",       "prevResult",  "runtimeConfig", "logLevel", "logFile",  "BridgeID"};
// Capabilities that are passed on whether a plugin has a use for them or not.
constexpr std::array<absl::string_view, 5> kForeignCapabilities = {
    "CNIDeviceInfoFile", "aliases", "cgroupPath", "dns", "io.kubernetes.cri.pod-annotations"};
constexpr std::array<absl::string_view, 4> kOurCapabilities = {"deviceID", "mac", "ips", "bandwidth"};

template <size_t n>
bool IsOneOf(const std::array<absl::string_view, n>& keys, absl::string_view key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
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

// "mlx5_core.sf.4": module, device and number on the auxiliary bus.
bool IsAuxiliaryDevice(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '.');
  if (parts.size() != 3) return false;
  const auto is_word = [](absl::string_view part) {
    return !part.empty() && std::all_of(part.begin(), part.end(), [](char c) {
      return absl::ascii_isalnum(c) || c == '_' || c == '-';
    });
  };
  return is_word(parts[0]) && is_word(parts[1]) && !parts[2].empty() &&
         std::all_of(parts[2].begin(), parts[2].end(), absl::ascii_isdigit);
}

absl::StatusOr<std::string> ReadVersion(const JsonFields& config) {
  XPU_ASSIGN_OR_RETURN(const std::optional<std::string> given, config.String("cniVersion"));
  if (given && IsCniVersion(*given)) return *given;
  return CniErrorStatus(
      CniCode::kIncompatibleVersion,
      given ? absl::StrCat("cniVersion \"", *given, "\" is not supported")
            : "the CNI configuration has no cniVersion",
      absl::StrCat("set cniVersion to one of ",
                   absl::StrJoin(kCniVersions, ", ",
                                 [](std::string* out, std::string_view version) { out->append(version); })));
}

// The plugin's own key that `key` is, in whatever case; empty if it is none.
absl::string_view OurKey(absl::string_view key) {
  const auto known = std::find_if(kOurKeys.begin(), kOurKeys.end(), [key](absl::string_view ours) {
    return absl::EqualsIgnoreCase(ours, key);
  });
  return known == kOurKeys.end() ? "" : *known;
}

bool IsForeignKey(absl::string_view key) {
  return absl::StartsWith(key, "cni.dev/") || IsOneOf(kForeignKeys, key);
}

// Go's JSON does not tell upper and lower case apart in keys, so definitions for sriov-cni have "vlanQos" and
// the like. Gives such keys their own spelling; what there are two of keeps one.
void SpellKeys(json* config) {
  json spelt = json::object();
  for (const auto& [key, value] : config->items()) {
    const absl::string_view ours = OurKey(key);
    spelt.emplace(ours.empty() ? key : std::string(ours), value);
  }
  *config = std::move(spelt);
}

// That all keys are known, and none is there in two spellings.
absl::Status CheckKeys(CniDialect dialect, const json& config) {
  std::map<absl::string_view, std::string> seen;
  for (const auto& [key, value] : config.items()) {
    const absl::string_view ours = OurKey(key);
    if (ours.empty()) {
      if (IsForeignKey(key)) continue;
      return CniConfigError(absl::StrCat("unknown key \"", key, "\""),
                            absl::StrCat("remove it or correct its name; the plugin's own keys are ",
                                         absl::StrJoin(kOurKeys.begin(), kOurKeys.end() - 1, ", ")));
    }
    if (dialect != CniDialect::kDpuOperator && ours == "BridgeID") {
      return CniConfigError(absl::StrCat("unknown key \"", key, "\": it is of dpu-operator's own plugin"),
                            "name the Network that is meant as network");
    }
    const auto [other, is_new] = seen.emplace(ours, key);
    if (!is_new) {
      return CniConfigError(absl::StrCat("\"", other->second, "\" and \"", key, "\" are the same key"),
                            "remove one of them");
    }
  }
  return absl::OkStatus();
}

// The configuration as an object, its keys spelt as here and none unknown, with its version and name.
absl::StatusOr<json> ReadConfig(absl::string_view bytes, CniDialect dialect, std::string* version,
                                std::string* name) {
  absl::StatusOr<json> config = ParseStrictJson(bytes);
  if (!config.ok()) {
    return CniErrorStatus(CniCode::kDecodeFailure, "the CNI configuration is no JSON",
                          absl::StrCat(bytes.size(), " bytes came; ", config.status().message()));
  }
  if (!config->is_object()) {
    return CniErrorStatus(
        CniCode::kDecodeFailure,
        absl::StrCat("the CNI configuration is ", config->type_name(), ", it must be an object"));
  }
  const json as_written = *config;
  SpellKeys(&*config);
  // First: what else is wrong may be of a version that is not known here.
  XPU_ASSIGN_OR_RETURN(*version, ReadVersion(JsonFields(*config, "")));
  XPU_RETURN_IF_ERROR(CheckKeys(dialect, as_written));
  const JsonFields fields(*config, "");
  XPU_ASSIGN_OR_RETURN(const std::optional<std::string> given, fields.String("name"));
  if (!given || !IsCniName(*given)) {
    return CniConfigError(
        given ? absl::StrCat("name \"", *given, "\" is not valid") : "name is missing",
        "the name of the network begins with a letter or digit and goes on with letters, digits, "
        "'_', '.' and '-'");
  }
  *name = *given;
  XPU_RETURN_IF_ERROR(fields.String("type").status());
  return config;
}

absl::Status CheckCapabilities(const JsonFields& config, const JsonFields& runtime) {
  const json& given = config.Get("runtimeConfig");
  if (given.is_null()) return absl::OkStatus();
  XPU_ASSIGN_OR_RETURN(const std::optional<std::string> guid, runtime.NonEmptyString("infinibandGUID"));
  if (guid) {
    return CniConfigError(
        absl::StrCat("runtimeConfig.infinibandGUID \"", *guid, "\" cannot be had: functions are of Ethernet"),
        "remove \"infiniband-guid\" from the pod's annotation, or the capability "
        "\"infinibandGUID\" from the configuration");
  }
  for (const auto& [key, value] : given.items()) {
    if (IsOneOf(kOurCapabilities, key) || IsOneOf(kForeignCapabilities, key) || key == "infinibandGUID" ||
        value.is_null()) {
      continue;
    }
    // host-local takes its ranges from there.
    if (key == "ipRanges" && config.Has("ipam")) continue;
    return CniConfigError(absl::StrCat("runtimeConfig.", key, " cannot be had"),
                          absl::StrCat("remove \"", key, "\" from the capabilities; the plugin's are ",
                                       absl::StrJoin(kOurCapabilities, ", "), " and CNIDeviceInfoFile"));
  }
  return runtime.String("CNIDeviceInfoFile").status();
}

absl::StatusOr<std::string> ParseDevice(const JsonFields& config, const JsonFields& runtime) {
  std::string device;
  std::string from;
  const std::pair<const JsonFields&, const char*> sources[] = {
      {runtime, "deviceID"}, {config, "deviceID"}, {config, "pciBusID"}};
  for (const auto& [fields, key] : sources) {
    XPU_ASSIGN_OR_RETURN(const std::optional<std::string> text, fields.String(key));
    if (!text) continue;
    const std::string path = fields.PathOf(key);
    const absl::StatusOr<FunctionId> id = FunctionId::Parse(*text);
    if (!id.ok() && !IsAuxiliaryDevice(*text)) {
      return CniConfigError(absl::StrCat(path, " \"", *text, "\" is no PCI address of a function"),
                            "give the function as domain:bus:device.function, for example 0000:03:00.2, or a "
                            "subfunction by its name on the auxiliary bus, for example mlx5_core.sf.4");
    }
    const std::string named = id.ok() ? id->ToString() : *text;
    if (!device.empty() && device != named) {
      return CniConfigError(absl::StrCat(path, " is ", named, " but ", from, " is ", device),
                            "name one function only");
    }
    device = named;
    from = path;
  }
  if (device.empty()) {
    return CniConfigError("deviceID is missing",
                          "give the PCI address of the function as deviceID, or declare the capability "
                          "\"deviceID\" so that the runtime passes the one that was allocated");
  }
  return device;
}

absl::StatusOr<std::optional<std::string>> ParseIpam(const JsonFields& config) {
  XPU_ASSIGN_OR_RETURN(const JsonFields ipam, config.Object("ipam"));
  XPU_ASSIGN_OR_RETURN(const std::optional<std::string> type, ipam.NonEmptyString("type"));
  if (type &&
      (absl::StrContains(*type, '/') || *type == "." || *type == ".." || absl::StrContains(*type, '\0'))) {
    return CniConfigError(absl::StrCat("ipam.type \"", *type, "\" is no name of a plugin"),
                          "give the name of its program, without a folder");
  }
  return type;
}

// What the configuration is about: the Network or the VLAN.
absl::Status ParseNetwork(const JsonFields& config, const CniArgs& args, CniDialect dialect,
                          CniConfig* result) {
  XPU_ASSIGN_OR_RETURN(std::optional<std::string> given, config.String("network"));
  const char* key = "network";
  if (dialect == CniDialect::kDpuOperator && !given) {
    XPU_ASSIGN_OR_RETURN(given, config.NonEmptyString("BridgeID"));
    key = "BridgeID";
  }
  if (given && result->settings.vlan) {
    return CniConfigError(
        absl::StrCat("vlan is given together with ", key),
        "remove vlan: the Network says how its packets travel; or remove the other, and the "
        "function is in the card's network of that VLAN");
  }
  if (!given && (config.Has("vlan") || config.Has("ipam") || dialect != CniDialect::kXpu)) {
    result->vlan = result->settings.vlan ? result->settings.vlan->id : 0;
    return absl::OkStatus();
  }
  if (!given) key = "name";
  const std::string& text = given ? *given : result->name;
  result->network_namespace = args.pod_namespace.empty() ? "default" : args.pod_namespace;
  absl::string_view name = text;
  if (const size_t slash = text.find('/'); slash != std::string::npos) {
    result->network_namespace = text.substr(0, slash);
    name.remove_prefix(slash + 1);
  }
  result->network = std::string(name);
  if (!IsDnsLabel(result->network_namespace)) {
    return CniConfigError(
        absl::StrCat("\"", result->network_namespace, "\" is no name of a namespace"),
        "a network is \"name\" or \"namespace/name\"; the namespace has lower-case letters, "
        "digits and '-' only");
  }
  if (!IsDnsSubdomain(result->network)) {
    return CniConfigError(
        absl::StrCat(key, " \"", text, "\" is no name of a Network"),
        given
            ? "a network is \"name\" or \"namespace/name\" in lower-case letters, digits, '-' and '.'"
            : "set network to the Network that is meant, as \"name\" or \"namespace/name\"; or give vlan or "
              "ipam, and the function is in the card's network of that VLAN");
  }
  return absl::OkStatus();
}

// The first that is there: what the runtime says, then what the pod asks for, then the configuration.
absl::StatusOr<std::optional<MacAddress>> ParseMac(const JsonFields& config, const JsonFields& runtime,
                                                   const JsonFields& asked, const CniArgs& args) {
  std::string text;
  std::string from;
  for (const JsonFields& fields : {runtime, asked}) {
    XPU_ASSIGN_OR_RETURN(const std::optional<std::string> mac, fields.NonEmptyString("mac"));
    if (!mac || !text.empty()) continue;
    text = *mac;
    from = fields.PathOf("mac");
  }
  if (text.empty() && !args.mac.empty()) {
    text = args.mac;
    from = "MAC of CNI_ARGS";
  }
  XPU_ASSIGN_OR_RETURN(const std::optional<std::string> own, config.NonEmptyString("mac"));
  if (text.empty() && own) {
    text = *own;
    from = "mac";
  }
  if (text.empty()) return std::nullopt;
  const absl::StatusOr<MacAddress> mac = MacAddress::Parse(text);
  if (!mac.ok() || !mac->IsUnicast()) {
    return CniConfigError(absl::StrCat(from, " \"", text, "\" is no unicast MAC address"),
                          "give six octets like 02:00:00:00:00:01, the first one even");
  }
  return *mac;
}

absl::StatusOr<IpAddress> ParseAddress(const std::string& text, const std::string& path) {
  // The length is the Network's business.
  absl::StatusOr<IpAddress> address = IpAddress::Parse(text);
  if (!address.ok()) {
    if (const auto with_length = InterfaceAddress::Parse(text); with_length.ok())
      address = with_length->address;
  }
  if (!address.ok() || !address->IsUnicast()) {
    return CniConfigError(absl::StrCat(path, " \"", text, "\" is no unicast IP address"),
                          "give an address like 10.0.0.5 or 10.0.0.5/24 or 2001:db8::5");
  }
  return address;
}

// The list "ips" of an object.
absl::StatusOr<std::vector<IpAddress>> ParseIps(const JsonFields& fields) {
  std::vector<IpAddress> addresses;
  const json& ips = fields.Get("ips");
  const std::string path = fields.PathOf("ips");
  if (ips.is_null()) return addresses;
  if (!ips.is_array()) {
    return CniConfigError(absl::StrCat(path, " is ", ips.type_name(), ", it must be a list of strings"));
  }
  for (size_t i = 0; i < ips.size(); ++i) {
    const std::string entry = absl::StrCat(path, "[", i, "]");
    if (!ips[i].is_string()) {
      return CniConfigError(absl::StrCat(entry, " is ", ips[i].type_name(), ", it must be a string"));
    }
    XPU_ASSIGN_OR_RETURN(const IpAddress address, ParseAddress(ips[i].get<std::string>(), entry));
    for (const IpAddress& other : addresses) {
      if (other.family() == address.family()) {
        return CniConfigError(
            absl::StrCat(entry, " \"", address.ToString(), "\" is the second address of its family"),
            "an interface has one IPv4 and one IPv6 address at most; use another interface");
      }
    }
    addresses.push_back(address);
  }
  return addresses;
}

// The first list that is there, in the order of ParseMac.
absl::Status ParseAddresses(const JsonFields& runtime, const JsonFields& asked, const CniArgs& args,
                            CniConfig* result) {
  XPU_ASSIGN_OR_RETURN(result->addresses, ParseIps(runtime));
  XPU_ASSIGN_OR_RETURN(const std::vector<IpAddress> of_args, ParseIps(asked));
  if (result->addresses.empty()) result->addresses = of_args;
  // IPAM plugins have uses for IP that are not known here.
  if (result->addresses.empty() && !args.ip.empty() && !result->ipam) {
    XPU_ASSIGN_OR_RETURN(const IpAddress address, ParseAddress(args.ip, "IP of CNI_ARGS"));
    result->addresses.push_back(address);
  }
  if (result->ipam) {
    result->addresses.clear();
  } else if (result->vlan && !result->addresses.empty()) {
    return CniConfigError(absl::StrCat("the address ", result->addresses[0].ToString(),
                                       " is asked for, and there is nobody to give it"),
                          "add ipam, for example {\"type\": \"static\"}, which takes the runtime's \"ips\"; "
                          "or name a Network as "
                          "network");
  }
  return absl::OkStatus();
}

absl::StatusOr<CniLog> ParseLog(const JsonFields& config) {
  CniLog log;
  const std::vector<std::string> levels = {"panic", "error", "warning", "info", "debug"};
  XPU_ASSIGN_OR_RETURN(const std::optional<std::string> level, config.OneOf("logLevel", levels));
  if (level) {
    log.level = static_cast<CniLog::Level>(std::find(levels.begin(), levels.end(), *level) - levels.begin());
  }
  XPU_ASSIGN_OR_RETURN(const std::optional<std::string> file, config.NonEmptyString("logFile"));
  if (!file) return log;
  if (file->front() != '/' || absl::StrContains(*file, '\0')) {
    return CniConfigError(absl::StrCat("logFile \"", *file, "\" is no absolute path"),
                          "the file is the host's: give it from its root on");
  }
  log.file = *file;
  return log;
}

// What other parsers say of a part of the configuration, as a CNI error.
absl::Status AsConfigError(const absl::Status& status) {
  return status.ok() ? status : CniConfigError(status.message());
}

absl::Status ParseResultParts(const JsonFields& config, CniConfig* result) {
  absl::StatusOr<std::vector<CniRoute>> routes = ParseCniRoutes(config.Get("routes"), "routes");
  XPU_RETURN_IF_ERROR(AsConfigError(routes.status()));
  result->routes = *std::move(routes);
  absl::StatusOr<CniDns> dns = ParseCniDns(config.Get("dns"), "dns");
  XPU_RETURN_IF_ERROR(AsConfigError(dns.status()));
  result->dns = *std::move(dns);
  if (!config.Has("prevResult")) return absl::OkStatus();
  const json& prev = config.Get("prevResult");
  XPU_RETURN_IF_ERROR(AsConfigError(CheckCniResult(prev, "prevResult")));
  result->prev_result = prev.dump();
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> ParseAttachments(const json& list,
                                                                                  const std::string& path) {
  std::vector<std::pair<std::string, std::string>> attachments;
  if (!list.is_array()) {
    return CniConfigError(absl::StrCat(path, " is ", list.type_name(), ", it must be a list of objects"));
  }
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string entry = absl::StrCat(path, "[", i, "]");
    if (!list[i].is_object()) {
      return CniConfigError(absl::StrCat(entry, " is ", list[i].type_name(), ", it must be an object"));
    }
    const JsonFields fields(list[i], entry);
    XPU_ASSIGN_OR_RETURN(const std::optional<std::string> container, fields.NonEmptyString("containerID"));
    XPU_ASSIGN_OR_RETURN(const std::optional<std::string> ifname, fields.NonEmptyString("ifname"));
    // One that is passed over would be taken for gone.
    if (!container || !ifname) {
      return CniConfigError(absl::StrCat(entry, " has no ", container ? "ifname" : "containerID"));
    }
    attachments.emplace_back(*container, *ifname);
  }
  return attachments;
}

}  // namespace

absl::StatusOr<CniConfig> ParseCniConfig(absl::string_view bytes, const CniArgs& args, CniDialect dialect) {
  CniConfig result;
  XPU_ASSIGN_OR_RETURN(const json object, ReadConfig(bytes, dialect, &result.cni_version, &result.name));
  const JsonFields config(object, "");
  XPU_ASSIGN_OR_RETURN(const JsonFields runtime, config.Object("runtimeConfig"));
  XPU_ASSIGN_OR_RETURN(const JsonFields all_args, config.Object("args"));
  XPU_ASSIGN_OR_RETURN(const JsonFields asked, all_args.Object("cni"));
  XPU_RETURN_IF_ERROR(CheckCapabilities(config, runtime));
  XPU_ASSIGN_OR_RETURN(result.device, ParseDevice(config, runtime));
  XPU_ASSIGN_OR_RETURN(result.settings, ParseVfKeys(config));
  XPU_ASSIGN_OR_RETURN(result.bandwidth, ParseBandwidth(runtime));
  XPU_ASSIGN_OR_RETURN(result.ipam, ParseIpam(config));
  XPU_RETURN_IF_ERROR(ParseNetwork(config, args, dialect, &result));
  XPU_ASSIGN_OR_RETURN(result.mac, ParseMac(config, runtime, asked, args));
  XPU_RETURN_IF_ERROR(ParseAddresses(runtime, asked, args, &result));
  // 68 is the least for IPv4 (RFC 791).
  XPU_ASSIGN_OR_RETURN(result.mtu, config.Number("mtu", 68, 65535));
  XPU_RETURN_IF_ERROR(ParseResultParts(config, &result));
  XPU_ASSIGN_OR_RETURN(result.log, ParseLog(config));
  return result;
}

absl::StatusOr<CniNetworkConfig> ParseCniNetworkConfig(absl::string_view bytes) {
  CniNetworkConfig result;
  XPU_ASSIGN_OR_RETURN(const json object,
                       ReadConfig(bytes, CniDialect::kXpu, &result.cni_version, &result.name));
  const JsonFields config(object, "");
  XPU_ASSIGN_OR_RETURN(result.ipam, ParseIpam(config));
  // The second is how the specification spelt it at first; the CNI library sends both.
  for (const char* key : {"cni.dev/valid-attachments", "cni.dev/attachments"}) {
    if (!config.Has(key)) continue;
    XPU_ASSIGN_OR_RETURN(result.valid_attachments, ParseAttachments(config.Get(key), key));
    break;
  }
  return result;
}

CniHints ReadCniHints(absl::string_view bytes) {
  CniHints hints;
  absl::StatusOr<json> object = ParseStrictJson(bytes);
  if (!object.ok() || !object->is_object()) return hints;
  SpellKeys(&*object);
  const JsonFields config(*object, "");
  const json nothing = json::object();
  const JsonFields runtime = config.Object("runtimeConfig").value_or(JsonFields(nothing, ""));
  const std::pair<const JsonFields&, const char*> sources[] = {
      {runtime, "deviceID"}, {config, "deviceID"}, {config, "pciBusID"}};
  for (const auto& [fields, key] : sources) {
    const absl::StatusOr<std::optional<std::string>> device = fields.NonEmptyString(key);
    if (device.ok() && *device && hints.device.empty()) hints.device = **device;
  }
  if (const absl::StatusOr<CniLog> log = ParseLog(config); log.ok()) hints.log = *log;
  return hints;
}

std::string CniVersionForErrors(absl::string_view bytes) {
  absl::StatusOr<json> config = ParseStrictJson(bytes);
  if (config.ok() && config->is_object()) {
    SpellKeys(&*config);
    const absl::StatusOr<std::string> version = ReadVersion(JsonFields(*config, ""));
    if (version.ok()) return *version;
  }
  return std::string(kNewestCniVersion);
}

}  // namespace xpu
