#include "common/base/pci_address.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/hex.h"

namespace xpu {
namespace {

// Reads exactly `digits` hexadecimal digits from the front of `text`; -1 if they are not there.
int64_t TakeHex(absl::string_view& text, size_t digits) {
  if (text.size() < digits) return -1;
  int64_t value = 0;
  for (char c : text.substr(0, digits)) {
    const int digit = HexDigit(c);
    if (digit < 0) return -1;
    value = value << 4 | digit;
  }
  text.remove_prefix(digits);
  return value;
}

bool TakeChar(absl::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

absl::StatusOr<PciAddress> PciAddress::Parse(absl::string_view text) {
  absl::string_view rest = text;
  const size_t colon = text.find(':');
  int64_t domain = -1, bus = -1, device = -1, function = -1;
  // Domains beyond 16 bits are real: Hyper-V and VMD use them.
  const bool good = colon >= 4 && colon <= 8 && (domain = TakeHex(rest, colon)) >= 0 && TakeChar(rest, ':') &&
                    (bus = TakeHex(rest, 2)) >= 0 && TakeChar(rest, ':') &&
                    (device = TakeHex(rest, 2)) >= 0 && device < 32 && TakeChar(rest, '.') &&
                    (function = TakeHex(rest, 1)) >= 0 && function < 8 && rest.empty();
  if (!good) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", absl::CEscape(text.substr(0, 64)),
                     "\" is no PCI address: domain:bus:device.function like 0000:03:00.2"));
  }
  return PciAddress{static_cast<uint32_t>(domain), static_cast<uint8_t>(bus), static_cast<uint8_t>(device),
                    static_cast<uint8_t>(function)};
}

std::string PciAddress::ToString() const {
  return absl::StrFormat("%04x:%02x:%02x.%x", domain, bus, device, function);
}

}  // namespace xpu
