#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace xpu {

// An Ethernet address (IEEE 802-2014, section 8). A value; all zero by default.
class MacAddress {
 public:
  constexpr MacAddress() = default;
  constexpr explicit MacAddress(const std::array<uint8_t, 6>& octets) : octets_(octets) {}

  // "02:00:00:00:00:01", upper or lower case. InvalidArgument for anything else.
  static absl::StatusOr<MacAddress> Parse(absl::string_view text);
  // The 6 octets as they are on the wire. InvalidArgument for another length.
  static absl::StatusOr<MacAddress> FromBytes(absl::string_view bytes);

  // Lower case, with colons.
  std::string ToString() const;
  std::string ToBytes() const { return std::string(octets_.begin(), octets_.end()); }
  const std::array<uint8_t, 6>& octets() const { return octets_; }

  bool IsZero() const { return *this == MacAddress(); }
  // True of broadcast too.
  bool IsMulticast() const { return (octets_[0] & 1) != 0; }
  // What a port may own: neither zero nor multicast.
  bool IsUnicast() const { return !IsZero() && !IsMulticast(); }

  friend auto operator<=>(const MacAddress&, const MacAddress&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const MacAddress& mac) {
    return H::combine(std::move(h), mac.octets_);
  }

 private:
  std::array<uint8_t, 6> octets_{};
};

}  // namespace xpu
