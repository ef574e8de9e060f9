// Clients that ask for too much, over real sockets: they are told so, and the others are served.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "common/http/test_http.h"
#include "control-plane/apiserver/test_api_server.h"
#include "control-plane/apiserver/test_watch.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;

constexpr char kNetworks[] = "/apis/xpu.opiproject.org/v1alpha1/namespaces/default/networks";

json Network(const std::string& name, size_t filling = 0) {
  return {{"apiVersion", "xpu.opiproject.org/v1alpha1"},
          {"kind", "Network"},
          {"metadata", {{"name", name}, {"annotations", {{"filling", std::string(filling, 'x')}}}}},
          {"spec", {{"vni", 5}, {"prefixes", {"10.0.0.0/24"}}}}};
}

class LimitsTest : public ::testing::Test {
 protected:
  void Start(const RequestLimits& limits) {
    char folder[] = "/tmp/xpu-limits-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
    std::ofstream(folder_ + "/tokens") << "ann,ann,1\nbob,bob,2\nnode,node,3,system:nodes\n";
    ApiServerOptions options;
    options.token_file = folder_ + "/tokens";
    options.limits = limits;
    server_ = std::make_unique<TestApiServer>(options);
    admin_ = std::make_unique<TestHttp>(server_->endpoint());
    // Everybody may look.
    ASSERT_EQ(admin_
                  ->Post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
                         {{"apiVersion", "rbac.authorization.k8s.io/v1"},
                          {"kind", "ClusterRoleBinding"},
                          {"metadata", {{"name", "all"}}},
                          {"roleRef", {{"kind", "ClusterRole"}, {"name", "view"}}},
                          {"subjects", {{{"kind", "Group"}, {"name", "system:authenticated"}}}}})
                  .code,
              201);
  }
  void TearDown() override {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }
  std::unique_ptr<TestHttp> Client(const std::string& token) {
    auto http = std::make_unique<TestHttp>(server_->endpoint());
    http->UseToken(token);
    return http;
  }

  std::string folder_;
  std::unique_ptr<TestApiServer> server_;
  std::unique_ptr<TestHttp> admin_;
};

TEST_F(LimitsTest, WhoAsksTooOftenIsToldWhenToComeAgain) {
  // A rate at which nothing comes back while the test runs.
  Start({.requests_per_second = 0.001, .burst = 5, .priority = 2, .strangers_per_second = 0.001});
  auto ann = Client("ann");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ann->Get(kNetworks).code, 200);
  const TestReply reply = ann->Get(kNetworks);
  EXPECT_EQ(reply.code, 429);
  EXPECT_EQ(reply.json["reason"], "TooManyRequests");
  EXPECT_GE(reply.json["details"]["retryAfterSeconds"], 1);
  EXPECT_GE(reply.retry_after, 1);
  EXPECT_EQ(Client("bob")->Get(kNetworks).code, 200) << "another user has a share of his own";
  auto node = Client("node");
  for (int i = 0; i < 10; ++i) EXPECT_EQ(node->Get(kNetworks).code, 200) << "the nodes' agents have more";
  EXPECT_EQ(node->Get(kNetworks).code, 429);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(admin_->Get(kNetworks).code, 200) << "the master never waits";
}

TEST_F(LimitsTest, ConnectionsAreCountedAndWhoIsRefusedHearsWhenToComeAgain) {
  ApiServerOptions options;
  options.connections.connections = 2;
  TestApiServer server(options);
  TestHttp first(server.endpoint()), second(server.endpoint()), third(server.endpoint());
  EXPECT_EQ(first.Get(kNetworks).code, 200);
  EXPECT_EQ(second.Get(kNetworks).code, 200);
  const TestReply refused = third.Get(kNetworks);
  EXPECT_EQ(refused.code, 503);
  EXPECT_EQ(refused.json["reason"], "ServiceUnavailable");
  EXPECT_GE(refused.retry_after, 1);
  EXPECT_EQ(first.Get(kNetworks).code, 200);
  const TestReply metrics = second.Get("/metrics");
  EXPECT_EQ(metrics.code, 200);
  EXPECT_THAT(metrics.body,
              ::testing::HasSubstr("xpu_apiserver_connections_refused_total{limit=\"connections\"} 1\n"));
  EXPECT_THAT(metrics.body, ::testing::HasSubstr("xpu_apiserver_requests_total{code=\"200\"} 3\n"));
  EXPECT_THAT(metrics.body, ::testing::HasSubstr("# TYPE xpu_apiserver_connections gauge\n"));
}

TEST_F(LimitsTest, OneAddressHasItsShareOfTheConnections) {
  ApiServerOptions options;
  options.listen = {"127.0.0.1:0"};
  options.connections.connections_per_address = 1;
  TestApiServer server(options);
  TestHttp first(server.endpoints()[0]), second(server.endpoints()[0]), local(server.endpoint());
  EXPECT_EQ(first.Get(kNetworks).code, 200);
  const TestReply refused = second.Get(kNetworks);
  EXPECT_EQ(refused.code, 429);
  EXPECT_EQ(refused.json["reason"], "TooManyRequests");
  EXPECT_GE(refused.retry_after, 1);
  EXPECT_EQ(local.Get(kNetworks).code, 200) << "a unix socket's clients have no address";
}

