#include "host-agent/cni/vf_keys.h"

#include <algorithm>
#include <limits>
#include <tuple>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace xpu {
namespace {

constexpr uint16_t kMaxVlan = 4094;
constexpr uint16_t k8021q = 0x8100;
constexpr uint16_t k8021ad = 0x88a8;
constexpr uint64_t kMaxRate = std::numeric_limits<uint32_t>::max();

absl::StatusOr<std::optional<VfSettings::Vlan>> ParseVlan(const JsonFields& config) {
  XPU_ASSIGN_OR_RETURN(const std::optional<uint64_t> id, config.Number("vlan", 0, kMaxVlan));
  XPU_ASSIGN_OR_RETURN(const std::optional<uint64_t> qos, config.Number("vlanQoS", 0, 7));
  XPU_ASSIGN_OR_RETURN(std::optional<std::string> protocol, config.NonEmptyString("vlanProto"));
  if (protocol) {
    absl::AsciiStrToLower(&*protocol);
    if (*protocol != "802.1q" && *protocol != "802.1ad") {
      return CniConfigError(absl::StrCat("vlanProto \"", *protocol, "\" is not known"),
                            "it must be one of \"802.1q\", \"802.1ad\"");
    }
  }
  const bool outer = protocol == "802.1ad";
  if (!id) {
    if (!qos && !protocol) return std::nullopt;
    return CniConfigError(absl::StrCat(qos ? "vlanQoS" : "vlanProto", " is given without vlan"),
                          "give the VLAN's number as vlan");
  }
  if (*id == 0 && (qos.value_or(0) != 0 || outer)) {
    return CniConfigError(
        absl::StrCat(outer ? "vlanProto" : "vlanQoS", " is given with vlan 0, which is no VLAN"),
        "give the VLAN's number as vlan, 1 to 4094");
  }
  return VfSettings::Vlan{.id = static_cast<uint16_t>(*id),
                          .qos = static_cast<uint8_t>(qos.value_or(0)),
                          .protocol = outer ? k8021ad : k8021q};
}

absl::StatusOr<std::optional<bool>> ParseSwitch(const JsonFields& config, const char* key) {
  XPU_ASSIGN_OR_RETURN(const std::optional<std::string> text, config.OneOf(key, {"on", "off"}));
  if (!text) return std::nullopt;
  return *text == "on";
}

absl::StatusOr<std::optional<VfSettings::LinkState>> ParseLinkState(const JsonFields& config) {
  XPU_ASSIGN_OR_RETURN(const std::optional<std::string> text,
                       config.OneOf("link_state", {"auto", "enable", "disable"}));
  if (!text) return std::nullopt;
  if (*text == "auto") return VfSettings::LinkState::kAuto;
  return *text == "enable" ? VfSettings::LinkState::kEnable : VfSettings::LinkState::kDisable;
}

}  // namespace

absl::StatusOr<VfSettings> ParseVfKeys(const JsonFields& config) {
  VfSettings settings;
  XPU_ASSIGN_OR_RETURN(settings.vlan, ParseVlan(config));
  XPU_ASSIGN_OR_RETURN(settings.spoof_check, ParseSwitch(config, "spoofchk"));
  XPU_ASSIGN_OR_RETURN(settings.trust, ParseSwitch(config, "trust"));
  XPU_ASSIGN_OR_RETURN(settings.link_state, ParseLinkState(config));
  XPU_ASSIGN_OR_RETURN(settings.min_tx_rate, config.Number("min_tx_rate", 0, kMaxRate));
  XPU_ASSIGN_OR_RETURN(settings.max_tx_rate, config.Number("max_tx_rate", 0, kMaxRate));
  const uint32_t max = settings.max_tx_rate.value_or(0);
  if (max != 0 && settings.min_tx_rate.value_or(0) > max) {
    return CniConfigError(
        absl::StrCat("min_tx_rate ", *settings.min_tx_rate, " is more than max_tx_rate ", max),
        "both are in Mbit/s; lower one or raise the other");
  }
  return settings;
}

absl::StatusOr<Bandwidth> ParseBandwidth(const JsonFields& runtime) {
  XPU_ASSIGN_OR_RETURN(const JsonFields fields, runtime.Object("bandwidth"));
  Bandwidth bandwidth;
  const std::tuple<const char*, const char*, RateLimit*> ways[] = {
      {"ingressRate", "ingressBurst", &bandwidth.ingress}, {"egressRate", "egressBurst", &bandwidth.egress}};
  for (const auto& [rate_key, burst_key, limit] : ways) {
    constexpr uint64_t kAny = std::numeric_limits<uint64_t>::max();
    XPU_ASSIGN_OR_RETURN(const std::optional<uint64_t> rate, fields.Number(rate_key, 0, kAny));
    XPU_ASSIGN_OR_RETURN(const std::optional<uint64_t> burst, fields.Number(burst_key, 0, kAny));
    // A burst without a rate limits nothing.
    if (rate.value_or(0) == 0) continue;
    limit->rate = std::min(*rate, kMostBandwidth);
    limit->burst = std::min(burst.value_or(0), kMostBandwidth);
  }
  return bandwidth;
}

}  // namespace xpu
