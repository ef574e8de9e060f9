// Kubernetes' own kubectl against xpu-apiserver: the verbs that change what is there, and those that wait for
// it.
#include <sys/types.h>

#include <csignal>
#include <cstdio>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "common/http/test_http.h"
#include "test/component/kube/kubectl_testing.h"

namespace xpu {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A kubectl that goes on until this goes.
class RunningKubectl {
 public:
  explicit RunningKubectl(const std::string& command)
      : pipe_(popen(absl::StrCat("echo $$; ", absl::StrReplaceAll(command, {{" kubectl ", " exec kubectl "}}))
                        .c_str(),
                    "r")) {
    EXPECT_TRUE(absl::SimpleAtoi(Line(), &pid_));
  }
  ~RunningKubectl() {
    if (pid_ > 0) kill(pid_, SIGTERM);
    pclose(pipe_);
  }
  // The next line; empty at the end.
  std::string Line() {
    char line[4096];
    if (fgets(line, sizeof(line), pipe_) == nullptr) return "";
    return std::string(absl::StripSuffix(line, "\n"));
  }

 private:
  FILE* pipe_;
  pid_t pid_ = 0;
};

class KubectlVerbsTest : public KubectlTest {
 protected:
  // As an agent does: not every kubectl can.
  void WriteStatus(const nlohmann::json& status) {
    TestHttp http(server_->endpoint());
    EXPECT_EQ(http.Merge("/apis/xpu.opiproject.org/v1alpha1/namespaces/default/networks/blue/status",
                         {{"status", status}})
                  .code,
              200);
  }
};

TEST_F(KubectlVerbsTest, WatchesAndSeesEachChange) {
  Kubectl("apply -f blue.yaml");
  RunningKubectl watch(
      Command("get networks --watch --output-watch-events -o "
              "jsonpath='{.type} {.object.metadata.name} {.object.spec.mtu}{\"\\n\"}'"));
  EXPECT_EQ(watch.Line(), "ADDED blue 1500");
  Kubectl("patch network blue --type merge -p '{\"spec\": {\"mtu\": 1400}}'");
  EXPECT_EQ(watch.Line(), "MODIFIED blue 1400");
  Kubectl("delete network blue --timeout=20s");
  EXPECT_EQ(watch.Line(), "DELETED blue 1400");
  Write("red.yaml",
        "apiVersion: xpu.opiproject.org/v1alpha1\nkind: Network\nmetadata: {name: red}\n"
        "spec: {vni: 7, prefixes: [10.0.0.0/24]}\n");
  Kubectl("create -f red.yaml");
  EXPECT_EQ(watch.Line(), "ADDED red 1500");
  // As tables, in which a change is a row.
  RunningKubectl table(Command("get networks --watch"));
  EXPECT_THAT(table.Line(), ContainsRegex("^NAME +VNI +PREFIXES +READY +AGE"));
  EXPECT_THAT(table.Line(), ContainsRegex("^red +7 "));
  Kubectl("apply -f blue.yaml");
  EXPECT_THAT(table.Line(), ContainsRegex("^blue +100 "));
}

TEST_F(KubectlVerbsTest, PatchesInEachWayThatAKindOfOursHas) {
  Kubectl("apply -f blue.yaml");
  Kubectl(
      "patch network blue --type json -p '[{\"op\": \"test\", \"path\": \"/spec/vni\", \"value\": 100}, "
      "{\"op\": \"add\", \"path\": \"/spec/prefixes/-\", \"value\": \"fd00::/64\"}, "
      "{\"op\": \"replace\", \"path\": \"/spec/mtu\", \"value\": 1400}]'");
  EXPECT_EQ(Kubectl("get network blue -o jsonpath={.spec.prefixes[*]}/{.spec.mtu}"),
            "10.0.0.0/24 fd00::/64/1400");
  EXPECT_THAT(Kubectl("patch network blue --type json -p '[{\"op\": \"test\", \"path\": \"/spec/vni\", "
                      "\"value\": 7}, {\"op\": \"remove\", \"path\": \"/spec/mtu\"}]'",
                      /*succeeds=*/false),
              HasSubstr("test"));
  EXPECT_EQ(Kubectl("get network blue -o jsonpath={.spec.mtu}"), "1400");
  // The status is written by itself.
  WriteStatus({{"cards", {{{"card", "card0"}, {"ports", 3}}}}});
  Kubectl("patch network blue --type merge -p '{\"status\": {\"cards\": []}}'");
  EXPECT_EQ(Kubectl("get network blue -o jsonpath={.status.cards[0].ports}"), "3");
}

TEST_F(KubectlVerbsTest, LabelsAnnotatesEditsAndReplaces) {
  Kubectl("apply -f blue.yaml");
  Kubectl("label network blue tier=one");
  EXPECT_THAT(Kubectl("label network blue tier=two", /*succeeds=*/false), HasSubstr("--overwrite"));
  Kubectl("label network blue tier=two --overwrite");
  EXPECT_THAT(Kubectl("get networks --show-labels"), HasSubstr("app=demo,tier=two"));
  EXPECT_THAT(Kubectl("get networks -L tier"), HasSubstr("TIER"));
  Kubectl("label network blue tier-");
  EXPECT_THAT(Kubectl("get networks -l tier"), HasSubstr("No resources found"));
  Kubectl("annotate network blue example.org/note='for the demo'");
  EXPECT_THAT(Kubectl("describe network blue"), HasSubstr("example.org/note: for the demo"));
  // A person's own changes of what the server answers.
  Run(absl::StrCat("export KUBE_EDITOR='sed -i s/1500/1400/'; ", Command("edit network blue")));
  EXPECT_EQ(Kubectl("get network blue -o jsonpath={.spec.mtu}"), "1400");
  Write("live.yaml", Kubectl("get network blue -o yaml"));
  Run(absl::StrCat("sed -i 's/mtu: 1400/mtu: 1300/' ", folder_, "/live.yaml"));
  EXPECT_THAT(Kubectl("diff -f live.yaml", /*succeeds=*/false),
              AllOf(HasSubstr("-  mtu: 1400"), HasSubstr("+  mtu: 1300")));
  Kubectl("replace -f live.yaml");
  EXPECT_EQ(Kubectl("get network blue -o jsonpath={.spec.mtu}"), "1300");
  EXPECT_THAT(Kubectl("replace -f live.yaml", /*succeeds=*/false), HasSubstr("has been modified"));
}

TEST_F(KubectlVerbsTest, WaitsForWhatIsToBe) {
  Kubectl("apply -f blue.yaml");
  RunningKubectl gone(Command("wait network/blue --for=delete --timeout=60s"));
  ASSERT_TRUE(server_->WaitForWatchers(1));
  RunningKubectl ready(Command("wait network/blue --for=condition=Ready --timeout=60s"));
  WriteStatus({{"conditions", {{{"type", "Ready"}, {"status", "True"}}}}});
  EXPECT_EQ(ready.Line(), "network.xpu.opiproject.org/blue condition met");
  Kubectl("delete network blue --timeout=20s");
  EXPECT_EQ(gone.Line(), "network.xpu.opiproject.org/blue condition met");
}

TEST_F(KubectlVerbsTest, KindsThatAgentsAndClustersUseAreServed) {
  Write("kinds.yaml", R"(apiVersion: v1
kind: Node
metadata: {name: node-1}
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: leader}
spec: {holderIdentity: me, leaseDurationSeconds: 15}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.5]}]
ports: [{port: 80}]
---
apiVersion: v1
kind: Event
metadata: {name: web.1}
involvedObject: {kind: Node, name: node-1}
type: Warning
reason: Odd
message: something is odd
)");
  Kubectl("create -f kinds.yaml");
  EXPECT_THAT(Kubectl("get nodes"), HasSubstr("node-1"));
  EXPECT_THAT(Kubectl("get leases"), AllOf(HasSubstr("HOLDER"), HasSubstr("me")));
  EXPECT_EQ(Kubectl("get endpointslices -l kubernetes.io/service-name=web -o "
                    "jsonpath={.items[*].endpoints[*].addresses}"),
            "[\"10.0.0.5\"]");
  EXPECT_THAT(Kubectl("get events --field-selector type=Warning,involvedObject.name=node-1"),
              HasSubstr("something is odd"));
  EXPECT_THAT(Kubectl("get events --field-selector type=Normal"), HasSubstr("No resources found"));
  EXPECT_THAT(Kubectl("delete -f kinds.yaml --timeout=20s"), HasSubstr("\"node-1\" deleted"));
}

