#include "common/kube/kube_client.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "common/kube/kube_errors.h"
#include "common/kube/metadata.h"
#include "common/kube/script_server.h"
#include "common/kube/watch_recorder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Reply = ScriptServer::Reply;
using Request = ScriptServer::Request;

const ResourceKind kNetworks = {"xpu.opiproject.org", "v1alpha1", "Network", "networks"};
constexpr char kBase[] = "/apis/xpu.opiproject.org/v1alpha1/namespaces/default/networks";

std::string Event(const std::string& type, const std::string& name) {
  return nlohmann::json({{"type", type}, {"object", {{"metadata", {{"name", name}}}}}}).dump() + "\n";
}

class KubeClientTest : public ::testing::Test {
 protected:
  void Serve(ScriptServer::Script script, absl::Duration deadline = absl::Seconds(10)) {
    server_ = std::make_unique<ScriptServer>(std::move(script));
    client_ = KubeClient::Make({.server = server_->endpoint()}, deadline).value();
  }
  void ServeWatch(Reply reply) {
    Serve([reply](const Request&) { return reply; });
    auto watcher = client_->Watch(kNetworks, "", "17", {}, recorder_.callbacks());
    ASSERT_TRUE(watcher.ok()) << watcher.status();
    watcher_ = *std::move(watcher);
  }
  Resource Blue() { return MakeResource(kNetworks, {"default", "blue"}); }

  WatchRecorder recorder_;
  std::unique_ptr<ScriptServer> server_;
  std::unique_ptr<KubeClient> client_;
  std::unique_ptr<ResourceStore::Watcher> watcher_;
};

// Counts up with each identity that is not good any more.
class CountingCredentials : public KubeCredentials {
 public:
  absl::StatusOr<KubeIdentity> Get() override { return KubeIdentity{.token = "t" + std::to_string(number_)}; }
  void Refused(const KubeIdentity& identity) override {
    if (identity.token == "t" + std::to_string(number_) && renews_) ++number_;
  }
  std::atomic<int> number_ = 1;
  std::atomic<bool> renews_ = true;
};

TEST_F(KubeClientTest, ARefusedIdentityIsRenewedOnceAndTheRequestMadeAgain) {
  Serve([](const Request& request) {
    return ScriptServer::Respond(request.headers.find("bearer t2") == std::string::npos ? 401 : 200, "{}");
  });
  const auto credentials = std::make_shared<CountingCredentials>();
  client_ = KubeClient::Make({.server = server_->endpoint(), .credentials = credentials}).value();
  EXPECT_TRUE(client_->Get(kNetworks, {"default", "blue"}).ok());
  EXPECT_EQ(server_->requests().size(), 2u);
  // Nobody has another one: it is said, and not asked for ever.
  credentials->number_ = 7;
  credentials->renews_ = false;
  EXPECT_TRUE(absl::IsUnauthenticated(client_->Get(kNetworks, {"default", "blue"}).status()));
  EXPECT_EQ(server_->requests().size(), 3u);
}

TEST_F(KubeClientTest, AServerThatWantsToBeLeftAloneSaysForHowLong) {
  Serve([](const Request&) {
    return Reply{{"HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\nContent-Length: 2\r\n\r\n{}"}};
  });
  const absl::Status status = client_->Get(kNetworks, {"default", "blue"}).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(RetryAfter(status), absl::Seconds(7));
}

