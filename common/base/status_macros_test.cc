#include "common/base/status_macros.h"

#include "gtest/gtest.h"

namespace xpu {
namespace {

absl::StatusOr<int> Half(int n) {
  if (n % 2 != 0) return absl::InvalidArgumentError("odd");
  return n / 2;
}

absl::StatusOr<int> Quarter(int n) {
  XPU_ASSIGN_OR_RETURN(const int half, Half(n));
  int quarter = 0;
  XPU_ASSIGN_OR_RETURN(quarter, Half(half));
  return quarter;
}

TEST(StatusMacrosTest, PassesValuesDownAndErrorsUp) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_EQ(Quarter(6).status(), absl::InvalidArgumentError("odd"));
}

TEST(StatusMacrosTest, AnnotateKeepsCodeAndPayload) {
  absl::Status status = absl::NotFoundError("gone");
  status.SetPayload("u", absl::Cord("p"));
  const absl::Status annotated = Annotate(status, "link p0v3");
  EXPECT_EQ(annotated.message(), "link p0v3: gone");
  EXPECT_EQ(annotated.GetPayload("u"), absl::Cord("p"));
  EXPECT_TRUE(Annotate(absl::OkStatus(), "x").ok());
}

}  // namespace
}  // namespace xpu
