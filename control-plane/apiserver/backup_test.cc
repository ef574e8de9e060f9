// Backup and restore while clients work.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>

#include "absl/strings/str_cat.h"
#include "common/http/test_http.h"
#include "control-plane/apiserver/http/store_actions.h"
#include "control-plane/apiserver/store/api_error.h"
#include "control-plane/apiserver/test_api_server.h"
#include "control-plane/apiserver/test_watch.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;

constexpr char kNetworks[] = "/apis/xpu.opiproject.org/v1alpha1/namespaces/default/networks";
constexpr char kStore[] = "/apis/store.xpu.opiproject.org/v1";

json Network(const std::string& name) {
  return {{"apiVersion", "xpu.opiproject.org/v1alpha1"},
          {"kind", "Network"},
          {"metadata", {{"name", name}}},
          {"spec", {{"vni", 5}, {"prefixes", {"10.0.0.0/24"}}}}};
}

int Code(const absl::Status& status) { return StatusObject(status)["code"]; }

class BackupTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/xpu-backup-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  TestReply Do(const char* what, const std::string& path) {
    return http_.Post(absl::StrCat(kStore, "/", what), {{"spec", {{"path", path}}}});
  }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    const json list = http_.Get(kNetworks).json;
    for (const json& item : list["items"]) names.push_back(item["metadata"]["name"]);
    return names;
  }
  int64_t Version() {
    return std::stoll(http_.Get(kNetworks).json["metadata"]["resourceVersion"].get<std::string>());
  }

  std::string folder_;
  TestApiServer server_;
  TestHttp http_{server_.endpoint()};
};

TEST_F(BackupTest, ARestoreBringsBackWhatWasThereAndMakesEveryVersionTooOld) {
  ASSERT_EQ(http_.Post(kNetworks, Network("blue")).code, 201);
  const int64_t before = Version();
  const TestReply backup = Do("backups", folder_ + "/a.db");
  ASSERT_EQ(backup.code, 201) << backup.body;
  EXPECT_EQ(std::filesystem::status(folder_ + "/a.db").permissions() & std::filesystem::perms::all,
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  ASSERT_EQ(http_.Post(kNetworks, Network("green")).code, 201);
  ASSERT_EQ(http_.Do("DELETE", absl::StrCat(kNetworks, "/blue")).code, 200);
  const int64_t after = Version();

  TestWatch watch(server_.endpoint(), absl::StrCat(kNetworks, "?watch=1&resourceVersion=", after));
  ASSERT_TRUE(server_.WaitForWatchers(1));
  const TestReply restored = Do("restores", folder_ + "/a.db");
  ASSERT_EQ(restored.code, 201) << restored.body;
  const auto event = watch.Next();
  ASSERT_TRUE(event);
  EXPECT_EQ((*event)["type"], "ERROR");
  EXPECT_EQ((*event)["object"]["code"], 410);
  EXPECT_FALSE(watch.Next());

  EXPECT_THAT(Names(), ::testing::ElementsAre("blue"));
  EXPECT_GT(Version(), after);
  for (const int64_t version : {before, after, after + 1}) {
    EXPECT_EQ(http_.Get(absl::StrCat(kNetworks, "?watch=1&resourceVersion=", version)).code, 410) << version;
  }
  ASSERT_EQ(http_.Post(kNetworks, Network("red")).code, 201);
  server_.Restart();
  EXPECT_THAT(Names(), ::testing::ElementsAre("blue", "red"));
}

TEST_F(BackupTest, KindsThatWereDeclaredComeBackWithIt) {
  const json crd = json::parse(
      R"({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
      "metadata": {"name": "cars.example.org"},
      "spec": {"group": "example.org", "scope": "Cluster", "names": {"kind": "Car", "plural": "cars"},
               "versions": [{"name": "v1", "served": true, "storage": true,
                             "schema": {"openAPIV3Schema": {"type": "object"}}}]}})");
  const std::string crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  ASSERT_EQ(Do("backups", folder_ + "/without.db").code, 201);
  ASSERT_EQ(http_.Post(crds, crd).code, 201);
  ASSERT_EQ(Do("backups", folder_ + "/with.db").code, 201);
  EXPECT_EQ(http_.Get("/apis/example.org/v1/cars").code, 200);
  ASSERT_EQ(Do("restores", folder_ + "/without.db").code, 201);
  EXPECT_EQ(http_.Get("/apis/example.org/v1/cars").code, 404);
  ASSERT_EQ(Do("restores", folder_ + "/with.db").code, 201);
  EXPECT_EQ(http_.Get("/apis/example.org/v1/cars").code, 200);
}

