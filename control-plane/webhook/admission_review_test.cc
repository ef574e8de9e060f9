#include "control-plane/webhook/admission_review.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu::webhook {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

json Network(const std::string& prefix = "10.0.0.0/24") {
  return {{"apiVersion", "xpu.opiproject.org/v1alpha1"},
          {"kind", "Network"},
          {"metadata",
           {{"name", "blue"},
            {"namespace", "default"},
            // Newer servers say more there than is known here.
            {"managedFields", {{{"manager", "kubectl"}}}},
            {"selfLinkOfTheFuture", "x"}}},
          {"spec", {{"vni", 5001}, {"prefixes", {prefix}}}}};
}

json ReviewOf(const std::string& operation, const json& object, const json& old = nullptr,
              const std::string& subresource = "") {
  json request = {{"uid", "705ab4f5"}, {"operation", operation}, {"object", object},
                  {"oldObject", old},  {"name", "blue"},         {"namespace", "default"}};
  if (!subresource.empty()) request["subResource"] = subresource;
  return {{"apiVersion", "admission.k8s.io/v1"}, {"kind", "AdmissionReview"}, {"request", request}};
}

json Answer(const json& review) {
  const auto answer = Review(review);
  EXPECT_TRUE(answer.ok()) << answer.status();
  if (!answer.ok()) return json::object();
  EXPECT_EQ((*answer)["apiVersion"], "admission.k8s.io/v1");
  EXPECT_EQ((*answer)["kind"], "AdmissionReview");
  EXPECT_EQ((*answer)["response"]["uid"], "705ab4f5");
  return (*answer)["response"];
}

TEST(AdmissionReviewTest, WhatIsRightIsAllowed) {
  EXPECT_EQ(Answer(ReviewOf("CREATE", Network())), json({{"uid", "705ab4f5"}, {"allowed", true}}));
}

TEST(AdmissionReviewTest, WhatIsWrongIsRefusedWithTheServersWords) {
  const json response = Answer(ReviewOf("CREATE", Network("10.0.0.1/24")));
  EXPECT_EQ(response["allowed"], false);
  const json& status = response["status"];
  EXPECT_EQ(status["code"], 422);
  EXPECT_EQ(status["reason"], "Invalid");
  EXPECT_THAT(status["message"].get<std::string>(),
              HasSubstr("Network.xpu.opiproject.org \"blue\" is invalid"));
  ASSERT_EQ(status["details"]["causes"].size(), 1u);
  EXPECT_EQ(status["details"]["causes"][0]["field"], "spec.prefixes[0]");
}

TEST(AdmissionReviewTest, AnUpdateIsHeldAgainstWhatWasThere) {
  json netdev = {{"apiVersion", "xpu.opiproject.org/v1alpha1"},
                 {"kind", "Netdev"},
                 {"metadata", {{"name", "n"}, {"namespace", "default"}}},
                 {"spec",
                  {{"host", "node-1"},
                   {"function", "0000:03:00.2"},
                   {"card", "card0"},
                   {"port", "host0-0"},
                   {"claim", 1}}}};
  json changed = netdev;
  changed["spec"]["claim"] = 2;
  EXPECT_EQ(Answer(ReviewOf("UPDATE", changed, netdev))["allowed"], true);
  changed["spec"]["card"] = "card1";
  const json response = Answer(ReviewOf("UPDATE", changed, netdev));
  EXPECT_EQ(response["allowed"], false);
  EXPECT_THAT(response["status"]["message"].get<std::string>(), HasSubstr("spec.card"));
}

TEST(AdmissionReviewTest, AnObjectOfOlderRulesCanLoseItsFinalizer) {
  json old = Network("not a prefix");
  old["metadata"]["finalizers"] = {"xpu.opiproject.org/agent"};
  EXPECT_EQ(Answer(ReviewOf("UPDATE", Network("not a prefix"), old))["allowed"], true);
  json other = Network("not one either");
  EXPECT_EQ(Answer(ReviewOf("UPDATE", other, old))["allowed"], false);
}

TEST(AdmissionReviewTest, EachWriterAnswersForItsPart) {
  json object = Network("not a prefix");
  object["status"]["cards"] = {{{"card", "card0"}, {"ports", 2}}};
  EXPECT_EQ(Answer(ReviewOf("UPDATE", object, Network("not a prefix"), "status"))["allowed"], true);
  object = Network();
  object["status"]["cards"] = "nonsense";
  EXPECT_EQ(Answer(ReviewOf("UPDATE", object, Network(), "status"))["allowed"], false);
}

TEST(AdmissionReviewTest, WhatIsNotOursIsAllowed) {
  json pod = {{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", {{"name", "p"}}}, {"spec", 7}};
  EXPECT_EQ(Answer(ReviewOf("CREATE", pod))["allowed"], true);
  EXPECT_EQ(Answer(ReviewOf("DELETE", nullptr, Network("not a prefix")))["allowed"], true);
  EXPECT_EQ(Answer(ReviewOf("CONNECT", "text"))["allowed"], true);
}

TEST(AdmissionReviewTest, WhatIsNoReviewIsNotAnswered) {
  for (const char* text :
       {"7", "{}", R"({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1beta1"})",
        R"({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": {}})"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Review(json::parse(text)).status())) << text;
  }
}

}  // namespace
}  // namespace xpu::webhook
