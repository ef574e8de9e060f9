#include "control-plane/xpuctl/xpuctl.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "common/api/api.h"
#include "common/base/unique_fd.h"
#include "common/kube/kube_client.h"
#include "common/kube/metadata.h"
#include "control-plane/apiserver/test_api_server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const ResourceKind kEvents = {"", "v1", "Event", "events"};

constexpr char kBlue[] = R"(apiVersion: xpu.opiproject.org/v1alpha1
kind: Network
metadata:
  name: blue
  labels: {app: demo}
spec:
  vni: 100
  prefixes: [10.0.0.0/24, "fd00::/64"]
  mtu: 1400
)";

// What a stream has so far, for a reader on another thread.
class SharedBuffer : public std::streambuf {
 public:
  std::string WaitFor(const std::string& text) {
    const auto there = [&] { return text_.find(text) != std::string::npos; };
    absl::MutexLock lock(&mu_);
    EXPECT_TRUE(mu_.AwaitWithTimeout(absl::Condition(&there), absl::Seconds(20))) << "so far: " << text_;
    return text_;
  }

 protected:
  std::streamsize xsputn(const char* data, std::streamsize count) override {
    absl::MutexLock lock(&mu_);
    text_.append(data, count);
    return count;
  }
  int overflow(int c) override {
    absl::MutexLock lock(&mu_);
    if (c != traits_type::eof()) text_.push_back(static_cast<char>(c));
    return 0;
  }

 private:
  absl::Mutex mu_;
  std::string text_;
};

class XpuctlTest : public ::testing::Test {
 protected:
  // The server is in this process, and its clients drop connections.
  static void SetUpTestSuite() { signal(SIGPIPE, SIG_IGN); }

  struct Result {
    int code = 0;
    std::string out;
    std::string err;
  };

  Result Run(const std::vector<std::string>& args, const std::string& input = "") {
    std::istringstream in(input);
    std::ostringstream out;
    std::ostringstream err;
    const int code = RunXpuctl(args, Deps(in, out, err, [](EventLoop&) {}));
    return {code, out.str(), err.str()};
  }
  XpuctlDeps Deps(std::istream& in, std::ostream& out, std::ostream& err,
                  std::function<void(EventLoop&)> run) {
    return {in,
            out,
            err,
            Clock::Real(),
            [this](const char* name) { return std::string(name) == "XPU_SERVER" ? server_.endpoint() : ""; },
            std::move(run),
            nullptr};
  }
  // Runs and expects success.
  std::string Ok(const std::vector<std::string>& args, const std::string& input = "") {
    const Result result = Run(args, input);
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(result.err, "");
    return result.out;
  }
  // Runs and expects failure.
  std::string Fail(const std::vector<std::string>& args, const std::string& input = "") {
    const Result result = Run(args, input);
    EXPECT_EQ(result.code, 1) << result.out;
    return result.err;
  }
  std::string Apply(const std::string& text) { return Ok({"apply", "-f", "-"}, text); }
  // What an Event says; ages are those of its timestamps.
  struct AgedEvent {
    std::string type = "Warning";
    std::string reason;
    std::string message;
    std::string host = "card0";
    int count = 1;
    absl::Duration first;
    absl::Duration last;
  };
  static Resource EventAbout(const Resource& object, const AgedEvent& told) {
    const ResourceName about = NameOf(object);
    Resource event =
        MakeResource(kEvents, {about.ns.empty() ? "default" : about.ns,
                               absl::StrCat(about.name, ".", absl::AsciiStrToLower(told.reason))});
    event["involvedObject"] = {{"apiVersion", object["apiVersion"]},
                               {"kind", object["kind"]},
                               {"namespace", about.ns},
                               {"name", about.name},
                               {"uid", UidOf(object)}};
    event["type"] = told.type;
    event["reason"] = told.reason;
    event["message"] = told.message;
    event["source"] = {{"component", "xpu-agent"}, {"host", told.host}};
    event["count"] = told.count;
    event["firstTimestamp"] = KubeTime(absl::Now() - std::max(told.first, told.last));
    event["lastTimestamp"] = KubeTime(absl::Now() - told.last);
    return event;
  }
  void MakeEvent(const Resource& object, const AgedEvent& told) {
    ASSERT_TRUE(client_->Create(kEvents, EventAbout(object, told)).ok());
  }
  ResourceName Blue() { return {"default", "blue"}; }
  const ResourceKind& Networks() { return api::FindByName("networks")->resource; }

