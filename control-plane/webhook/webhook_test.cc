// The webhook as a kube-apiserver meets it: over HTTPS, with certificates that are renewed under it.

#include "control-plane/webhook/webhook.h"

#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "common/kube/http_engine.h"
#include "common/rpc/tls_testing.h"
#include "common/sys/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace xpu::webhook {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class WebhookTest : public ::testing::Test {
 protected:
  void Start(bool asks_who = false) {
    const TlsFiles files = authority_.Sign("webhook");
    WebhookOptions options{.listen = "127.0.0.1:0", .certificate = files.certificate, .key = files.key};
    if (asks_who) options.client_ca = files.ca;
    absl::Notification serving;
    thread_ = std::thread([this, options, &serving] {
      const absl::Status run =
          RunWebhook(options, {.loop = loop_, .serving = [&](const std::string& endpoint) {
                                 endpoint_ = endpoint;
                                 serving.Notify();
                               }});
      EXPECT_TRUE(run.ok()) << run;
    });
    serving.WaitForNotification();
    ca_ = files.ca;
  }
  void TearDown() override {
    loop_.Stop();
    if (thread_.joinable()) thread_.join();
  }

  absl::StatusOr<HttpAnswer> Ask(HttpCall call) {
    const std::string address(absl::StripPrefix(endpoint_, "tls:"));
    // A connection of its own each time, with the certificate of the moment.
    const auto engine = HttpEngine::Start({.base_url = "https://" + address, .ca_file = ca_});
    EXPECT_TRUE(engine.ok()) << engine.status();
    call.timeout = absl::Seconds(20);
    return (*engine)->Perform(std::move(call));
  }
  HttpCall Review(const std::string& prefix) {
    const json object = {{"apiVersion", "xpu.opiproject.org/v1alpha1"},
                         {"kind", "Network"},
                         {"metadata", {{"name", "blue"}, {"namespace", "default"}}},
                         {"spec", {{"vni", 1}, {"prefixes", {prefix}}}}};
    HttpCall call{
        .method = "POST", .target = "/validate?timeout=5s", .headers = {"Content-Type: application/json"}};
    call.body = json{{"apiVersion", "admission.k8s.io/v1"},
                     {"kind", "AdmissionReview"},
                     {"request", {{"uid", "u"}, {"operation", "CREATE"}, {"object", object}}}}
                    .dump();
    return call;
  }

  const TemporaryDirectory folder_ = *TemporaryDirectory::Make();
  const testing::TestAuthority authority_{folder_.path(), "ca"};
  EventLoop loop_;
  std::string endpoint_;
  std::string ca_;
  std::thread thread_;
};

TEST_F(WebhookTest, AllowsAndRefusesOverHttps) {
  Start();
  auto answer = Ask(Review("10.0.0.0/24"));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->code, 200);
  EXPECT_EQ(json::parse(answer->body)["response"]["allowed"], true);
  answer = Ask(Review("10.0.0.1/24"));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->code, 200);
  const json response = json::parse(answer->body)["response"];
  EXPECT_EQ(response["allowed"], false);
  EXPECT_THAT(response["status"]["message"].get<std::string>(), HasSubstr("spec.prefixes[0]"));
}

TEST_F(WebhookTest, WhatIsNoReviewIsRefusedInWords) {
  Start();
  EXPECT_EQ(Ask({.target = "/healthz"})->code, 200);
  EXPECT_EQ(Ask({.target = "/validate"})->code, 405);
  EXPECT_EQ(Ask({.target = "/"})->code, 404);
  const auto answer = Ask({.method = "POST", .target = "/validate", .body = "{{{"});
  EXPECT_EQ(answer->code, 400);
  EXPECT_THAT(answer->body, HasSubstr("AdmissionReview"));
}

TEST_F(WebhookTest, ARenewedCertificateIsUsedForTheNextConnection) {
  Start();
  ASSERT_EQ(Ask({.target = "/healthz"})->code, 200);
  // Another authority signs: what it has signed is used once it is accepted.
  const testing::TestAuthority other(folder_.path(), "other");
  const TlsFiles renewed = other.Sign("renewed");
  std::filesystem::rename(renewed.key, folder_.path() + "/webhook.key");
  std::filesystem::rename(renewed.certificate, folder_.path() + "/webhook.crt");
  // Both changes have been seen by the loop when this has come through it.
  loop_.PostAndWait([] {});
  loop_.PostAndWait([] {});
  EXPECT_FALSE(Ask({.target = "/healthz"}).ok()) << "the old authority has not signed this one";
  ca_ = renewed.ca;
  const auto answer = Ask({.target = "/healthz"});
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->code, 200);
}

TEST_F(WebhookTest, IfToldWhoMayAskNobodyElseMay) {
  Start(/*asks_who=*/true);
  EXPECT_EQ(Ask(Review("10.0.0.0/24"))->code, 403);
  const TlsFiles server = authority_.Sign("kube-apiserver");
  HttpCall call = Review("10.0.0.0/24");
  call.certificate = *ReadFile(server.certificate);
  call.key = *ReadFile(server.key);
  EXPECT_EQ(Ask(std::move(call))->code, 200);
}

TEST(WebhookFilesTest, FilesThatAreNotThereAreNamed) {
  EventLoop loop;
  const absl::Status run = RunWebhook(
      {.listen = "127.0.0.1:0", .certificate = "/nothing.crt", .key = "/nothing.key"}, {.loop = loop});
  EXPECT_THAT(run.message(), HasSubstr("/nothing"));
}

}  // namespace
}  // namespace xpu::webhook
