#include "host-agent/attach/attach_request.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "host-agent/attach/check_setup.h"
#include "host-agent/cni/cni_error.h"

namespace xpu {
namespace {

// What of a VLAN only a physical function can do.
absl::Status CheckTag(const VfSettings::Vlan& vlan) {
  std::vector<std::string> keys;
  if (vlan.qos != 0) keys.emplace_back("vlanQoS");
  if (vlan.protocol != VfSettings::Vlan().protocol) keys.emplace_back("vlanProto");
  if (keys.empty()) return absl::OkStatus();
  return CniErrorStatus(CniCode::kUnsupportedField,
                        absl::StrCat(absl::StrJoin(keys, ", "),
                                     ": the card's xPU agent tags what the function sends, and with nothing "
                                     "but the VLAN's number"),
                        "leave it out of the CNI configuration");
}

constexpr uint64_t kMbit = 1'000'000;

// What a physical function can keep, in its own unit; 0: no limit. Rounded down, but never to none.
uint32_t MaxTxRateOf(const RateLimit& egress) {
  if (egress.rate == 0) return 0;
  return static_cast<uint32_t>(std::max<uint64_t>(egress.rate / kMbit, 1));
}

// What of a pod's bandwidth only the switch of a card can keep.
absl::Status CheckBandwidth(const AttachRequest& request) {
  const Bandwidth& bandwidth = request.attachment.bandwidth;
  if (bandwidth.ingress.rate != 0) {
    return CniErrorStatus(
        CniCode::kUnsupportedField,
        absl::StrCat("runtimeConfig.bandwidth.ingressRate: the card of function ",
                     request.function.ToString(),
                     " has no xPU agent, and a physical function limits only what is sent"),
        "remove the annotation kubernetes.io/ingress-bandwidth from the pod, or the capability \"bandwidth\" "
        "from the CNI configuration");
  }
  const uint32_t min = request.settings.min_tx_rate.value_or(0);
  if (bandwidth.egress.rate == 0 || min <= MaxTxRateOf(bandwidth.egress)) return absl::OkStatus();
  return CniErrorStatus(
      CniCode::kInvalidConfig,
      absl::StrCat("min_tx_rate ", min, " is more than runtimeConfig.bandwidth.egressRate allows, ",
                   MaxTxRateOf(bandwidth.egress)),
      "both are in Mbit/s; lower one or raise the other");
}

}  // namespace

absl::Status CheckRequest(const AttachRequest& request, const IpamRunner* ipam, Tagger tagger) {
  if (request.settings.vlan && tagger == Tagger::kCard) {
    XPU_RETURN_IF_ERROR(CheckTag(*request.settings.vlan));
  }
  if (tagger == Tagger::kPhysicalFunction) XPU_RETURN_IF_ERROR(CheckBandwidth(request));
  if (!request.ipam) return absl::OkStatus();
  if (ipam == nullptr) {
    return CniErrorStatus(
        CniCode::kUnsupportedField,
        absl::StrCat("ipam: this host agent runs no IPAM plugins such as ", request.ipam->type));
  }
  if (!NeedsInterface(*request.ipam) || request.attachment.vlan) return absl::OkStatus();
  // Until the addresses are known nothing passes there that has any, and a Network knows its own.
  return CniErrorStatus(
      CniCode::kInvalidConfig,
      absl::StrCat("ipam.type ", request.ipam->type, ": ", DescribeNetwork(request.attachment),
                   " gives addresses itself"),
      "leave \"ipam\" out, or take the network of a VLAN (\"vlan\" in place of \"network\")");
}

absl::Status CheckPluginHasInterface(const AttachRequest& request, const ClaimRow& row) {
  if (!row.vfio || !request.ipam || !NeedsInterface(*request.ipam)) return absl::OkStatus();
  return CniErrorStatus(
      CniCode::kInvalidConfig,
      absl::StrCat("ipam.type ", request.ipam->type, ": it asks through the interface, and ", "function ",
                   request.function.ToString(), " has none, as vfio-pci holds it"),
      "give addresses by another plugin, or by a Network");
}

VfSettings WantedOfPf(const AttachRequest& request, const ClaimRow& row, Tagger tagger) {
  VfSettings wanted = request.settings;
  wanted.mac.reset();
  // Nobody else can give it to a function without an interface.
  if (request.mac || row.vfio) wanted.mac = row.mac;
  if (tagger == Tagger::kCard) {
    wanted.vlan.reset();
  } else if (const uint32_t asked = MaxTxRateOf(request.attachment.bandwidth.egress); asked != 0) {
    // The smaller of two limits, as on a card's switch.
    const uint32_t own = wanted.max_tx_rate.value_or(0);
    wanted.max_tx_rate = own == 0 ? asked : std::min(own, asked);
  }
  return wanted;
}

}  // namespace xpu
