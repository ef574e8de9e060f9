#include "host-agent/cni/cni_error.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

TEST(CniError, CarriesCodeMessageAndDetails) {
  const absl::Status status = CniErrorStatus(CniCode::kFunctionBusy, "taken", "use another");
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(ToCniFailure(status), (CniFailure{CniCode::kFunctionBusy, "taken", "use another"}));
}

TEST(CniError, EveryCodeIsAnError) {
  for (uint32_t code : {1, 2, 3, 4, 5, 6, 7, 11, 50, 51, 100, 101, 102, 103, 104, 105}) {
    const absl::Status status = CniErrorStatus(static_cast<CniCode>(code), "m");
    EXPECT_FALSE(status.ok()) << code;
    EXPECT_EQ(static_cast<uint32_t>(ToCniFailure(status).code), code);
  }
}

TEST(CniError, AStatusCanBeGivenACode) {
  const absl::Status status = WithCniCode(absl::NotFoundError("no such bridge"), CniCode::kNetworkUnknown);
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ToCniFailure(status), (CniFailure{CniCode::kNetworkUnknown, "no such bridge", ""}));
}

TEST(CniError, OtherErrorsTellWhetherWaitingMayHelp) {
  EXPECT_EQ(ToCniFailure(absl::UnavailableError("x")).code, CniCode::kTryAgainLater);
  EXPECT_EQ(ToCniFailure(absl::DeadlineExceededError("x")).code, CniCode::kTryAgainLater);
  EXPECT_EQ(ToCniFailure(absl::ResourceExhaustedError("disk full")).code, CniCode::kIoFailure);
  EXPECT_EQ(ToCniFailure(absl::InternalError("x")).code, CniCode::kInternal);
  EXPECT_EQ(ToCniFailure(absl::InvalidArgumentError("x")).code, CniCode::kInternal);
}

}  // namespace
}  // namespace xpu
