#include "host-agent/attach/pf_side.h"

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "host-agent/cni/cni_error.h"

namespace xpu {
namespace {

// The keys of a CNI configuration that ask for these.
std::string KeysOf(const VfSettings& settings) {
  std::vector<std::string> keys;
  if (settings.mac) keys.emplace_back("mac");
  if (settings.vlan) keys.emplace_back("vlan");
  if (settings.spoof_check) keys.emplace_back("spoofchk");
  if (settings.trust) keys.emplace_back("trust");
  if (settings.link_state) keys.emplace_back("link_state");
  if (settings.min_tx_rate) keys.emplace_back("min_tx_rate");
  if (settings.max_tx_rate) keys.emplace_back("max_tx_rate");
  return absl::StrJoin(keys, ", ");
}

absl::Status Unsupported(const FunctionId& function, const VfSettings& settings, absl::string_view why) {
  return CniErrorStatus(CniCode::kUnsupportedField,
                        absl::StrCat(KeysOf(settings), ": nothing on this host can set that for function ",
                                     function.ToString()),
                        absl::StrCat(why, "; leave it out of the CNI configuration"));
}

// Takes a field that is asked for to where it belongs: nowhere if it is so already, to the change if its
// present value is known, else to what cannot be done.
template <typename T>
void Sort(const std::optional<T>& wanted, const std::optional<T>& kept, std::optional<T>& change,
          std::optional<T>& before, std::optional<T>& impossible) {
  if (!wanted || wanted == kept) return;
  if (!kept) {
    impossible = wanted;
    return;
  }
  change = wanted;
  before = kept;
}

}  // namespace

absl::StatusOr<VfAtPf> PfSide::Find(const FunctionId& function) {
  const absl::Status nobody = absl::NotFoundError(
      absl::StrCat("function ", function.ToString(), " has no physical function with an interface here"));
  if (function.sf) return nobody;
  XPU_ASSIGN_OR_RETURN(const PciFunction found, bus_.Get(function.pci));
  if (!found.physical_function || found.vf_index < 0) return nobody;
  XPU_ASSIGN_OR_RETURN(const std::vector<std::string> names, bus_.Netdevs(*found.physical_function));
  XPU_ASSIGN_OR_RETURN(const std::unique_ptr<Netlink> netlink, netlinks_.Open(nullptr));
  for (const std::string& name : names) {
    const absl::StatusOr<Link> link = netlink->GetLink(name);
    if (link.ok()) return VfAtPf{.pf_ifindex = link->ifindex, .vf = found.vf_index};
    if (!absl::IsNotFound(link.status())) return link.status();
  }
  return nobody;
}

absl::StatusOr<VfSettings> PfSide::Read(const FunctionId& function) {
  std::optional<VfAtPf> at;
  return Look(function, &at);
}

absl::StatusOr<VfSettings> PfSide::Look(const FunctionId& function, std::optional<VfAtPf>* at) {
  at->reset();
  const absl::StatusOr<VfAtPf> found = Find(function);
  if (absl::IsNotFound(found.status())) return VfSettings();
  XPU_RETURN_IF_ERROR(found.status());
  XPU_ASSIGN_OR_RETURN(const std::unique_ptr<Netlink> netlink, netlinks_.Open(nullptr));
  absl::StatusOr<VfSettings> told = netlink->GetVf(found->pf_ifindex, found->vf);
  if (absl::IsUnimplemented(told.status()) || absl::IsNotFound(told.status())) return VfSettings();
  if (told.ok()) *at = *found;
  return told;
}

absl::StatusOr<bool> PfSide::IsSet(const ClaimRow& row, const VfSettings& wanted) {
  XPU_ASSIGN_OR_RETURN(PfChange missing, Plan(row.function, wanted));
  // Still as it was before the attachment: it was refused then, and is the card's business.
  if (missing.before.mac == row.settings_before.mac) missing.wanted.mac.reset();
  return missing.wanted.empty();
}

absl::StatusOr<PfChange> PfSide::Plan(const FunctionId& function, const VfSettings& wanted) {
  PfChange change;
  XPU_ASSIGN_OR_RETURN(const VfSettings kept, Look(function, &change.at));
  VfSettings impossible;
  VfSettings& now = change.wanted;
  VfSettings& before = change.before;
  Sort(wanted.mac, kept.mac, now.mac, before.mac, impossible.mac);
  Sort(wanted.vlan, kept.vlan, now.vlan, before.vlan, impossible.vlan);
  Sort(wanted.spoof_check, kept.spoof_check, now.spoof_check, before.spoof_check, impossible.spoof_check);
  Sort(wanted.trust, kept.trust, now.trust, before.trust, impossible.trust);
  Sort(wanted.link_state, kept.link_state, now.link_state, before.link_state, impossible.link_state);
  Sort(wanted.min_tx_rate, kept.min_tx_rate, now.min_tx_rate, before.min_tx_rate, impossible.min_tx_rate);
  Sort(wanted.max_tx_rate, kept.max_tx_rate, now.max_tx_rate, before.max_tx_rate, impossible.max_tx_rate);
  // The card sees to it.
  impossible.mac.reset();
  // What nobody tags is untagged.
  if (impossible.vlan == VfSettings::Vlan()) impossible.vlan.reset();
  if (!impossible.empty()) {
    return Unsupported(function, impossible,
                       change.at ? "the driver of its physical function does not tell it"
                                 : "it has no physical function here that keeps settings");
  }
  return change;
}

absl::Status PfSide::Set(const VfAtPf& at, const VfSettings& settings) {
  if (settings.empty()) return absl::OkStatus();
  XPU_ASSIGN_OR_RETURN(const std::unique_ptr<Netlink> netlink, netlinks_.Open(nullptr));
  return netlink->SetVf(at.pf_ifindex, at.vf, settings);
}

absl::Status PfSide::SetAllButMac(const PfChange& change) {
  if (!change.at) return absl::OkStatus();
  VfSettings others = change.wanted;
  others.mac.reset();
  others.vlan.reset();
  absl::Status status = Set(*change.at, others);
  if (absl::IsUnimplemented(status) || absl::IsInvalidArgument(status)) {
    return CniErrorStatus(CniCode::kUnsupportedField,
                          absl::StrCat(KeysOf(others), ": the physical function refuses"), status.message());
  }
  XPU_RETURN_IF_ERROR(status);
  VfSettings vlan;
  vlan.vlan = change.wanted.vlan;
  status = Set(*change.at, vlan);
  if (absl::IsUnimplemented(status) || absl::IsInvalidArgument(status)) {
    return CniErrorStatus(CniCode::kUnsupportedField,
                          "vlan, vlanQoS, vlanProto: the physical function refuses", status.message());
  }
  return status;
}

absl::Status PfSide::SetMac(const PfChange& change) {
  if (!change.at) return absl::OkStatus();
  VfSettings mac;
  mac.mac = change.wanted.mac;
  const absl::Status status = Set(*change.at, mac);
  return absl::IsUnimplemented(status) ? absl::OkStatus() : status;
}

absl::Status PfSide::PutBack(const ClaimRow& row) {
  if (row.settings_before.empty()) return absl::OkStatus();
  absl::Status status = TryToPutBack(row);
  if (absl::IsNotFound(status)) status = TryToPutBack(row);
  if (absl::IsNotFound(status)) return absl::OkStatus();
  return Annotate(status, absl::StrCat("settings of ", row.function.ToString(), " at its physical function"));
}

absl::Status PfSide::TryToPutBack(const ClaimRow& row) {
  XPU_ASSIGN_OR_RETURN(const VfAtPf at, Find(row.function));
  const VfSettings& before = row.settings_before;
  absl::Status status = Set(at, before);
  if (status.ok() || absl::IsNotFound(status)) return status;
  // One by one, as what was refused at first is refused now, too; the rates belong together.
  std::array<VfSettings, 6> parts;
  parts[0].mac = before.mac;
  parts[1].vlan = before.vlan;
  parts[2].spoof_check = before.spoof_check;
  parts[3].trust = before.trust;
  parts[4].link_state = before.link_state;
  parts[5].min_tx_rate = before.min_tx_rate;
  parts[5].max_tx_rate = before.max_tx_rate;
  status = absl::OkStatus();
  for (const VfSettings& part : parts) {
    const absl::Status set = Set(at, part);
    if (!absl::IsUnimplemented(set)) status.Update(set);
  }
  return status;
}

}  // namespace xpu
