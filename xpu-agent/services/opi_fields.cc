#include "xpu-agent/services/opi_fields.h"

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace xpu {

absl::StatusOr<InterfaceAddress> ParseIpPrefix(const network::IPPrefix& prefix) {
  IpAddress address;
  switch (prefix.addr().v4_or_v6_case()) {
    case network::IPAddress::kV4Addr:
      address = IpAddress(IpFamily::kV4, prefix.addr().v4_addr());
      break;
    case network::IPAddress::kV6Addr: {
      if (prefix.addr().v6_addr().size() != 16)
        return absl::InvalidArgumentError("v6_addr must be 16 octets");
      XPU_ASSIGN_OR_RETURN(address, IpAddress::FromBytes(prefix.addr().v6_addr()));
      break;
    }
    case network::IPAddress::V4_OR_V6_NOT_SET:
      return absl::InvalidArgumentError("has no address");
  }
  network::IpAf af = address.is_v4() ? network::IP_AF_INET : network::IP_AF_INET6;
  if (prefix.addr().af() != af && prefix.addr().af() != network::IP_AF_UNSPECIFIED) {
    return absl::InvalidArgumentError("af does not fit the address");
  }
  if (prefix.len() < 0 || prefix.len() > address.bits()) {
    return absl::InvalidArgumentError(
        absl::StrCat("len ", prefix.len(), " is not from 0 to ", address.bits()));
  }
  return InterfaceAddress{address, prefix.len()};
}

network::IPPrefix ShowIpPrefix(const InterfaceAddress& from) {
  network::IPPrefix prefix;
  prefix.set_len(from.length);
  if (from.address.is_v4()) {
    prefix.mutable_addr()->set_af(network::IP_AF_INET);
    prefix.mutable_addr()->set_v4_addr(static_cast<uint32_t>(from.address.value()));
  } else {
    prefix.mutable_addr()->set_af(network::IP_AF_INET6);
    prefix.mutable_addr()->set_v6_addr(from.address.ToBytes());
  }
  return prefix;
}

absl::StatusOr<MacAddress> ParseMac(absl::string_view bytes) {
  if (bytes.size() != 6) {
    return absl::InvalidArgumentError(absl::StrCat("a MAC address is 6 octets, this is ", bytes.size()));
  }
  return MacAddress::FromBytes(bytes);
}

evpn::Component ShowSwitch(const ObjectState& state) {
  evpn::Component component;
  component.set_name("switch");
  switch (state.kind) {
    case ObjectState::kConfirmed:
      component.set_status(evpn::COMP_STATUS_SUCCESS);
      break;
    case ObjectState::kPending:
      component.set_status(evpn::COMP_STATUS_PENDING);
      break;
    case ObjectState::kFailed:
      component.set_status(evpn::COMP_STATUS_ERROR);
      break;
  }
  component.set_details(std::string(state.why.message()));
  return component;
}

evpn::Component ShowMissing(absl::string_view part, absl::string_view why) {
  evpn::Component component;
  component.set_name(std::string(part));
  component.set_status(evpn::COMP_STATUS_ERROR);
  component.set_details(absl::StrCat("not realised: ", why));
  return component;
}

}  // namespace xpu