  apiserver::TestApiServer server_;
  std::unique_ptr<KubeClient> client_ = KubeClient::Make({.server = server_.endpoint()}).value();
};

TEST_F(XpuctlTest, ApplyCreatesConfiguresAndLeavesAlone) {
  EXPECT_EQ(Apply(kBlue), "network.xpu.opiproject.org/blue created\n");
  EXPECT_EQ(Apply(kBlue), "network.xpu.opiproject.org/blue unchanged\n");
  std::string changed = kBlue;
  changed.replace(changed.find("1400"), 4, "1300");
  EXPECT_EQ(Apply(changed), "network.xpu.opiproject.org/blue configured\n");
  EXPECT_EQ((*client_->Get(Networks(), Blue()))["spec"]["mtu"], 1300);
}

TEST_F(XpuctlTest, ApplyRemovesWhatTheManifestNoLongerSaysAndKeepsWhatOthersWrote) {
  Apply(kBlue);
  ASSERT_TRUE(
      client_
          ->Patch(Networks(), Blue(), PatchType::kMerge,
                  {{"metadata",
                    {{"labels", {{"theirs", "x"}}}, {"finalizers", Resource::array({"a.example/b"})}}}})
          .ok());
  std::string changed = kBlue;
  changed.erase(changed.find("  labels: {app: demo}\n"), 22);
  Apply(changed);
  const auto object = client_->Get(Networks(), Blue());
  EXPECT_EQ((*object)["metadata"]["labels"], Resource({{"theirs", "x"}}));
  EXPECT_TRUE(HasFinalizer(*object, "a.example/b"));
}

TEST_F(XpuctlTest, ApplyGoesOnAfterAnObjectThatIsRefused) {
  std::string bad = kBlue;
  bad.replace(bad.find("vni: 100"), 8, "vni: -5 ");
  bad.replace(bad.find("blue"), 4, "evil");
  const Result result = Run({"apply", "-f", "-"}, bad + "---\n" + kBlue);
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.out, "network.xpu.opiproject.org/blue created\n");
  EXPECT_THAT(result.err, AllOf(StartsWith("standard input:1: network.xpu.opiproject.org/evil: "),
                                HasSubstr("spec.vni"), HasSubstr("1 of 2 objects could not be applied")));
}

TEST_F(XpuctlTest, ApplyRefusesUnknownFields) {
  EXPECT_THAT(Fail({"apply", "-f", "-"}, std::string(kBlue) + "  colour: blue\n"), HasSubstr("spec.colour"));
  EXPECT_THAT(Run({"get", "networks"}).err, HasSubstr("There are no networks in namespace default"));
}

TEST_F(XpuctlTest, ApplyTakesFilesAndFolders) {
  char folder[] = "/tmp/xpu-apply-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string path = folder;
  std::ofstream(path + "/blue.yaml") << kBlue;
  std::string red = kBlue;
  red.replace(red.find("blue"), 4, "red");
  red.replace(red.find("100"), 3, "200");
  std::ofstream(path + "/red.yaml") << red;
  EXPECT_EQ(Ok({"apply", "-f", path}),
            "network.xpu.opiproject.org/blue created\nnetwork.xpu.opiproject.org/red created\n");
  EXPECT_EQ(Ok({"delete", "-f", path + "/blue.yaml", "-f", path + "/red.yaml"}),
            "network.xpu.opiproject.org/red deleted\nnetwork.xpu.opiproject.org/blue deleted\n");
  std::filesystem::remove_all(path);
}

