#include "common/sys/netlink_vf.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace xpu {
namespace {

// What the kernel writes for a switch that the driver does not tell of.
constexpr uint32_t kUntold = UINT32_MAX;

std::optional<bool> SwitchOf(uint32_t setting) {
  return setting == kUntold ? std::nullopt : std::optional<bool>(setting != 0);
}

std::optional<VfSettings::LinkState> LinkStateOf(uint32_t state) {
  switch (state) {
    case IFLA_VF_LINK_STATE_AUTO:
      return VfSettings::LinkState::kAuto;
    case IFLA_VF_LINK_STATE_ENABLE:
      return VfSettings::LinkState::kEnable;
    case IFLA_VF_LINK_STATE_DISABLE:
      return VfSettings::LinkState::kDisable;
    default:
      return std::nullopt;
  }
}

uint32_t KernelsWord(VfSettings::LinkState state) {
  switch (state) {
    case VfSettings::LinkState::kAuto:
      return IFLA_VF_LINK_STATE_AUTO;
    case VfSettings::LinkState::kEnable:
      return IFLA_VF_LINK_STATE_ENABLE;
    case VfSettings::LinkState::kDisable:
      return IFLA_VF_LINK_STATE_DISABLE;
  }
  return IFLA_VF_LINK_STATE_AUTO;
}

// `info` is one IFLA_VF_INFO. Each of its attributes begins with the number of the VF.
VfSettings ParseVfInfo(const NetlinkAttributes<IFLA_VF_MAX>& info) {
  VfSettings settings;
  if (const auto mac = info.Value<ifla_vf_mac>(IFLA_VF_MAC)) {
    // Padded to the longest address that any interface has.
    auto parsed = MacAddress::FromBytes({reinterpret_cast<const char*>(mac->mac), ETH_ALEN});
    if (parsed.ok()) settings.mac = *parsed;
  }
  if (info.Has(IFLA_VF_VLAN_LIST)) {
    const NetlinkAttributes<IFLA_VF_VLAN_INFO_MAX> list(info.Get(IFLA_VF_VLAN_LIST));
    if (const auto vlan = list.Value<ifla_vf_vlan_info>(IFLA_VF_VLAN_INFO)) {
      settings.vlan = VfSettings::Vlan{static_cast<uint16_t>(vlan->vlan), static_cast<uint8_t>(vlan->qos),
                                       ntohs(vlan->vlan_proto)};
    }
  } else if (const auto old = info.Value<ifla_vf_vlan>(IFLA_VF_VLAN)) {
    settings.vlan =
        VfSettings::Vlan{static_cast<uint16_t>(old->vlan), static_cast<uint8_t>(old->qos), ETH_P_8021Q};
  }
  // Drivers that know only one kind of tag leave it out.
  if (settings.vlan && settings.vlan->protocol == 0) settings.vlan->protocol = ETH_P_8021Q;
  if (const auto rate = info.Value<ifla_vf_rate>(IFLA_VF_RATE)) {
    settings.min_tx_rate = rate->min_tx_rate;
    settings.max_tx_rate = rate->max_tx_rate;
  }
  if (const auto check = info.Value<ifla_vf_spoofchk>(IFLA_VF_SPOOFCHK)) {
    settings.spoof_check = SwitchOf(check->setting);
  }
  if (const auto trust = info.Value<ifla_vf_trust>(IFLA_VF_TRUST)) settings.trust = SwitchOf(trust->setting);
  if (const auto state = info.Value<ifla_vf_link_state>(IFLA_VF_LINK_STATE)) {
    settings.link_state = LinkStateOf(state->link_state);
  }
  return settings;
}

// Each setting by itself, with its name, in the order in which the kernel works through a request.
std::vector<std::pair<const char*, VfSettings>> Parts(const VfSettings& settings) {
  std::vector<std::pair<const char*, VfSettings>> parts;
  if (settings.mac) parts.push_back({"mac", {.mac = settings.mac}});
  if (settings.vlan) parts.push_back({"vlan", {.vlan = settings.vlan}});
  if (settings.max_tx_rate) {
    parts.push_back({"min_tx_rate and max_tx_rate",
                     {.min_tx_rate = settings.min_tx_rate, .max_tx_rate = settings.max_tx_rate}});
  }
  if (settings.spoof_check) parts.push_back({"spoofchk", {.spoof_check = settings.spoof_check}});
  if (settings.link_state) parts.push_back({"link_state", {.link_state = settings.link_state}});
  if (settings.trust) parts.push_back({"trust", {.trust = settings.trust}});
  return parts;
}

// `before` where `part` is set, so as to take that back.
VfSettings Inverse(const VfSettings& part, const VfSettings& before) {
  VfSettings back;
  if (part.mac) back.mac = before.mac;
  if (part.vlan) back.vlan = before.vlan;
  if (part.max_tx_rate && before.min_tx_rate && before.max_tx_rate) {
    back.min_tx_rate = before.min_tx_rate;
    back.max_tx_rate = before.max_tx_rate;
  }
  if (part.spoof_check) back.spoof_check = before.spoof_check;
  if (part.link_state) back.link_state = before.link_state;
  if (part.trust) back.trust = before.trust;
  return back;
}

// Whether this process may change interfaces at all: a change of nothing.
bool MayChange(NetlinkSocket& socket, int pf_ifindex) {
  ifinfomsg header{};
  header.ifi_index = pf_ifindex;
  NetlinkMessage nothing(RTM_NEWLINK, 0, header);
  return socket.Execute(nothing).ok();
}

// What a refusal means. A driver says "not permitted" where not this machine but a DPU rules the card's
// switch.
absl::Status Explain(NetlinkSocket& socket, int pf_ifindex, const char* name, const absl::Status& status) {
  const bool not_ours = absl::IsPermissionDenied(status) && MayChange(socket, pf_ifindex);
  if (!absl::IsUnimplemented(status) && !not_ours) return Annotate(status, name);
  return absl::UnimplementedError(absl::StrCat(
      name, ": ", status.message(), not_ours ? "; this host does not rule the card's switch" : "",
      "; leave it out of the configuration, or set it where the card is managed"));
}

}  // namespace

