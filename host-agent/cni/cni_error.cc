#include "host-agent/cni/cni_error.h"

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"

namespace xpu {
namespace {

const char kCodePayload[] = "xpu.opiproject.org/cni-code";
const char kDetailsPayload[] = "xpu.opiproject.org/cni-details";

absl::StatusCode StatusCodeFor(CniCode code) {
  switch (code) {
    case CniCode::kIncompatibleVersion:
    case CniCode::kUnsupportedField:
    case CniCode::kInvalidEnvironment:
    case CniCode::kDecodeFailure:
    case CniCode::kInvalidConfig:
      return absl::StatusCode::kInvalidArgument;
    case CniCode::kContainerUnknown:
    case CniCode::kFunctionUnknown:
    case CniCode::kNetworkUnknown:
      return absl::StatusCode::kNotFound;
    case CniCode::kTryAgainLater:
    case CniCode::kNotAvailable:
    case CniCode::kLimitedConnectivity:
      return absl::StatusCode::kUnavailable;
    case CniCode::kFunctionBusy:
    case CniCode::kAddressRefused:
    case CniCode::kCardRefused:
      return absl::StatusCode::kFailedPrecondition;
    case CniCode::kIoFailure:
    case CniCode::kInternal:
      return absl::StatusCode::kInternal;
  }
  return absl::StatusCode::kInternal;
}

CniCode CodeFor(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kAborted:
      return CniCode::kTryAgainLater;
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kDataLoss:
      return CniCode::kIoFailure;
    default:
      return CniCode::kInternal;
  }
}

}  // namespace

absl::Status CniErrorStatus(CniCode code, absl::string_view msg, absl::string_view details) {
  absl::Status status = WithCniCode(absl::Status(StatusCodeFor(code), msg), code);
  if (!details.empty()) status.SetPayload(kDetailsPayload, absl::Cord(details));
  return status;
}

absl::Status WithCniCode(const absl::Status& status, CniCode code) {
  absl::Status result = status;
  result.SetPayload(kCodePayload, absl::Cord(absl::StrCat(static_cast<uint32_t>(code))));
  return result;
}

CniFailure ToCniFailure(const absl::Status& status) {
  CniFailure failure{CodeFor(status.code()), std::string(status.message()), ""};
  if (const absl::optional<absl::Cord> code = status.GetPayload(kCodePayload)) {
    uint32_t number = 0;
    if (absl::SimpleAtoi(std::string(*code), &number)) failure.code = static_cast<CniCode>(number);
  }
  if (const absl::optional<absl::Cord> details = status.GetPayload(kDetailsPayload)) {
    failure.details = std::string(*details);
  }
  return failure;
}

}  // namespace xpu