TEST_F(KubeClientTest, CallsAreTheRequestsOfTheApi) {
  Serve([](const Request& request) {
    return ScriptServer::Respond(200, request.body.empty() ? "{}" : request.body);
  });
  const ResourceName name = {"default", "blue"};
  EXPECT_EQ(*client_->Create(kNetworks, Blue()), Blue());
  ASSERT_TRUE(client_->Get(kNetworks, name).ok());
  ASSERT_TRUE(client_->Update(kNetworks, Blue()).ok());
  ASSERT_TRUE(client_->UpdateStatus(kNetworks, Blue()).ok());
  ASSERT_TRUE(client_->Patch(kNetworks, name, PatchType::kMerge, {{"spec", nullptr}}).ok());
  ASSERT_TRUE(client_->Patch(kNetworks, name, PatchType::kJson, Resource::array()).ok() == false)
      << "no object";
  ASSERT_TRUE(client_->Delete(kNetworks, name).ok());
  ASSERT_TRUE(client_->List(kNetworks, "", {"app=x", "spec.card=c"}).ok());
  Resource applied = Blue();
  applied["metadata"]["managedFields"] = Resource::array({Resource::object()});
  EXPECT_EQ(*client_->Apply(kNetworks, applied, {.field_manager = "me"}), Blue());
  ASSERT_TRUE(
      client_->Apply(kNetworks, Blue(), {.field_manager = "a b", .force = true, .status = true}).ok());
  std::vector<std::string> lines;
  for (const Request& request : server_->requests()) lines.push_back(request.method + " " + request.target);
  const std::string base = kBase;
  EXPECT_THAT(lines, ElementsAre("POST " + base, "GET " + base + "/blue", "PUT " + base + "/blue",
                                 "PUT " + base + "/blue/status", "PATCH " + base + "/blue",
                                 "PATCH " + base + "/blue", "DELETE " + base + "/blue",
                                 "GET /apis/xpu.opiproject.org/v1alpha1/networks?labelSelector=app%3Dx&"
                                 "fieldSelector=spec.card%3Dc&limit=500",
                                 "PATCH " + base + "/blue?fieldManager=me",
                                 "PATCH " + base + "/blue/status?fieldManager=a%20b&force=true"));
  EXPECT_THAT(server_->requests()[0].headers, HasSubstr("content-type: application/json"));
  EXPECT_THAT(server_->requests()[4].headers, HasSubstr("content-type: application/merge-patch+json"));
  EXPECT_THAT(server_->requests()[5].headers, HasSubstr("content-type: application/json-patch+json"));
  EXPECT_THAT(server_->requests()[8].headers, HasSubstr("content-type: application/apply-patch+yaml"));
  EXPECT_THAT(server_->requests()[0].headers,
              HasSubstr(absl::StrCat("user-agent: ", absl::AsciiStrToLower(program_invocation_short_name))));
  EXPECT_EQ(server_->connections(), 1) << "the connection is kept";
}

TEST_F(KubeClientTest, ErrorsCarryTheServersWords) {
  Serve([](const Request&) {
    return ScriptServer::Respond(
        422, R"({"kind": "Status", "reason": "Invalid", "message": "spec.vni: too big"})");
  });
  const absl::Status status = client_->Create(kNetworks, Blue()).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_EQ(status.message(), "spec.vni: too big");
}

TEST_F(KubeClientTest, FieldsOfOthersAreNotAnObjectThatHasChanged) {
  Serve([](const Request&) {
    return ScriptServer::Respond(409, R"({"kind": "Status", "reason": "Conflict",
        "message": "Apply failed with 1 conflict: conflict with \"ann\" using xpu.opiproject.org/v1alpha1: .spec.mtu",
        "details": {"causes": [{"reason": "FieldManagerConflict", "field": ".spec.mtu"}]}})");
  });
  const absl::Status status = client_->Apply(kNetworks, Blue(), {.field_manager = "me"}).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("conflict with \"ann\""));
}

TEST_F(KubeClientTest, AnApplyNeedsAManager) {
  Serve([](const Request&) { return ScriptServer::Respond(200, "{}"); });
  EXPECT_TRUE(absl::IsInvalidArgument(client_->Apply(kNetworks, Blue(), {}).status()));
  EXPECT_TRUE(server_->requests().empty());
}

// A kube-apiserver before 1.31: it selects CRDs by name and namespace only.
ScriptServer::Reply AsOldServersDo(const Request& request) {
  if (request.target.find("fieldSelector=spec") != std::string::npos) {
    return ScriptServer::Respond(400, R"({"kind": "Status", "code": 400, "reason": "BadRequest",
                                          "message": "field label not supported: spec.host"})");
  }
  if (request.target.find("watch=true") != std::string::npos) {
    const auto line = [](const char* type, const char* name, const char* host, int version) {
      return Resource({{"type", type},
                       {"object",
                        {{"metadata", {{"name", name}, {"resourceVersion", std::to_string(version)}}},
                         {"spec", {{"host", host}}}}}})
                 .dump() +
             "\n";
    };
    return {{ScriptServer::ChunkedHead(200),
             ScriptServer::Chunk(line("ADDED", "mine", "here", 6) + line("ADDED", "other", "there", 7) +
                                 line("MODIFIED", "mine", "there", 8) + line("DELETED", "other", "there", 9) +
                                 line("ADDED", "last", "here", 10)),
             "0\r\n\r\n"}};
  }
  return ScriptServer::Respond(200, R"({"metadata": {"resourceVersion": "5"},
      "items": [{"metadata": {"name": "mine"}, "spec": {"host": "here"}},
                {"metadata": {"name": "other"}, "spec": {"host": "there"}}]})");
}
const ResourceKind kNetdevs = {"xpu.opiproject.org", "v1alpha1", "Netdev", "netdevs"};
const ListOptions kMine = {.field_selector = "spec.host=here", .labels_of_fields = "host=here"};