// A list that goes on after the history has been forgotten: Kubernetes says 410 and how to go on.
TEST_F(KubectlVerbsTest, PagesOfAForgottenVersionAreGone) {
  for (const char* name : {"a", "b", "c"}) Kubectl(absl::StrCat("create configmap ", name));
  auto page = nlohmann::json::parse(Kubectl("get --raw '/api/v1/namespaces/default/configmaps?limit=1'"));
  EXPECT_EQ(page["items"].size(), 1u);
  const std::string token = page["metadata"]["continue"];
  ASSERT_FALSE(token.empty());
  const std::string next =
      absl::StrCat("get --raw '/api/v1/namespaces/default/configmaps?limit=1&continue=", token, "'");
  EXPECT_EQ(nlohmann::json::parse(Kubectl(next))["items"][0]["metadata"]["name"], "b");
  // Whoever watches from the first page's version on would not hear of this any more.
  Kubectl("create configmap d");
  server_->Compact();
  EXPECT_THAT(Kubectl(next, /*succeeds=*/false), AnyOf(HasSubstr("Expired"), HasSubstr("too old")));
  EXPECT_THAT(Kubectl("get configmaps --chunk-size=1 -o name"),
              AllOf(StartsWith("configmap/a\n"), HasSubstr("/c")));
}

}  // namespace
}  // namespace xpu
