// What goes wrong with an object on its card, as `kubectl describe` shows it: the xPU agent's controllers on
// xpu-apiserver, and their role in packaging/k8s.
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/api/api.h"
#include "common/kube/change_signal.h"
#include "common/kube/kube_client.h"
#include "common/opi/fake_opi_client.h"
#include "common/sys/files.h"
#include "test/component/kube/kubectl_testing.h"
#include "xpu-agent/controllers/controllers.h"

namespace xpu {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

const ResourceKind kCoreEvents = {"", "v1", "Event", "events"};

class KubectlEventsTest : public KubectlTest {
 protected:
  KubectlEventsTest() : client_(KubeClient::Make({.server = server_->endpoint()}).value()) {
    ControllerOptions options;
    options.card = "card0";
    controllers_ = Controllers::Start(options, *client_, opi_).value();
  }
  // Waits until there are so many Events.
  void AwaitEvents(size_t count) {
    ChangeSignal signal;
    const auto watcher = NotifyOfChanges(*client_, kCoreEvents, signal);
    ASSERT_TRUE(watcher.ok()) << watcher.status();
    EXPECT_TRUE(
        signal.WaitUntil([&] { return client_->List(kCoreEvents, "").value().items.size() >= count; }));
  }

  FakeOpiClient opi_;
  std::unique_ptr<KubeClient> client_;
  std::unique_ptr<Controllers> controllers_;
};

TEST_F(KubectlEventsTest, DescribeShowsWhyANetdevFailedAndThatItIsOver) {
  Write("a.yaml",
        "apiVersion: xpu.opiproject.org/v1alpha1\n"
        "kind: Netdev\n"
        "metadata: {name: a}\n"
        "spec: {host: host-a, function: '0000:03:00.1', card: card0, port: host0-1, claim: 1,\n"
        "       mac: '02:00:00:00:00:01', network: blue}\n");
  Kubectl("apply --validate=false -f a.yaml");
  AwaitEvents(1);
  EXPECT_THAT(Kubectl("describe netdev a"),
              AllOf(ContainsRegex("Warning +NotFound +.* +xpu-agent.* +there is no Network default/blue"),
                    Not(HasSubstr("Normal"))));
  Kubectl("apply --validate=false -f blue.yaml");
  AwaitEvents(2);
  EXPECT_THAT(Kubectl("describe netdev a"),
              AllOf(ContainsRegex("Warning +NotFound "),
                    ContainsRegex("Normal +Confirmed +.* +xpu-agent.* +card card0 has confirmed it")));
  EXPECT_THAT(Kubectl("get events"), AllOf(HasSubstr("Netdev"), HasSubstr("Confirmed")));
  // Of what went well from the beginning there is nothing to tell.
  EXPECT_THAT(Kubectl("describe network blue"), ContainsRegex("Events: +<none>"));
}

// A card whose role is bound in one namespace writes Events there and nowhere else, and reads none.
TEST_F(KubectlEventsTest, ACardWritesEventsWhereItsRoleIsBound) {
  const std::string path = absl::StrCat(XPU_MANIFESTS, "/dpu/xpu-agent.yaml");
  const auto documents = api::YamlToJson(ReadFile(path).value(), path);
  ASSERT_TRUE(documents.ok()) << documents.status();
  for (const api::YamlDocument& document : *documents) {
    if (document.value.value("kind", "") == "ClusterRole") Write("role.json", document.value.dump());
  }
  Kubectl("apply --validate=false -f role.json");
  Kubectl("create namespace theirs");
  Kubectl("create rolebinding card --clusterrole=xpu-agent --user=ann");
  EXPECT_EQ(KubectlAs("ann-token", "auth can-i create events"), "yes\n");
  EXPECT_EQ(KubectlAs("ann-token", "auth can-i patch events"), "yes\n");
  for (const char* question : {"create events -n theirs", "patch events -n theirs", "get events",
                               "list events", "delete events", "update events"}) {
    EXPECT_THAT(KubectlAs("ann-token", absl::StrCat("auth can-i ", question), /*succeeds=*/false),
                ::testing::StartsWith("no"))
        << question;
  }
}

}  // namespace
}  // namespace xpu
