#include "common/base/mac_address.h"

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/hex.h"

namespace xpu {
absl::StatusOr<MacAddress> MacAddress::Parse(absl::string_view text) {
  std::array<uint8_t, 6> octets;
  bool good = text.size() == 17;
  for (int i = 0; good && i < 6; ++i) {
    const int high = HexDigit(text[i * 3]), low = HexDigit(text[i * 3 + 1]);
    good = high >= 0 && low >= 0 && (i == 5 || text[i * 3 + 2] == ':');
    if (good) octets[i] = static_cast<uint8_t>(high << 4 | low);
  }
  if (!good) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", absl::CEscape(text.substr(0, 64)), "\" is no MAC address: six octets like 02:00:00:00:00:01"));
  }
  return MacAddress(octets);
}

absl::StatusOr<MacAddress> MacAddress::FromBytes(absl::string_view bytes) {
  if (bytes.size() != 6) {
    return absl::InvalidArgumentError(absl::StrCat("a MAC address has 6 octets, not ", bytes.size()));
  }
  std::array<uint8_t, 6> octets;
  for (int i = 0; i < 6; ++i) octets[i] = static_cast<uint8_t>(bytes[i]);
  return MacAddress(octets);
}

std::string MacAddress::ToString() const {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text(17, ':');
  for (int i = 0; i < 6; ++i) {
    text[i * 3] = kDigits[octets_[i] >> 4];
    text[i * 3 + 1] = kDigits[octets_[i] & 15];
  }
  return text;
}

}  // namespace xpu