TEST_F(XpuctlTest, GetShowsATable) {
  Apply(kBlue);
  const std::string out = Ok({"get", "networks"});
  EXPECT_THAT(out, ContainsRegex("^NAME +VNI +PREFIXES +READY +AGE\n"
                                 "blue +100 +10\\.0\\.0\\.0/24,fd00::/64 +<none> +[0-9]+s\n$"));
  EXPECT_THAT(Ok({"get", "xnet", "blue", "-o", "wide"}), ContainsRegex("MTU .*\nblue .* 1400 "));
  EXPECT_THAT(Ok({"get", "network/blue", "-o", "name"}), "network.xpu.opiproject.org/blue\n");
}

TEST_F(XpuctlTest, GetForPrograms) {
  Apply(kBlue);
  const Resource object = *client_->Get(Networks(), Blue());
  EXPECT_EQ(Resource::parse(Ok({"get", "network", "blue", "-o", "json"})), object);
  const auto yaml = api::YamlToJson(Ok({"get", "network/blue", "-o", "yaml"}), "x");
  ASSERT_TRUE(yaml.ok()) << yaml.status();
  EXPECT_EQ((*yaml)[0].value, object);
  const Resource list = Resource::parse(Ok({"get", "networks", "-o", "json"}));
  EXPECT_EQ(list["kind"], "List");
  EXPECT_EQ(list["items"], Resource::array({object}));
  EXPECT_EQ(Resource::parse(Ok({"get", "netdevs", "-o", "json"}))["items"], Resource::array());
}

TEST_F(XpuctlTest, GetSelects) {
  Apply(kBlue);
  EXPECT_THAT(Ok({"get", "networks", "-l", "app=demo"}), HasSubstr("blue"));
  EXPECT_THAT(Run({"get", "networks", "-l", "app=other"}).out, Not(HasSubstr("blue")));
  EXPECT_THAT(Ok({"get", "networks", "--field-selector", "metadata.name=blue"}), HasSubstr("blue"));
  EXPECT_THAT(Fail({"get", "networks", "-l", "a in b"}), HasSubstr("a in b"));
  EXPECT_THAT(Fail({"get", "network", "blue", "-l", "app=demo"}), HasSubstr("either"));
}

TEST_F(XpuctlTest, NamespacesAreKeptApart) {
  Apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: team}\n");
  std::string red = kBlue;
  red.replace(red.find("100"), 3, "200");
  Ok({"apply", "-f", "-", "-n", "team"}, red);
  EXPECT_THAT(Run({"get", "networks"}).out, "");
  EXPECT_THAT(Ok({"-n", "team", "get", "networks"}), HasSubstr("blue"));
  EXPECT_THAT(Ok({"get", "networks", "-A"}), ContainsRegex("^NAMESPACE +NAME .*\nteam +blue "));
  EXPECT_THAT(Fail({"get", "network", "blue", "-A"}), HasSubstr("-n instead of -A"));
  EXPECT_THAT(Ok({"get", "namespaces"}), HasSubstr("team"));
}