TEST_F(BackupTest, WhatIsNoBackupIsRefusedAndNothingChanges) {
  ASSERT_EQ(http_.Post(kNetworks, Network("blue")).code, 201);
  const int64_t version = Version();
  std::ofstream(folder_ + "/text") << "This is no database, however long it may be made to look.";
  std::ofstream(folder_ + "/empty");
  for (const char* file : {"/text", "/empty", "/nothing"}) {
    const TestReply reply = Do("restores", folder_ + file);
    EXPECT_EQ(reply.code, 400) << file << reply.body;
  }
  EXPECT_EQ(Do("restores", "relative").code, 400);
  EXPECT_EQ(Do("backups", "/no/such/folder/a.db").code, 400);
  EXPECT_EQ(Version(), version);
  EXPECT_THAT(Names(), ::testing::ElementsAre("blue"));
}

// What a client hears in the end.
class Heard : public HttpPending {
 public:
  explicit Heard(std::optional<HttpReply>* reply) : reply_(reply) {}
  void Send(const HttpReply& reply) override { *reply_ = reply; }

 private:
  std::optional<HttpReply>* const reply_;
};

TEST_F(BackupTest, WritesGoOnBetweenItsSlicesAndItIsTheStoreAsItWasAtTheLast) {
  EventLoop loop;
  auto store = ObjectStore::Open({.path = folder_ + "/own.db", .full_sync = false}, Clock::Real());
  ASSERT_TRUE(store.ok()) << store.status();
  const KindPtr networks = (*store)->kinds().FindKind("xpu.opiproject.org/v1alpha1", "Network");
  int written = 0;
  const auto write = [&] {
    json network = Network(absl::StrCat("n-", 10'000 + written++));
    network["metadata"]["namespace"] = "default";
    network["metadata"]["annotations"]["filling"] = std::string(10'000, 'x');
    EXPECT_TRUE((*store)->Create(*networks, network).ok());
  };
  // Some slices.
  while (written < 300) write();
  StoreActions actions(loop, **store);
  const auto begun = actions.Do("backups", {}, {{"spec", {{"path", folder_ + "/a.db"}}}});
  ASSERT_TRUE(begun.ok()) << begun.status();
  std::optional<HttpReply> reply;
  begun->later(std::make_unique<Heard>(&reply));
  EXPECT_EQ(Code(actions.Do("backups", {}, {{"spec", {{"path", folder_ + "/b.db"}}}}).status()), 429);
  EXPECT_EQ(Code(actions.Do("restores", {}, {{"spec", {{"path", folder_ + "/b.db"}}}}).status()), 429);
  // A client that writes again as soon as it is answered, on the same loop.
  EventLoop::Handle next;
  std::function<void()> turn = [&] {
    if (reply) return loop.Stop();
    write();
    next = loop.After(absl::ZeroDuration(), turn);
  };
  turn();
  loop.Run();
  ASSERT_EQ(reply->code, 201) << reply->body;
  EXPECT_GT(written, 305) << "a write for each slice";
  const int64_t version =
      std::stoll(json::parse(reply->body)["status"]["resourceVersion"].get<std::string>());

  auto backup = ObjectStore::Open({.path = folder_ + "/a.db"}, Clock::Real());
  ASSERT_TRUE(backup.ok()) << backup.status();
  EXPECT_EQ((*backup)->version(), version);
  const auto listed = (*backup)->List(*networks, "default", {});
  ASSERT_TRUE(listed.ok()) << listed.status();
  // Nothing is missing between the first and the last: each write has a version of its own.
  ASSERT_FALSE(listed->items.empty());
  int64_t last = std::stoll(listed->items.front()["metadata"]["resourceVersion"].get<std::string>()) - 1;
  for (const json& item : listed->items) {
    EXPECT_EQ(std::stoll(item["metadata"]["resourceVersion"].get<std::string>()), ++last);
  }
  EXPECT_EQ(last, version);
  EXPECT_GT(listed->items.size(), 300u) << "what was written meanwhile, too";
}

}  // namespace
}  // namespace xpu::apiserver