TEST_F(LimitsTest, WhoMayNotAskForMetricsIsNotTold) {
  Start({});
  EXPECT_EQ(Client("ann")->Get("/metrics").code, 403);
  EXPECT_EQ(admin_->Get("/metrics").code, 200);
}

TEST_F(LimitsTest, StrangersShareWhatIsLeftForThem) {
  Start({.strangers_per_second = 1});
  auto stranger = Client("nobody");
  int codes_401 = 0;
  TestReply reply;
  while ((reply = stranger->Get(kNetworks)).code == 401 && codes_401 < 1000) ++codes_401;
  EXPECT_EQ(reply.code, 429);
  EXPECT_GE(codes_401, 1);
  EXPECT_EQ(Client("ann")->Get(kNetworks).code, 200);
}

TEST_F(LimitsTest, ABodyThatIsTooLargeIsRefused) {
  Start({.body_bytes = 10'000});
  const TestReply reply = admin_->Post(kNetworks, Network("blue", 20'000));
  EXPECT_EQ(reply.code, 413);
  EXPECT_EQ(reply.json["reason"], "RequestEntityTooLarge");
  EXPECT_EQ(admin_->Post(kNetworks, Network("blue", 5'000)).code, 201);
}

TEST_F(LimitsTest, WatchesAreCounted) {
  Start({.watches = 3, .watches_per_user = 2});
  const std::string path = absl::StrCat(kNetworks, "?watch=1");
  TestWatch first(server_->endpoint(), path, "ann");
  {
    TestWatch second(server_->endpoint(), path, "ann");
    ASSERT_TRUE(server_->WaitForWatchers(2));
    const TestReply third = Client("ann")->Get(path);
    EXPECT_EQ(third.code, 429);
    EXPECT_GE(third.retry_after, 1);
    TestWatch of_bob(server_->endpoint(), path, "bob");
    ASSERT_TRUE(server_->WaitForWatchers(3));
    EXPECT_EQ(admin_->Get(path).code, 429) << "three are all that there may be";
  }
  ASSERT_TRUE(server_->WaitForWatchers(1));
  TestWatch again(server_->endpoint(), path, "ann");
  EXPECT_EQ(again.code(), 200);
}

TEST_F(LimitsTest, AWatchThatTakesNothingIsCutOffAndTheOthersGoOn) {
  Start({.watch_bytes = 1, .watch_patience = absl::Seconds(2)});
  const std::string path = absl::StrCat(kNetworks, "?watch=1");
  TestWatch slow(server_->endpoint(), path);
  TestWatch quick(server_->endpoint(), path);
  ASSERT_TRUE(server_->WaitForWatchers(2));
  // More than what the sockets between hold.
  constexpr int kMany = 40;
  for (int i = 0; i < kMany; ++i) {
    ASSERT_EQ(admin_->Post(kNetworks, Network(absl::StrCat("n-", i), 200'000)).code, 201);
    EXPECT_TRUE(quick.Next());
  }
  ASSERT_TRUE(server_->WaitForWatchers(1)) << "the slow one is cut off";
  ASSERT_EQ(admin_->Post(kNetworks, Network("last")).code, 201);
  EXPECT_EQ((*quick.Next())["object"]["metadata"]["name"], "last");
}

TEST_F(LimitsTest, WhatWasThereComesInPiecesAndWhole) {
  Start({.watch_bytes = 1});
  constexpr int kMany = 300;
  for (int i = 0; i < kMany; ++i) {
    ASSERT_EQ(admin_->Post(kNetworks, Network(absl::StrCat("n-", 1000 + i), 20'000)).code, 201);
  }
  // The client reads nothing yet, so only the first pieces are on their way.
  TestWatch watch(server_->endpoint(), absl::StrCat(kNetworks, "?watch=1"));
  ASSERT_TRUE(server_->WaitForWatchers(1));
  ASSERT_EQ(admin_->Do("DELETE", absl::StrCat(kNetworks, "/n-1000")).code, 200);
  ASSERT_EQ(admin_->Merge(absl::StrCat(kNetworks, "/n-1299"), {{"spec", {{"mtu", 1400}}}}).code, 200);
  ASSERT_EQ(admin_->Post(kNetworks, Network("n-2000")).code, 201);
  std::map<std::string, json> told;
  for (int64_t version = 0; !told.contains("n-2000") || told.contains("n-1000");) {
    const std::optional<json> event = watch.Next();
    ASSERT_TRUE(event);
    const json& object = (*event)["object"];
    const std::string name = object["metadata"]["name"];
    if ((*event)["type"] == "DELETED") {
      told.erase(name);
    } else {
      if (told.contains(name)) {
        version = std::stoll(told[name]["metadata"]["resourceVersion"].get<std::string>());
        EXPECT_GT(std::stoll(object["metadata"]["resourceVersion"].get<std::string>()), version)
            << "never back";
      }
      told[name] = object;
    }
  }
  EXPECT_EQ(told.size(), static_cast<size_t>(kMany));
  EXPECT_EQ(told["n-1299"]["spec"]["mtu"], 1400);
}

}  // namespace
}  // namespace xpu::apiserver