TEST_F(XpuctlTest, WhatIsNotThereIsSaidAndTheRestIsShown) {
  Apply(kBlue);
  const Result result = Run({"get", "network", "none", "blue"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.out, HasSubstr("blue"));
  EXPECT_THAT(result.err, AllOf(HasSubstr("none"), HasSubstr("1 object was not found")));
}

TEST_F(XpuctlTest, DescribeShowsSpecStatusAndConditions) {
  Apply(kBlue);
  Resource object = *client_->Get(Networks(), Blue());
  object["status"]["cards"] = Resource::array({{{"card", "card0"}, {"ports", 2}}});
  SetCondition(&object, {"Ready", "False", "InUse", "host0-3 has an address in it", 1}, absl::Now());
  ASSERT_TRUE(client_->UpdateStatus(Networks(), object).ok());
  const std::string out = Ok({"describe", "network", "blue"});
  EXPECT_THAT(out, AllOf(HasSubstr("Name:        blue\n"), HasSubstr("Namespace:   default\n"),
                         HasSubstr("Spec:\n"), HasSubstr("  vni: 100\n"), HasSubstr("card: card0")));
  EXPECT_THAT(out, ContainsRegex("\nReady +False +InUse +.* +host0-3 has an address in it\n"));
}

TEST_F(XpuctlTest, DescribeShowsEventsBelowTheRestAndNothingElseDoes) {
  Apply(kBlue);
  const Resource object = *client_->Get(Networks(), Blue());
  EXPECT_THAT(Ok({"describe", "network", "blue"}), EndsWith("\nEvents:      <none>\n"));
  const std::string json = Ok({"get", "network", "blue", "-o", "json"});

  AgedEvent conflict = {.reason = "Conflict", .message = "somebody has it"};
  conflict.count = 3;
  conflict.first = absl::Hours(20);
  conflict.last = absl::Hours(15);
  MakeEvent(object, conflict);
  MakeEvent(object,
            {.type = "Normal", .reason = "Confirmed", .message = "all is\nwell \n", .last = absl::Hours(9)});
  MakeEvent(object, {.reason = "NoneLeft", .message = "the newest", .host = "card1"});
  // About somebody else, or somebody who had the name before.
  Resource other = object;
  other["metadata"]["uid"] = "another-one";
  MakeEvent(other, {.reason = "OfThePast"});
  other = object;
  other["metadata"]["name"] = "blues";
  MakeEvent(other, {.reason = "OfAnother"});

  const std::string out = Ok({"describe", "network", "blue"});
  EXPECT_THAT(out,
              ContainsRegex("\nEvents:\n"
                            "TYPE +REASON +AGE +FROM +MESSAGE\n"
                            "Warning +Conflict +15h \\(x3 over 20h\\) +xpu-agent, card0 +somebody has it\n"
                            "Normal +Confirmed +9h +xpu-agent, card0 +all is\\?well\n"
                            "Warning +NoneLeft +[0-9]+s +xpu-agent, card1 +the newest\n$"));
  EXPECT_LT(out.find("Spec:"), out.find("Events:"));
  EXPECT_EQ(Ok({"get", "network", "blue", "-o", "json"}), json);
}

TEST_F(XpuctlTest, DescribeReadsEventsOfEitherWayToCount) {
  Apply("apiVersion: xpu.opiproject.org/v1alpha1\nkind: Card\nmetadata: {name: card0}\nspec: {}\n");
  const Resource card = *client_->Get(api::FindByName("cards")->resource, {"", "card0"});
  Resource event = EventAbout(card, {.reason = "Counted"});
  for (const char* key : {"count", "firstTimestamp", "lastTimestamp", "source"}) event.erase(key);
  const auto ago = [](absl::Duration age) {
    return absl::FormatTime("%Y-%m-%d%ET%H:%M:%E6SZ", absl::Now() - age, absl::UTCTimeZone());
  };
  event["eventTime"] = ago(absl::Hours(12));
  event["series"] = {{"count", 7}, {"lastObservedTime", ago(absl::Hours(10))}};
  event["reportingComponent"] = "example.com/x";
  event["reportingInstance"] = "x-0";
  ASSERT_TRUE(client_->Create(kEvents, event).ok());
  event = EventAbout(card, {.reason = "Bare"});
  for (const char* key : {"count", "firstTimestamp", "lastTimestamp", "source", "type"}) event.erase(key);
  ASSERT_TRUE(client_->Create(kEvents, event).ok());
  EXPECT_THAT(Ok({"describe", "card", "card0"}),
              ContainsRegex("\nWarning +Counted +10h \\(x7 over 12h\\) +example.com/x, x-0 +<none>\n"
                            "<none> +Bare +[0-9]+s +<none> +<none>\n$"));
}

TEST_F(XpuctlTest, WhoMayNotReadEventsSeesTheRest) {
  Apply(kBlue);
  Apply(R"(apiVersion: v1
kind: ServiceAccount
metadata: {name: ann}
---
apiVersion: v1
kind: Secret
metadata: {name: ann, annotations: {kubernetes.io/service-account.name: ann}}
type: kubernetes.io/service-account-token
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: networks}
rules:
- {verbs: [get, list], apiGroups: [xpu.opiproject.org], resources: [networks]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: networks}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: networks}
subjects:
- {kind: ServiceAccount, name: ann, namespace: default}
)");
  const Resource secret = *client_->Get(api::FindByName("secrets")->resource, {"default", "ann"});
  char file[] = "/tmp/xpu-xpuctl-XXXXXX";
  const UniqueFd made(mkstemp(file));
  ASSERT_TRUE(made.valid());
  std::string token;
  ASSERT_TRUE(absl::Base64Unescape(secret["data"]["token"].get<std::string>(), &token));
  std::ofstream(file) << token;
  // A token counts for more than who opened the socket.
  EXPECT_THAT(Ok({"--server", server_.endpoint(), "--token-file", file, "describe", "network", "blue"}),
              AllOf(HasSubstr("vni: 100"), HasSubstr("\nEvents:      cannot be read: "),
                    HasSubstr("cannot list resource \"events\"")));
  std::filesystem::remove(file);
}

