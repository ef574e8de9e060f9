#pragma once

#include <cstdint>

#include "absl/status/status.h"

namespace xpu::cel {

// What a rule may cost. A step is about one operation on a value of fixed size: strings count a step for ten
// octets that are looked at or made, lists and maps one for each element, regular expressions as Kubernetes
// counts them, by the product of text and pattern. One thread at a time.
class Budget {
 public:
  explicit Budget(uint64_t steps) : left_(steps) {}

  uint64_t left() const { return left_; }
  // Takes `steps`; false, now and ever after, if there are not so many left.
  bool Spend(uint64_t steps) {
    if (steps > left_) {
      left_ = 0;
      exhausted_ = true;
      return false;
    }
    left_ -= steps;
    return !exhausted_;
  }
  bool SpendOnText(uint64_t octets) { return Spend(1 + octets / 10); }
  bool exhausted() const { return exhausted_; }

 private:
  uint64_t left_;
  bool exhausted_ = false;
};

// ResourceExhausted: the only error that && and || do not swallow.
inline absl::Status Exhausted() {
  return absl::ResourceExhaustedError(
      "costs more steps than a rule may; bound lists, maps and strings by "
      "maxItems, maxProperties and maxLength, or make the rule simpler");
}

}  // namespace xpu::cel
