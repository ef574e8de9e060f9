#include "control-plane/apiserver/store/api_error.h"

#include <gtest/gtest.h>

#include "common/base/status_macros.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;

const ResourceKind kNetworks = {"xpu.opiproject.org", "v1alpha1", "Network", "networks"};
const ResourceKind kNamespaces = {"", "v1", "Namespace", "namespaces"};

TEST(ApiErrorTest, EachErrorIsKubernetesStatusOfItsReason) {
  struct Case {
    absl::Status error;
    int code;
    const char* reason;
  };
  const Case cases[] = {{NotFound(kNetworks, "blue"), 404, "NotFound"},
                        {AlreadyExists(kNetworks, "blue"), 409, "AlreadyExists"},
                        {Conflict(kNetworks, "blue", "why"), 409, "Conflict"},
                        {Invalid(kNetworks, "blue", {}), 422, "Invalid"},
                        {BadRequest("why"), 400, "BadRequest"},
                        {Forbidden(kNetworks, "blue", "why"), 403, "Forbidden"},
                        {Expired("why"), 410, "Expired"},
                        {MethodNotAllowed("why"), 405, "MethodNotAllowed"},
                        {UnsupportedMediaType("why"), 415, "UnsupportedMediaType"},
                        {RequestTooLarge("why"), 413, "RequestEntityTooLarge"},
                        {NoSuchPath(), 404, "NotFound"},
                        {absl::InternalError("why"), 500, "InternalError"},
                        {absl::ResourceExhaustedError("disk full"), 507, "InsufficientStorage"}};
  for (const Case& c : cases) {
    json status = StatusObject(c.error);
    EXPECT_EQ(status["code"], c.code) << c.error;
    EXPECT_EQ(status["reason"], c.reason);
    EXPECT_EQ(status["kind"], "Status");
    EXPECT_EQ(status["apiVersion"], "v1");
    EXPECT_EQ(status["status"], "Failure");
    EXPECT_EQ(status["message"], std::string(c.error.message()));
  }
}

TEST(ApiErrorTest, MessagesNameResourcesAsKubernetesDoes) {
  EXPECT_EQ(NotFound(kNetworks, "blue").message(), "networks.xpu.opiproject.org \"blue\" not found");
  EXPECT_EQ(NotFound(kNamespaces, "blue").message(), "namespaces \"blue\" not found");
}

TEST(ApiErrorTest, AnInvalidObjectHasACauseForEachField) {
  json status = StatusObject(Invalid(kNetworks, "blue",
                                     {{"FieldValueRequired", "spec.vni", "must be set"},
                                      {"FieldValueInvalid", "spec.prefixes[1]", "must be a prefix"}}));
  EXPECT_EQ(
      status["message"],
      "Network.xpu.opiproject.org \"blue\" is invalid: [spec.vni: must be set; spec.prefixes[1]: must be a "
      "prefix]");
  EXPECT_EQ(status["details"], json::parse(R"({
      "kind": "Network", "group": "xpu.opiproject.org", "name": "blue", "causes": [
        {"reason": "FieldValueRequired", "field": "spec.vni", "message": "must be set"},
        {"reason": "FieldValueInvalid", "field": "spec.prefixes[1]", "message": "must be a prefix"}]})"));
}

TEST(ApiErrorTest, WordsAddedOnTheWayUpDoNotChangeTheAnswer) {
  json status = StatusObject(Annotate(NotFound(kNetworks, "blue"), "reading"));
  EXPECT_EQ(status["code"], 404);
  EXPECT_EQ(status["details"]["name"], "blue");
}

TEST(ApiErrorTest, NoTextBreaksTheAnswer) {
  EXPECT_FALSE(StatusObject(BadRequest("\xff\xfe")).dump().empty());
}

}  // namespace
}  // namespace xpu::apiserver