NetlinkMessage GetVfMessage(int pf_ifindex) {
  ifinfomsg header{};
  header.ifi_index = pf_ifindex;
  NetlinkMessage request(RTM_GETLINK, 0, header);
  // With statistics the answer for many VFs would not fit.
  request.PutU32(IFLA_EXT_MASK, RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS);
  return request;
}

NetlinkMessage SetVfMessage(int pf_ifindex, int vf, const VfSettings& settings) {
  const auto number = static_cast<uint32_t>(vf);
  ifinfomsg header{};
  header.ifi_index = pf_ifindex;
  NetlinkMessage request(RTM_NEWLINK, 0, header);
  nlattr* list = request.Open(IFLA_VFINFO_LIST);
  nlattr* info = request.Open(IFLA_VF_INFO);
  if (settings.mac) {
    ifla_vf_mac mac{};
    mac.vf = number;
    const std::string bytes = settings.mac->ToBytes();
    std::memcpy(mac.mac, bytes.data(), bytes.size());
    request.PutStruct(IFLA_VF_MAC, mac);
  }
  if (settings.vlan) {
    // The list and not IFLA_VF_VLAN, which cannot say the protocol.
    nlattr* vlans = request.Open(IFLA_VF_VLAN_LIST);
    ifla_vf_vlan_info vlan{};
    vlan.vf = number;
    vlan.vlan = settings.vlan->id;
    vlan.qos = settings.vlan->qos;
    vlan.vlan_proto = htons(settings.vlan->protocol);
    request.PutStruct(IFLA_VF_VLAN_INFO, vlan);
    request.Close(vlans);
  }
  if (settings.max_tx_rate) {
    request.PutStruct(IFLA_VF_RATE,
                      ifla_vf_rate{number, settings.min_tx_rate.value_or(0), *settings.max_tx_rate});
  }
  if (settings.spoof_check) {
    request.PutStruct(IFLA_VF_SPOOFCHK, ifla_vf_spoofchk{number, *settings.spoof_check ? 1u : 0u});
  }
  if (settings.link_state) {
    request.PutStruct(IFLA_VF_LINK_STATE, ifla_vf_link_state{number, KernelsWord(*settings.link_state)});
  }
  if (settings.trust) request.PutStruct(IFLA_VF_TRUST, ifla_vf_trust{number, *settings.trust ? 1u : 0u});
  request.Close(info);
  request.Close(list);
  return request;
}

