#include "common/api/formats.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "common/base/function_id.h"
#include "common/base/ip_address.h"
#include "common/base/mac_address.h"
#include "common/base/pci_address.h"

namespace xpu::api {
namespace {

bool IsLabelCharacter(char c) { return absl::ascii_islower(c) || absl::ascii_isdigit(c); }

bool IsLabelText(absl::string_view text) {
  if (text.empty() || !IsLabelCharacter(text.front()) || !IsLabelCharacter(text.back())) return false;
  for (char c : text) {
    if (!IsLabelCharacter(c) && c != '-') return false;
  }
  return true;
}

}  // namespace

bool IsDnsLabel(absl::string_view text) { return text.size() <= 63 && IsLabelText(text); }

bool IsDnsSubdomain(absl::string_view text) {
  if (text.size() > 253) return false;
  for (absl::string_view label : absl::StrSplit(text, '.')) {
    if (!IsLabelText(label)) return false;
  }
  return true;
}

std::string CheckFormat(v1alpha1::Format format, absl::string_view text) {
  switch (format) {
    case v1alpha1::FORMAT_MAC: {
      absl::StatusOr<MacAddress> mac = MacAddress::Parse(text);
      if (!mac.ok()) return "a MAC address such as \"02:00:00:00:00:01\"";
      if (!mac->IsUnicast()) return "the MAC address of one interface: neither zero nor multicast";
      return "";
    }
    case v1alpha1::FORMAT_IP:
      return IpAddress::Parse(text).ok() ? ""
                                         : "an IPv4 or IPv6 address such as \"10.0.0.1\" or \"2001:db8::1\"";
    case v1alpha1::FORMAT_PREFIX:
      if (IpPrefix::Parse(text).ok()) return "";
      if (absl::StatusOr<InterfaceAddress> address = InterfaceAddress::Parse(text); address.ok()) {
        return "a prefix whose host bits are zero: \"" + address->prefix().ToString() + "\"";
      }
      return "a prefix such as \"10.0.0.0/24\" or \"2001:db8::/64\"";
    case v1alpha1::FORMAT_IP_WITH_LENGTH:
      return InterfaceAddress::Parse(text).ok()
                 ? ""
                 : "an address with the length of its prefix, such as \"10.0.0.5/24\"";
    case v1alpha1::FORMAT_PCI_ADDRESS:
      return PciAddress::Parse(text).ok() ? "" : "a PCI address such as \"0000:03:00.2\"";
    case v1alpha1::FORMAT_FUNCTION_ID:
      return FunctionId::Parse(text).ok()
                 ? ""
                 : "a PCI address such as \"0000:03:00.2\", or a subfunction such as \"0000:03:00.0-sf88\"";
    case v1alpha1::FORMAT_IP_MAYBE_WITH_LENGTH:
      return IpAddress::Parse(text).ok() || InterfaceAddress::Parse(text).ok()
                 ? ""
                 : "an address such as \"10.0.0.5\", or with the length of its prefix \"10.0.0.5/24\"";
    case v1alpha1::FORMAT_DNS_LABEL:
      return IsDnsLabel(text) ? ""
                              : "at most 63 lower-case letters, digits and '-', beginning and ending with a "
                                "letter or digit";
    case v1alpha1::FORMAT_DNS_SUBDOMAIN:
      return IsDnsSubdomain(text)
                 ? ""
                 : "at most 253 lower-case letters, digits, '-' and '.', each part beginning and "
                   "ending with a letter or digit";
    default:
      return "";
  }
}

}  // namespace xpu::api
