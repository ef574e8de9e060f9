#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/numeric/int128.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/mac_address.h"

namespace xpu {

enum class IpFamily { kV4, kV6 };

// An IPv4 or IPv6 address. A value; 0.0.0.0 by default. IPv4 sorts before IPv6. An IPv4-mapped IPv6 address
// stays IPv6.
class IpAddress {
 public:
  IpAddress() = default;
  // `value` is the address as a number, 32 bits for IPv4 (higher bits are dropped).
  IpAddress(IpFamily family, absl::uint128 value);

  // Dotted quad without leading zeros, or RFC 4291 text without a zone. InvalidArgument for anything else.
  static absl::StatusOr<IpAddress> Parse(absl::string_view text);
  // 4 or 16 octets in network byte order.
  static absl::StatusOr<IpAddress> FromBytes(absl::string_view bytes);
  // The link-local address that a kernel forms from a MAC (RFC 4291, appendix A).
  static IpAddress LinkLocalFromMac(const MacAddress& mac);

  // RFC 5952 text for IPv6.
  std::string ToString() const;
  // 4 or 16 octets in network byte order.
  std::string ToBytes() const;
  IpFamily family() const { return family_; }
  bool is_v4() const { return family_ == IpFamily::kV4; }
  bool is_v6() const { return family_ == IpFamily::kV6; }
  absl::uint128 value() const { return value_; }
  // 32 or 128.
  int bits() const { return is_v4() ? 32 : 128; }
  // May be the address of one interface: not unspecified, loopback, multicast or broadcast.
  bool IsUnicast() const;

  friend auto operator<=>(const IpAddress& a, const IpAddress& b) {
    if (auto c = a.family_ <=> b.family_; c != 0) return c;
    return a.value_ < b.value_   ? std::strong_ordering::less
           : b.value_ < a.value_ ? std::strong_ordering::greater
                                 : std::strong_ordering::equal;
  }
  friend bool operator==(const IpAddress&, const IpAddress&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const IpAddress& ip) {
    return H::combine(std::move(h), ip.family_, ip.value_);
  }

 private:
  IpFamily family_ = IpFamily::kV4;
  absl::uint128 value_ = 0;
};

// A prefix: an address whose host bits are zero, and a length.
class IpPrefix {
 public:
  IpPrefix() = default;
  // InvalidArgument if the length does not fit the family or a host bit is set.
  static absl::StatusOr<IpPrefix> Make(const IpAddress& address, int length);
  // "10.0.0.0/24".
  static absl::StatusOr<IpPrefix> Parse(absl::string_view text);
  // The prefix of `length` that `address` lies in.
  static IpPrefix Of(const IpAddress& address, int length);

  std::string ToString() const;
  const IpAddress& address() const { return address_; }
  int length() const { return length_; }
  IpFamily family() const { return address_.family(); }
  bool Contains(const IpAddress& address) const;
  bool Overlaps(const IpPrefix& other) const;
  // First and last address of the prefix, network and broadcast address included.
  IpAddress First() const { return address_; }
  IpAddress Last() const;

  friend auto operator<=>(const IpPrefix&, const IpPrefix&) = default;
  friend bool operator==(const IpPrefix&, const IpPrefix&) = default;

 private:
  IpAddress address_;
  int length_ = 0;
};

// An interface's address: "10.0.0.5/24", the host bits kept.
struct InterfaceAddress {
  IpAddress address;
  int length = 0;

  static absl::StatusOr<InterfaceAddress> Parse(absl::string_view text);
  std::string ToString() const;
  IpPrefix prefix() const { return IpPrefix::Of(address, length); }
  friend auto operator<=>(const InterfaceAddress&, const InterfaceAddress&) = default;
  friend bool operator==(const InterfaceAddress&, const InterfaceAddress&) = default;
};

}  // namespace xpu
