#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>

#include "common/base/cni.h"

namespace xpu {

// An error as the runtime gets it. The shim does without absl::Status: it would be most of the program's
// text, and the codes that count here are CNI's.
struct CniFailure {
  uint32_t code = kCniAgentFailure;
  std::string msg;
  std::string details;
  friend bool operator==(const CniFailure&, const CniFailure&) = default;
};

// A value or the failure to get one.
template <class T>
class Outcome {
 public:
  Outcome(T value) : held_(std::move(value)) {}               // NOLINT: meant to convert
  Outcome(CniFailure failure) : held_(std::move(failure)) {}  // NOLINT: meant to convert

  bool ok() const { return held_.index() == 0; }
  // Only if ok().
  T& operator*() { return *std::get_if<0>(&held_); }
  const T& operator*() const { return *std::get_if<0>(&held_); }
  T* operator->() { return std::get_if<0>(&held_); }
  const T* operator->() const { return std::get_if<0>(&held_); }
  // Only if not ok().
  const CniFailure& failure() const { return *std::get_if<1>(&held_); }

 private:
  std::variant<T, CniFailure> held_;
};

}  // namespace xpu
