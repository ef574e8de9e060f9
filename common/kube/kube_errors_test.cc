#include "common/kube/kube_errors.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;

nlohmann::json StatusOf(int code, const std::string& reason, const std::string& message) {
  return {
      {"kind", "Status"}, {"status", "Failure"}, {"code", code}, {"reason", reason}, {"message", message}};
}

TEST(KubeErrorsTest, CodesFollowTheContractAndMessagesTheServer) {
  const struct {
    int code;
    const char* reason;
    absl::StatusCode want;
  } kCases[] = {
      {400, "BadRequest", absl::StatusCode::kInvalidArgument},
      {401, "Unauthorized", absl::StatusCode::kUnauthenticated},
      {403, "Forbidden", absl::StatusCode::kPermissionDenied},
      {404, "NotFound", absl::StatusCode::kNotFound},
      {405, "MethodNotAllowed", absl::StatusCode::kUnimplemented},
      {409, "AlreadyExists", absl::StatusCode::kAlreadyExists},
      {409, "Conflict", absl::StatusCode::kAborted},
      {410, "Expired", absl::StatusCode::kOutOfRange},
      {410, "Gone", absl::StatusCode::kOutOfRange},
      {415, "UnsupportedMediaType", absl::StatusCode::kInvalidArgument},
      {422, "Invalid", absl::StatusCode::kInvalidArgument},
      {429, "TooManyRequests", absl::StatusCode::kResourceExhausted},
      {500, "InternalError", absl::StatusCode::kUnavailable},
      {503, "ServiceUnavailable", absl::StatusCode::kUnavailable},
  };
  for (const auto& c : kCases) {
    const absl::Status status = FromHttpError(c.code, StatusOf(c.code, c.reason, "why").dump(), "GET /x");
    EXPECT_EQ(status.code(), c.want) << c.code << " " << c.reason;
    EXPECT_EQ(status.message(), "why");
  }
}

TEST(KubeErrorsTest, AnAnswerThatIsNoStatusIsQuotedWithItsRequest) {
  const absl::Status status = FromHttpError(502, "<html>Bad Gateway</html>", "GET /apis");
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(status.message(), HasSubstr("GET /apis"));
  EXPECT_THAT(status.message(), HasSubstr("502"));
  EXPECT_THAT(status.message(), HasSubstr("Bad Gateway"));
  EXPECT_TRUE(absl::IsNotFound(FromHttpError(404, "", "GET /apis")));
  EXPECT_LT(FromHttpError(500, std::string(100000, 'x'), "GET /").message().size(), 1000u);
}

TEST(KubeErrorsTest, OddStatusesAreErrorsToo) {
  for (const char* text : {"null", "[]", "{}", R"({"code": "x", "message": 7})", R"({"code": 200})"}) {
    EXPECT_FALSE(FromKubeStatus(nlohmann::json::parse(text)).ok()) << text;
  }
  EXPECT_TRUE(absl::IsOutOfRange(FromKubeStatus(StatusOf(410, "Expired", ""))));
}

}  // namespace
}  // namespace xpu
