#pragma once

#include <algorithm>
#include <cstdint>

namespace xpu {

// The most that a rate or a burst can be: a switch counts kilobits in 32 bits.
inline constexpr uint64_t kMostBandwidth = 4'000'000'000'000;

// How much may go one way: bits a second, and at once.
struct RateLimit {
  // 0: no limit, and the burst does not count.
  uint64_t rate = 0;
  // 0: a tenth of a second's, and room for a few packets of the largest size, or a slow port would never get
  // one through.
  uint64_t burst = 0;

  uint64_t BurstOrDefault() const { return burst != 0 ? burst : std::max<uint64_t>(200'000, rate / 10); }
  friend bool operator==(const RateLimit&, const RateLimit&) = default;
};

// Of a port, in the words of CNI's capability "bandwidth": ingress is what comes to the function, egress what
// it sends.
struct Bandwidth {
  RateLimit ingress;
  RateLimit egress;
  bool has_limits() const { return ingress.rate != 0 || egress.rate != 0; }
  friend bool operator==(const Bandwidth&, const Bandwidth&) = default;
};

// Lets nothing through that one of the two would not. The smaller burst counts too, or who may choose one
// limit would get around the other with a rate that is a little less and a burst that is for ever.
inline RateLimit Stricter(const RateLimit& a, const RateLimit& b) {
  if (a.rate == 0) return b;
  if (b.rate == 0) return a;
  return {.rate = std::min(a.rate, b.rate), .burst = std::min(a.BurstOrDefault(), b.BurstOrDefault())};
}

inline Bandwidth Stricter(const Bandwidth& a, const Bandwidth& b) {
  return {.ingress = Stricter(a.ingress, b.ingress), .egress = Stricter(a.egress, b.egress)};
}

}  // namespace xpu
