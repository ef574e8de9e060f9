#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/ip_address.h"
#include "common/base/mac_address.h"
#include "opi/network/evpn_gw/v1alpha1/evpn_gw.pb.h"
#include "xpu-agent/core/converger.h"

namespace xpu {

// What OPI's messages are made of, in the words of the model and back. Errors are InvalidArgument and do not
// name the field.

namespace evpn = ::opi_api::network::evpn_gw::v1alpha1;
namespace network = ::opi_api::network::opinetcommon::v1alpha1;

absl::StatusOr<InterfaceAddress> ParseIpPrefix(const network::IPPrefix& prefix);
network::IPPrefix ShowIpPrefix(const InterfaceAddress& address);
// The 6 octets of a MAC address.
absl::StatusOr<MacAddress> ParseMac(absl::string_view bytes);
// How far the switch has come with an object, as the component "switch".
evpn::Component ShowSwitch(const ObjectState& state);
// A part of the system that does not do what the object asks for, and why.
evpn::Component ShowMissing(absl::string_view part, absl::string_view why);

}  // namespace xpu