TEST_F(KubeClientTest, WhereAServerCannotSelectByFieldsTheClientDoesAndLabelsHelp) {
  Serve(&AsOldServersDo);
  for (int i = 0; i < 2; ++i) {
    const auto list = client_->List(kNetdevs, "", kMine);
    ASSERT_TRUE(list.ok()) << list.status();
    ASSERT_EQ(list->items.size(), 1u);
    EXPECT_EQ(NameOf(list->items[0]).name, "mine");
  }
  watcher_ = client_->Watch(kNetdevs, "", "5", kMine, recorder_.callbacks()).value();
  EXPECT_EQ(recorder_.WaitForEnd(), absl::OkStatus());
  const std::vector<WatchEvent> events = recorder_.WaitForEvents(3);
  EXPECT_THAT(WatchRecorder::Lines(events), ElementsAre("ADDED mine", "DELETED mine", "ADDED last"));
  std::vector<std::string> queries;
  for (const Request& request : server_->requests()) {
    queries.push_back(request.target.substr(request.target.find('?') + 1));
  }
  // It is found out once.
  EXPECT_THAT(queries,
              ElementsAre("fieldSelector=spec.host%3Dhere&limit=500", "labelSelector=host%3Dhere&limit=500",
                          "labelSelector=host%3Dhere&limit=500",
                          "watch=true&allowWatchBookmarks=true&resourceVersion=5&labelSelector=host%3Dhere"));
}

TEST_F(KubeClientTest, AWatchThatFindsOutEndsAndIsAskedForAgain) {
  Serve(&AsOldServersDo);
  watcher_ = client_->Watch(kNetdevs, "", "5", kMine, recorder_.callbacks()).value();
  EXPECT_TRUE(absl::IsUnavailable(recorder_.WaitForEnd().value()));
  WatchRecorder again;
  watcher_ = client_->Watch(kNetdevs, "", "5", kMine, again.callbacks()).value();
  EXPECT_EQ(again.WaitForEnd(), absl::OkStatus());
  EXPECT_THAT(WatchRecorder::Lines(again.WaitForEvents(3)),
              ElementsAre("ADDED mine", "DELETED mine", "ADDED last"));
}

TEST_F(KubeClientTest, AFieldThatTheKindDoesNotDeclareIsRefusedByEveryServer) {
  Serve(&AsOldServersDo);
  EXPECT_TRUE(
      absl::IsInvalidArgument(client_->List(kNetdevs, "", {.field_selector = "spec.mac=x"}).status()));
  EXPECT_EQ(server_->requests().size(), 1u);
}

TEST_F(KubeClientTest, AnAnswerThatIsNoObjectIsAnError) {
  for (const char* body : {"", "hello", "[]", "7"}) {
    Serve([body](const Request&) { return ScriptServer::Respond(200, body); });
    EXPECT_TRUE(absl::IsUnavailable(client_->Get(kNetworks, {"default", "blue"}).status())) << body;
  }
}

TEST_F(KubeClientTest, NoServerIsUnavailableAndNamed) {
  client_ = KubeClient::Make({.server = "unix:/tmp/xpu-nobody-listens-here"}).value();
  const absl::Status status = client_->Get(kNetworks, {"default", "blue"}).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("unix:/tmp/xpu-nobody-listens-here: No such file or directory"));
}

TEST_F(KubeClientTest, ASilentServerIsGivenUpAtTheDeadline) {
  Serve([](const Request&) { return Reply{{}, false, true}; }, absl::Milliseconds(50));
  const absl::Status status = client_->Get(kNetworks, {"default", "blue"}).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
}

TEST_F(KubeClientTest, AConnectionThatTheServerDroppedIsMadeAgain) {
  Serve([](const Request&) {
    Reply reply = ScriptServer::Respond(200, "{}");
    reply.close = true;
    return reply;
  });
  for (int i = 0; i < 5; ++i) {
    const absl::Status status = client_->Get(kNetworks, {"default", "blue"}).status();
    EXPECT_TRUE(status.ok()) << status;
  }
}

