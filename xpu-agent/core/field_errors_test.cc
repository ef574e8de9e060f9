#include "xpu-agent/core/field_errors.h"

#include "gtest/gtest.h"

namespace xpu {
namespace {

TEST(FieldErrors, NoneIsOk) { EXPECT_EQ(FieldErrors("a.").ToStatus(), absl::OkStatus()); }

TEST(FieldErrors, TellsAllFieldsAndTheFirstErrorOfEach) {
  FieldErrors errors("svi.spec.");
  errors.Add("vrf", "is missing");
  errors.Add("mac", absl::OkStatus());
  errors.Add("vrf", "is no name");
  errors.Add("gw_ip_prefix[1]", absl::InvalidArgumentError("has no address"));
  const absl::Status status = errors.ToStatus();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_EQ(status.message(), "svi.spec.vrf: is missing. Also svi.spec.gw_ip_prefix[1]: has no address");
  EXPECT_EQ(ViolationsOf(status),
            (std::vector<FieldViolation>{{"svi.spec.vrf", "is missing"},
                                         {"svi.spec.gw_ip_prefix[1]", "has no address"}}));
}

}  // namespace
}  // namespace xpu
