#include "common/base/ip_address.h"

#include <arpa/inet.h>

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace xpu {
namespace {

// Untrusted text, made safe to print and bounded.
std::string Quoted(absl::string_view text) {
  return absl::StrCat("\"", absl::CEscape(text.substr(0, 64)), "\"");
}

absl::uint128 MaxValue(IpFamily family) {
  return family == IpFamily::kV4 ? absl::uint128(0xffffffffu) : absl::Uint128Max();
}

absl::uint128 HostMask(IpFamily family, int length) {
  const int host_bits = (family == IpFamily::kV4 ? 32 : 128) - length;
  if (host_bits >= 128) return absl::Uint128Max();
  return (absl::uint128(1) << host_bits) - 1;
}

// Splits "address/length"; only digits are taken as a length.
absl::StatusOr<InterfaceAddress> ParseWithLength(absl::string_view text, absl::string_view example) {
  const size_t slash = text.find('/');
  const absl::string_view digits = slash == absl::string_view::npos ? "" : text.substr(slash + 1);
  int length = 0;
  const bool numeric =
      !digits.empty() && digits.size() <= 3 &&
      std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
      absl::SimpleAtoi(digits, &length);
  auto address = IpAddress::Parse(text.substr(0, std::min(slash, text.size())));
  if (!numeric || !address.ok() || length > address->bits()) {
    return absl::InvalidArgumentError(
        absl::StrCat(Quoted(text), " is no address with a prefix length: write it like ", example));
  }
  return InterfaceAddress{*address, length};
}

}  // namespace

IpAddress::IpAddress(IpFamily family, absl::uint128 value)
    : family_(family), value_(value & MaxValue(family)) {}

absl::StatusOr<IpAddress> IpAddress::Parse(absl::string_view text) {
  const std::string terminated(text);
  uint8_t octets[16];
  // inet_pton stops at a NUL, so text with one inside would be taken for its first part.
  if (terminated.find('\0') == std::string::npos) {
    if (inet_pton(AF_INET, terminated.c_str(), octets) == 1) {
      return FromBytes(absl::string_view(reinterpret_cast<char*>(octets), 4));
    }
    if (inet_pton(AF_INET6, terminated.c_str(), octets) == 1) {
      return FromBytes(absl::string_view(reinterpret_cast<char*>(octets), 16));
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat(Quoted(text), " is no IP address: write it like 10.0.0.1 or 2001:db8::1"));
}

absl::StatusOr<IpAddress> IpAddress::FromBytes(absl::string_view bytes) {
  if (bytes.size() != 4 && bytes.size() != 16) {
    return absl::InvalidArgumentError(absl::StrCat("an IP address has 4 or 16 octets, not ", bytes.size()));
  }
  absl::uint128 value = 0;
  for (char c : bytes) value = value << 8 | static_cast<uint8_t>(c);
  return IpAddress(bytes.size() == 4 ? IpFamily::kV4 : IpFamily::kV6, value);
}

IpAddress IpAddress::LinkLocalFromMac(const MacAddress& mac) {
  const auto& o = mac.octets();
  const uint64_t interface_id = static_cast<uint64_t>(o[0] ^ 2) << 56 | static_cast<uint64_t>(o[1]) << 48 |
                                static_cast<uint64_t>(o[2]) << 40 | 0xfffeULL << 24 |
                                static_cast<uint64_t>(o[3]) << 16 | static_cast<uint64_t>(o[4]) << 8 | o[5];
  return IpAddress(IpFamily::kV6, absl::MakeUint128(0xfe80ULL << 48, interface_id));
}

std::string IpAddress::ToString() const {
  char text[INET6_ADDRSTRLEN];
  const std::string bytes = ToBytes();
  inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes.data(), text, sizeof text);
  return text;
}

std::string IpAddress::ToBytes() const {
  std::string bytes(bits() / 8, '\0');
  absl::uint128 rest = value_;
  for (auto it = bytes.rbegin(); it != bytes.rend(); ++it, rest >>= 8) {
    *it = static_cast<char>(absl::Uint128Low64(rest) & 0xff);
  }
  return bytes;
}

bool IpAddress::IsUnicast() const {
  if (is_v4()) {
    const uint32_t v = static_cast<uint32_t>(absl::Uint128Low64(value_));
    const uint32_t first = v >> 24;
    // 0/8 is "this network", 127/8 loopback, 224/4 multicast, 240/4 reserved with broadcast.
    return first != 0 && first != 127 && first < 224;
  }
  const uint8_t first = static_cast<uint8_t>(absl::Uint128High64(value_) >> 56);
  return value_ != 0 && value_ != 1 && first != 0xff;
}

absl::StatusOr<IpPrefix> IpPrefix::Make(const IpAddress& address, int length) {
  if (length < 0 || length > address.bits()) {
    return absl::InvalidArgumentError(absl::StrCat("a prefix of ", address.ToString(), " is 0 to ",
                                                   address.bits(), " bits long, not ", length));
  }
  IpPrefix prefix = Of(address, length);
  if (prefix.address_ != address) {
    return absl::InvalidArgumentError(absl::StrCat(address.ToString(), "/", length,
                                                   " has host bits set: the prefix is ", prefix.ToString()));
  }
  return prefix;
}

absl::StatusOr<IpPrefix> IpPrefix::Parse(absl::string_view text) {
  XPU_ASSIGN_OR_RETURN(const InterfaceAddress parsed, ParseWithLength(text, "10.0.0.0/24 or 2001:db8::/64"));
  return Make(parsed.address, parsed.length);
}

IpPrefix IpPrefix::Of(const IpAddress& address, int length) {
  IpPrefix prefix;
  prefix.length_ = length;
  prefix.address_ = IpAddress(address.family(), address.value() & ~HostMask(address.family(), length));
  return prefix;
}

std::string IpPrefix::ToString() const { return absl::StrCat(address_.ToString(), "/", length_); }

bool IpPrefix::Contains(const IpAddress& address) const {
  return address.family() == family() && Of(address, length_).address_ == address_;
}

bool IpPrefix::Overlaps(const IpPrefix& other) const {
  return Contains(other.address_) || other.Contains(address_);
}

IpAddress IpPrefix::Last() const {
  return IpAddress(family(), address_.value() | HostMask(family(), length_));
}

absl::StatusOr<InterfaceAddress> InterfaceAddress::Parse(absl::string_view text) {
  return ParseWithLength(text, "10.0.0.5/24 or 2001:db8::5/64");
}

std::string InterfaceAddress::ToString() const { return absl::StrCat(address.ToString(), "/", length); }

}  // namespace xpu
