// What packaging/k8s applies, as kubectl makes it of the kustomizations, on xpu-apiserver. Workloads are for
// clusters that run pods: their kinds are not served, and their manifests are held against the programs in
// test/component/manifests.
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/api/api.h"
#include "test/component/kube/kubectl_testing.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;

class KubectlManifestsTest : public KubectlTest {
 protected:
  // The objects of a folder whose kinds are served, as JSON one after the other in one file.
  int Build(const std::string& folder, const std::string& file) {
    const std::string text = Kubectl(absl::StrCat("kustomize ", XPU_MANIFESTS, "/", folder));
    const auto documents = api::YamlToJson(text, folder);
    EXPECT_TRUE(documents.ok()) << documents.status() << text;
    static const std::set<std::string> kOfPods = {"DaemonSet", "Deployment", "PodDisruptionBudget",
                                                  "ValidatingWebhookConfiguration"};
    std::string served;
    int count = 0;
    for (const api::YamlDocument& document : *documents) {
      const nlohmann::json& object = document.value;
      const bool known = api::FindKind(object.value("apiVersion", ""), object.value("kind", "")) != nullptr;
      EXPECT_NE(known, kOfPods.contains(object.value("kind", ""))) << object["kind"];
      if (!known) continue;
      ++count;
      absl::StrAppend(&served, object.dump(), "\n");
    }
    Write(file, served);
    return count;
  }
};

TEST_F(KubectlManifestsTest, AreAppliedAndTheSecondTimeChangeNothing) {
  Kubectl("create namespace kube-system");
  for (const std::string folder : {"", "host", "dpu", "webhook", "broker/target", "broker/source"}) {
    const int count = Build(folder, "objects.json");
    EXPECT_GT(count, 0) << folder;
    Kubectl("apply --validate=false -f objects.json");
    const std::string again = Kubectl("apply --validate=false -f objects.json");
    const std::vector<std::string> lines = absl::StrSplit(again, '\n', absl::SkipEmpty());
    EXPECT_EQ(lines.size(), static_cast<size_t>(count)) << again;
    for (const std::string& line : lines) EXPECT_THAT(line, HasSubstr("unchanged")) << folder;
  }
  // The kinds are those that they were.
  Kubectl("apply --validate=false -f blue.yaml");
  EXPECT_THAT(Kubectl("get xnet blue"), HasSubstr("10.0.0.0/24"));
}

TEST_F(KubectlManifestsTest, AreAppliedOnTheServerToo) {
  Kubectl("create namespace kube-system");
  for (const std::string folder : {"", "broker/target", "broker/source"}) {
    Build(folder, "objects.json");
    EXPECT_THAT(Kubectl("apply --server-side --field-manager=ops --validate=false -f objects.json"),
                HasSubstr("serverside-applied"));
  }
}

}  // namespace
}  // namespace xpu