TEST_F(KubeClientTest, AnAnswerThatBreaksOffIsUnavailable) {
  Serve([](const Request&) {
    return Reply{{"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"a\""}, true, false};
  });
  EXPECT_TRUE(absl::IsUnavailable(client_->Get(kNetworks, {"default", "blue"}).status()));
}

TEST_F(KubeClientTest, ListsFollowTheirPages) {
  Serve([](const Request& request) {
    if (request.target.find("continue=") == std::string::npos) {
      return ScriptServer::Respond(200, R"({"metadata": {"resourceVersion": "5", "continue": "go on"},
                                            "items": [{"metadata": {"name": "a"}}]})");
    }
    return ScriptServer::Respond(200, R"({"metadata": {"resourceVersion": "5"},
                                          "items": [{"metadata": {"name": "b"}}]})");
  });
  const auto list = client_->List(kNetworks, "default");
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_EQ(list->items.size(), 2u);
  EXPECT_EQ(NameOf(list->items[1]).name, "b");
  EXPECT_EQ(list->items[1]["kind"], "Network");
  EXPECT_EQ(list->resource_version, "5");
  EXPECT_EQ(server_->requests()[1].target, std::string(kBase) + "?limit=500&continue=go%20on");
}

TEST_F(KubeClientTest, AListWhoseVersionIsForgottenBetweenItsPagesBeginsAgain) {
  int firsts = 0;
  Serve([&firsts](const Request& request) {
    if (request.target.find("continue=") == std::string::npos) {
      return ScriptServer::Respond(200, ++firsts == 1
                                            ? R"({"metadata": {"resourceVersion": "5", "continue": "old"},
                                                            "items": [{"metadata": {"name": "a"}}]})"
                                            : R"({"metadata": {"resourceVersion": "9"},
                                                            "items": [{"metadata": {"name": "b"}}]})");
    }
    return ScriptServer::Respond(
        410, R"({"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"})");
  });
  const auto list = client_->List(kNetworks, "default");
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_EQ(list->resource_version, "9");
  ASSERT_EQ(list->items.size(), 1u);
  EXPECT_EQ(NameOf(list->items[0]).name, "b");
}

