#include "xpu-agent/controllers/network_gateway.h"

#include <optional>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/ip_address.h"
#include "common/base/status_macros.h"
#include "common/opi/opi_client.h"
#include "common/opi/opi_names.h"
#include "google/protobuf/util/message_differencer.h"
#include "xpu-agent/controllers/network_controller.h"
#include "xpu/api/v1alpha1/network.pb.h"

namespace xpu {
namespace {

using api::v1alpha1::NetworkSpec;
using google::protobuf::util::MessageDifferencer;
using opi_api::network::opinetcommon::v1alpha1::IP_AF_INET;
using opi_api::network::opinetcommon::v1alpha1::IP_AF_INET6;
using opi_api::network::opinetcommon::v1alpha1::IPPrefix;

constexpr absl::string_view kOwn = "network.";
constexpr absl::string_view kShared = "vrf.";

// A domain of this controller's, and not one that another OPI client has made.
bool IsOfNetworks(const std::string& vrf) {
  return absl::StartsWith(vrf, VrfName(kOwn)) || absl::StartsWith(vrf, VrfName(kShared));
}

std::string VrfIdOf(const ResourceName& name, const NetworkSpec& spec) {
  // The first word tells the two kinds apart; a namespace has no dots.
  if (spec.vrf().empty()) return absl::StrCat(kOwn, name.ns, ".", name.name);
  return absl::StrCat(kShared, name.ns, ".", spec.vrf());
}

IPPrefix ToProto(const InterfaceAddress& address) {
  IPPrefix prefix;
  prefix.set_len(address.length);
  prefix.mutable_addr()->set_af(address.address.is_v4() ? IP_AF_INET : IP_AF_INET6);
  if (address.address.is_v4()) {
    prefix.mutable_addr()->set_v4_addr(static_cast<uint32_t>(address.address.value()));
  } else {
    prefix.mutable_addr()->set_v6_addr(address.address.ToBytes());
  }
  return prefix;
}

absl::StatusOr<evpn::SviSpec> WantedSvi(const ResourceName& name, const NetworkSpec& spec) {
  evpn::SviSpec svi;
  svi.set_vrf(VrfName(VrfIdOf(name, spec)));
  svi.set_logical_bridge(LogicalBridgeName(NetworkController::BridgeId(name)));
  for (const std::string& text : spec.gateways()) {
    XPU_ASSIGN_OR_RETURN(const IpAddress gateway, IpAddress::Parse(text));
    std::optional<int> length;
    for (const std::string& prefix_text : spec.prefixes()) {
      XPU_ASSIGN_OR_RETURN(const IpPrefix prefix, IpPrefix::Parse(prefix_text));
      if (prefix.Contains(gateway)) length = prefix.length();
    }
    if (!length) {
      return absl::InvalidArgumentError(absl::StrCat("spec.gateways: ", text, " is in none of the prefixes ",
                                                     absl::StrJoin(spec.prefixes(), ", ")));
    }
    *svi.add_gw_ip_prefix() = ToProto({gateway, *length});
  }
  return svi;
}

// The agent gives the MAC.
bool IsWanted(const evpn::SviSpec& there, const evpn::SviSpec& wanted) {
  evpn::SviSpec comparable = wanted;
  comparable.set_mac_address(there.mac_address());
  return MessageDifferencer::Equals(there, comparable);
}

}  // namespace

absl::Status NetworkGateway::Ensure(const ResourceName& name, const NetworkSpec& spec) {
  if (spec.gateways().empty()) return Remove(name);
  XPU_ASSIGN_OR_RETURN(const evpn::SviSpec wanted, WantedSvi(name, spec));
  const std::string id = NetworkController::BridgeId(name);
  const absl::StatusOr<evpn::Svi> there = opi_->GetSvi(SviName(id));
  if (there.ok() && IsWanted(there->spec(), wanted)) return absl::OkStatus();
  if (!there.ok() && !absl::IsNotFound(there.status())) return there.status();
  XPU_RETURN_IF_ERROR(opi_->CreateVrf(VrfIdOf(name, spec), evpn::VrfSpec()).status());
  if (!there.ok()) return opi_->CreateSvi(id, wanted).status();
  evpn::SviSpec next = wanted;
  next.set_mac_address(there->spec().mac_address());
  XPU_RETURN_IF_ERROR(opi_->UpdateSvi(SviName(id), next).status());
  if (there->spec().vrf() == wanted.vrf()) return absl::OkStatus();
  return DeleteUnusedVrfs();
}

absl::Status NetworkGateway::Remove(const ResourceName& name) {
  const std::string svi = SviName(NetworkController::BridgeId(name));
  const absl::Status there = opi_->GetSvi(svi).status();
  // A bridge of another vendor may know no gateways.
  if (absl::IsNotFound(there) || absl::IsUnimplemented(there)) return absl::OkStatus();
  XPU_RETURN_IF_ERROR(there);
  XPU_RETURN_IF_ERROR(opi_->DeleteSvi(svi));
  return DeleteUnusedVrfs();
}

absl::Status NetworkGateway::DeleteUnusedVrfs() {
  const absl::StatusOr<std::vector<evpn::Vrf>> vrfs = opi_->ListVrfs();
  if (absl::IsUnimplemented(vrfs.status())) return absl::OkStatus();
  XPU_RETURN_IF_ERROR(vrfs.status());
  XPU_ASSIGN_OR_RETURN(const std::vector<evpn::Svi> svis, opi_->ListSvis());
  std::set<std::string> used;
  for (const evpn::Svi& svi : svis) used.insert(svi.spec().vrf());
  for (const evpn::Vrf& vrf : *vrfs) {
    if (used.contains(vrf.name()) || !IsOfNetworks(vrf.name())) continue;
    // Somebody else may have come to use it.
    const absl::Status deleted = opi_->DeleteVrf(vrf.name());
    if (!deleted.ok() && !absl::IsFailedPrecondition(deleted)) return deleted;
  }
  return absl::OkStatus();
}

}  // namespace xpu