absl::StatusOr<VfSettings> ParseVf(const nlmsghdr* message, int vf) {
  const NetlinkAttributes<IFLA_MAX> attributes(message, sizeof(ifinfomsg));
  const uint32_t count = attributes.U32(IFLA_NUM_VF);
  if (vf < 0 || static_cast<uint32_t>(vf) >= count) {
    return absl::NotFoundError(absl::StrCat("it has ", count, " VFs, counted from 0"));
  }
  if (attributes.Has(IFLA_VFINFO_LIST)) {
    nlattr* info;
    int left;
    nla_for_each_nested(info, attributes.Get(IFLA_VFINFO_LIST), left) {
      if (nla_type(info) != IFLA_VF_INFO) continue;
      const NetlinkAttributes<IFLA_VF_MAX> parsed(info);
      const auto mac = parsed.Value<ifla_vf_mac>(IFLA_VF_MAC);
      if (mac && mac->vf == static_cast<uint32_t>(vf)) return ParseVfInfo(parsed);
    }
  }
  return absl::UnimplementedError("the driver tells nothing of its VFs");
}

absl::StatusOr<VfSettings> QueryVf(NetlinkSocket& socket, int pf_ifindex, int vf) {
  NetlinkMessage request = GetVfMessage(pf_ifindex);
  absl::StatusOr<VfSettings> settings = absl::InternalError("the kernel's answer names no interface");
  XPU_RETURN_IF_ERROR(socket.Ask(request, [&](const nlmsghdr* message) {
    if (message->nlmsg_type == RTM_NEWLINK) settings = ParseVf(message, vf);
  }));
  return settings;
}

absl::Status ChangeVf(NetlinkSocket& socket, int pf_ifindex, int vf, const VfSettings& settings) {
  XPU_RETURN_IF_ERROR(CheckVfSettings(settings));
  const auto told = QueryVf(socket, pf_ifindex, vf);
  if (!told.ok() && !absl::IsUnimplemented(told.status())) return told.status();
  const VfSettings before = told.value_or(VfSettings());
  VfSettings wanted = settings;
  if (settings.min_tx_rate || settings.max_tx_rate) {
    // The kernel takes both or none.
    wanted.min_tx_rate = settings.min_tx_rate ? settings.min_tx_rate : before.min_tx_rate.value_or(0);
    wanted.max_tx_rate = settings.max_tx_rate ? settings.max_tx_rate : before.max_tx_rate.value_or(0);
    XPU_RETURN_IF_ERROR(CheckVfSettings(wanted));
  }
  if (wanted.empty()) return absl::OkStatus();
  NetlinkMessage all = SetVfMessage(pf_ifindex, vf, wanted);
  if (socket.Execute(all).ok()) return absl::OkStatus();
  // The kernel works through them in order and does not say which one the driver did not take. One by one,
  // then; to set again what is set changes nothing.
  for (const auto& [name, part] : Parts(wanted)) {
    NetlinkMessage request = SetVfMessage(pf_ifindex, vf, part);
    const absl::Status status = socket.Execute(request);
    if (status.ok()) continue;
    for (const auto& [done_name, done] : Parts(wanted)) {
      if (done == part) break;
      const VfSettings inverse = Inverse(done, before);
      if (inverse.empty()) continue;
      NetlinkMessage undo = SetVfMessage(pf_ifindex, vf, inverse);
      const absl::Status undone = socket.Execute(undo);
      if (!undone.ok()) {
        return Annotate(Explain(socket, pf_ifindex, name, status),
                        absl::StrCat("left half done (", done_name, ": ", undone.message(), ")"));
      }
    }
    return Explain(socket, pf_ifindex, name, status);
  }
  return absl::OkStatus();
}

}  // namespace xpu