TEST_F(KubeClientTest, ANameIsNeededWhereOneObjectIsMeant) {
  Serve([](const Request&) { return ScriptServer::Respond(200, "{}"); });
  EXPECT_TRUE(absl::IsInvalidArgument(client_->Get(kNetworks, {"default", ""}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(client_->Delete(kNetworks, {"default", ""})));
  EXPECT_TRUE(server_->requests().empty());
}

TEST_F(KubeClientTest, TheTokenIsReadAgainForEachRequest) {
  char folder[] = "/tmp/xpu-token-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string file = std::string(folder) + "/token";
  server_ = std::make_unique<ScriptServer>([](const Request&) { return ScriptServer::Respond(200, "{}"); });
  client_ = KubeClient::Make(EndpointFromFlags({.server = server_->endpoint(), .token_file = file}).value())
                .value();
  EXPECT_TRUE(absl::IsUnauthenticated(client_->Get(kNetworks, {"default", "blue"}).status()));
  std::ofstream(file) << "first\n";
  ASSERT_TRUE(client_->Get(kNetworks, {"default", "blue"}).ok());
  std::ofstream(file) << "second\n";
  ASSERT_TRUE(client_->Get(kNetworks, {"default", "blue"}).ok());
  EXPECT_THAT(server_->requests()[0].headers, HasSubstr("authorization: bearer first"));
  EXPECT_THAT(server_->requests()[1].headers, HasSubstr("authorization: bearer second"));
  std::filesystem::remove_all(folder);
}

TEST_F(KubeClientTest, AWatchReadsItsStream) {
  ServeWatch(
      {{ScriptServer::ChunkedHead(200), ScriptServer::Chunk(Event("ADDED", "a") + Event("MODIFIED", "a")),
        ScriptServer::Chunk("{\"type\": \"DELETED\", \"object\": "),
        ScriptServer::Chunk("{\"metadata\": {\"name\": \"a\"}}}\n"), "0\r\n\r\n"}});
  EXPECT_EQ(recorder_.WaitForEnd(), absl::OkStatus()) << "the server closed it in order";
  EXPECT_THAT(WatchRecorder::Lines(recorder_.WaitForEvents(3)),
              ElementsAre("ADDED a", "MODIFIED a", "DELETED a"));
  EXPECT_EQ(
      server_->requests()[0].target,
      "/apis/xpu.opiproject.org/v1alpha1/networks?watch=true&allowWatchBookmarks=true&resourceVersion=17");
}

// More than waits for a reader at a time.
TEST_F(KubeClientTest, AReaderThatIsSlowGetsEverythingInOrder) {
  constexpr int kEvents = 6000;
  const std::string filling(2000, 'x');
  Reply reply{{ScriptServer::ChunkedHead(200)}, false, false};
  for (int i = 0; i < kEvents; ++i) {
    reply.pieces.push_back(ScriptServer::Chunk(absl::StrCat(
        R"({"type":"ADDED","object":{"metadata":{"name":"n)", i, R"("},"spec":")", filling, "\"}}\n")));
  }
  reply.pieces.push_back("0\r\n\r\n");
  Serve([&reply](const Request& request) {
    return request.target.find("watch=true") == std::string::npos ? ScriptServer::Respond(200, "{}") : reply;
  });
  int next = 0;
  absl::Notification ended;
  watcher_ = client_
                 ->Watch(kNetworks, "", "1", {},
                         {[&](const WatchEvent& event) {
                            EXPECT_EQ(NameOf(event.object).name, absl::StrCat("n", next));
                            // Held up, the stream holds up nothing else.
                            if (next++ % 1000 == 0) {
                              EXPECT_TRUE(client_->Get(kNetworks, {"default", "blue"}).ok());
                            }
                          },
                          [&](const absl::Status& status) {
                            EXPECT_TRUE(status.ok()) << status;
                            ended.Notify();
                          }})
                 .value();
  ASSERT_TRUE(ended.WaitForNotificationWithTimeout(absl::Seconds(60)));
  EXPECT_EQ(next, kEvents);
}

TEST_F(KubeClientTest, AWatchThatBreaksOffIsUnavailableAfterItsEvents) {
  ServeWatch({{ScriptServer::ChunkedHead(200), ScriptServer::Chunk(Event("ADDED", "a") + "{\"type\": \"ADD")},
              true,
              false});
  EXPECT_TRUE(absl::IsUnavailable(recorder_.WaitForEnd().value()));
  EXPECT_THAT(WatchRecorder::Lines(recorder_.WaitForEvents(1)), ElementsAre("ADDED a"));
}

TEST_F(KubeClientTest, ARefusedWatchSaysWhy) {
  ServeWatch(ScriptServer::Respond(410, R"({"kind": "Status", "code": 410, "message": "too old"})"));
  EXPECT_EQ(recorder_.WaitForEnd(), absl::OutOfRangeError("too old"));
}

TEST_F(KubeClientTest, AWatchOfNoServerEndsUnavailable) {
  client_ = KubeClient::Make({.server = "unix:/tmp/xpu-nobody-listens-here"}).value();
  auto watcher = client_->Watch(kNetworks, "", "1", {}, recorder_.callbacks());
  ASSERT_TRUE(watcher.ok());
  EXPECT_TRUE(absl::IsUnavailable(recorder_.WaitForEnd().value()));
}

TEST_F(KubeClientTest, ASilentWatchHoldsNothingUpAndCanBeDropped) {
  Serve([](const Request& request) {
    return request.target.find("watch=true") == std::string::npos ? ScriptServer::Respond(200, "{}")
                                                                  : Reply{{}, false, true};
  });
  watcher_ = client_->Watch(kNetworks, "", "1", {}, recorder_.callbacks()).value();
  EXPECT_TRUE(client_->Get(kNetworks, {"default", "blue"}).ok());
  watcher_.reset();
  EXPECT_TRUE(client_->Get(kNetworks, {"default", "blue"}).ok());
}

TEST(KubeClientMakeTest, AddressesThatCannotBeReadAreRefused) {
  for (const char* server : {"", "unix:", "unix:relative", "https://", "ftp://x", "localhost:6443"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(KubeClient::Make({.server = server}).status())) << server;
  }
  EXPECT_TRUE(KubeClient::Make({.server = "https://localhost:6443/"}).ok());
}

}  // namespace
}  // namespace xpu
