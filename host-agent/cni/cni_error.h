#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/base/cni.h"

namespace xpu {

// Codes of errors: those of the specification (common/base/cni.h), and from 101 on the host agent's own.
enum class CniCode : uint32_t {
  kIncompatibleVersion = kCniIncompatibleVersion,
  kUnsupportedField = kCniUnsupportedField,
  kContainerUnknown = kCniUnknownContainer,
  kInvalidEnvironment = kCniInvalidEnvironment,
  kIoFailure = kCniIoFailure,
  kDecodeFailure = kCniDecodingFailure,
  kInvalidConfig = kCniInvalidConfig,
  kTryAgainLater = kCniTryAgainLater,
  kNotAvailable = kCniNotAvailable,
  kLimitedConnectivity = kCniLimitedConnectivity,
  kInternal = kCniAgentFailure,
  // No such function on this host.
  kFunctionUnknown = 101,
  // The function is somebody else's.
  kFunctionBusy = 102,
  kNetworkUnknown = 103,
  // The address or MAC is another's, or none is left.
  kAddressRefused = 104,
  // The card's agent said no for another reason.
  kCardRefused = 105,
};

// What goes to the runtime.
struct CniFailure {
  CniCode code = CniCode::kInternal;
  // One line: what was asked and what is wrong.
  std::string msg;
  // What to do about it, and the rest.
  std::string details;
  friend bool operator==(const CniFailure&, const CniFailure&) = default;
};

// A CNI error travels as a status with a payload. `status_code` is for callers that know nothing of CNI.
absl::Status CniErrorStatus(CniCode code, absl::string_view msg, absl::string_view details = "");
// The same status with another CNI code, for where the layer below does not know what its error means to CNI.
absl::Status WithCniCode(const absl::Status& status, CniCode code);

// The CNI error of any status that is not OK. One without payload becomes "try again later" if waiting may
// help (Unavailable, DeadlineExceeded, Aborted), an I/O failure for a full disk, else an internal error.
CniFailure ToCniFailure(const absl::Status& status);

}  // namespace xpu