TEST_F(XpuctlTest, DeleteWaitsUntilTheFinalizersAreGone) {
  Apply(kBlue);
  ASSERT_TRUE(
      client_
          ->Patch(Networks(), Blue(), PatchType::kMerge,
                  {{"metadata", {{"finalizers", Resource::array({"xpu.opiproject.org/card0-network"})}}}})
          .ok());
  std::thread waiter([&] {
    EXPECT_EQ(Ok({"delete", "network/blue"}), "network.xpu.opiproject.org/blue deleted\n");
  });
  ASSERT_TRUE(server_.WaitForWatchers(1));
  ASSERT_TRUE(
      client_->Patch(Networks(), Blue(), PatchType::kMerge, {{"metadata", {{"finalizers", nullptr}}}}).ok());
  waiter.join();
}

TEST_F(XpuctlTest, DeleteThatTakesTooLongSaysWhatHoldsTheObject) {
  Apply(kBlue);
  ASSERT_TRUE(
      client_
          ->Patch(Networks(), Blue(), PatchType::kMerge,
                  {{"metadata", {{"finalizers", Resource::array({"xpu.opiproject.org/card0-network"})}}}})
          .ok());
  EXPECT_THAT(Fail({"delete", "network", "blue", "--timeout", "0"}),
              AllOf(HasSubstr("is still there"), HasSubstr("xpu.opiproject.org/card0-network")));
}

TEST_F(XpuctlTest, DeleteSaysWhatIsWrong) {
  EXPECT_THAT(Fail({"delete", "network", "none"}), HasSubstr("not found"));
  EXPECT_EQ(Ok({"delete", "network", "none", "--ignore-not-found"}), "");
  EXPECT_THAT(Fail({"delete", "networks"}), HasSubstr("by name"));
  EXPECT_THAT(Fail({"delete"}), HasSubstr("say what to delete"));
  Apply(kBlue);
  EXPECT_EQ(Ok({"delete", "network", "blue", "--no-wait"}),
            "network.xpu.opiproject.org/blue is being deleted\n");
}

