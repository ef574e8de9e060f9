#include "host-agent/attach/attach_request.h"

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

}  // namespace

absl::Status CheckRequest(const AttachRequest& request, const IpamRunner* ipam, Tagger tagger) {
  if (request.settings.vlan && tagger == Tagger::kCard) {
    XPU_RETURN_IF_ERROR(CheckTag(*request.settings.vlan));
  }
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
  if (tagger == Tagger::kCard) wanted.vlan.reset();
  return wanted;
}

}  // namespace xpu