TEST_F(XpuctlTest, WatchShowsEachChangeAlsoAfterTheServerWasRestarted) {
  Apply(kBlue);
  for (const char* output : {"table", "json"}) {
    SharedBuffer buffer;
    std::ostream out(&buffer);
    std::istringstream in;
    std::ostringstream err;
    EventLoop* loop = nullptr;
    absl::Notification running;
    int code = -1;
    std::thread watcher([&] {
      code = RunXpuctl({"watch", "networks", "-o", output}, Deps(in, out, err, [&](EventLoop& l) {
                         loop = &l;
                         running.Notify();
                         l.Run();
                       }));
    });
    running.WaitForNotification();
    buffer.WaitFor("blue");
    server_.Restart();
    std::string red = kBlue;
    red.replace(red.find("blue"), 4, "red");
    red.replace(red.find("100"), 3, "200");
    Apply(red);
    buffer.WaitFor("red");
    Ok({"delete", "network", "red"});
    const std::string text = buffer.WaitFor("DELETED");
    loop->Stop();
    watcher.join();
    EXPECT_EQ(code, 0) << err.str();
    if (std::string(output) == "table") {
      EXPECT_THAT(text, ContainsRegex("^EVENT +NAME +VNI .*\nADDED +blue .*\nADDED +red .*\nDELETED +red "));
    } else {
      const std::vector<std::string> lines = absl::StrSplit(text, '\n');
      EXPECT_EQ(Resource::parse(lines[0])["object"]["metadata"]["name"], "blue");
    }
  }
}

TEST_F(XpuctlTest, ErrorsTeach) {
  EXPECT_THAT(Fail({"get", "pods"}), AllOf(HasSubstr("no kind \"pods\""), HasSubstr("networks (xnet)")));
  for (const std::vector<std::string>& args : std::vector<std::vector<std::string>>{
           {"get", "networks"}, {"watch", "networks"}, {"delete", "network", "x"}}) {
    std::vector<std::string> elsewhere = {"--server", "unix:/tmp/xpu-nobody-listens-here"};
    elsewhere.insert(elsewhere.end(), args.begin(), args.end());
    EXPECT_THAT(Fail(elsewhere), AllOf(HasSubstr("unix:/tmp/xpu-nobody-listens-here"), HasSubstr("--server"),
                                       HasSubstr("XPU_SERVER")));
  }
  EXPECT_THAT(Fail({"--server", "nonsense", "get", "networks"}), HasSubstr("nonsense"));
  const Result unknown = Run({"frobnicate"});
  EXPECT_NE(unknown.code, 0);
  EXPECT_NE(Run({}).code, 0);
  EXPECT_EQ(Run({"--help"}).code, 0);
}

TEST_F(XpuctlTest, ABackupIsRestoredWhileTheServerRuns) {
  char folder[] = "/tmp/xpu-xpuctl-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string file = std::string(folder) + "/store.db";
  Apply(kBlue);
  EXPECT_THAT(Ok({"backup", file}), ContainsRegex("holds version [0-9]+\n$"));
  ASSERT_TRUE(client_->Delete(Networks(), Blue()).ok());
  EXPECT_THAT(Ok({"restore", file}), HasSubstr("restored from"));
  EXPECT_TRUE(client_->Get(Networks(), Blue()).ok());
  EXPECT_THAT(Fail({"restore", file + ".not"}), HasSubstr("cannot read the backup"));
  std::filesystem::remove_all(folder);
}

TEST_F(XpuctlTest, VersionNeedsNoServer) {
  EXPECT_THAT(Ok({"version"}), ContainsRegex("^xpuctl [0-9.]+\nserver v?[0-9]"));
  EXPECT_THAT(Ok({"version", "--server", "unix:/tmp/xpu-nobody-listens-here"}),
              HasSubstr("server does not answer"));
}

TEST(DefaultServerTest, TheEnvironmentSaysWhere) {
  EXPECT_EQ(DefaultServer([](const char*) { return std::string("unix:/x"); }).server, "unix:/x");
  const KubeFlags config =
      DefaultServer([](const char* name) { return std::string(name) == "KUBECONFIG" ? "/a:/b" : ""; });
  EXPECT_EQ(config.server, "");
  EXPECT_EQ(config.kubeconfig, "/a:/b");
  EXPECT_THAT(DefaultServer([](const char*) { return std::string(); }).server,
              testing::MatchesRegex("unix:/run/.*\\.sock"));
}

}  // namespace
}  // namespace xpu
