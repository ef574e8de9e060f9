// With a server that cannot select by fields: the agent asks for its objects by labels, and gets the same.

#include "common/api/field_labels.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/kube/cut_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/controllers/controllers_testing.h"

namespace xpu {
namespace {

using ::testing::Contains;
using ::testing::Not;

// What KubeClient makes of such a server's answers (ListOptions::labels_of_fields).
class OldServer : public CutStore {
 public:
  explicit OldServer(ResourceStore& store) : CutStore(store) {}

  absl::StatusOr<ResourceList> List(const ResourceKind& kind, const std::string& ns,
                                    const ListOptions& options) override {
    return CutStore::List(kind, ns, ByLabels(kind, options));
  }
  absl::StatusOr<std::unique_ptr<Watcher>> Watch(const ResourceKind& kind, const std::string& ns,
                                                 const std::string& version, const ListOptions& options,
                                                 WatchCallbacks callbacks) override {
    return CutStore::Watch(kind, ns, version, ByLabels(kind, options), std::move(callbacks));
  }
  // "netdevs LABELS" of each selection.
  std::set<std::string> asked() const {
    absl::MutexLock lock(&mu_);
    return asked_;
  }

 private:
  ListOptions ByLabels(const ResourceKind& kind, ListOptions options) {
    if (!options.field_selector.empty()) options.label_selector = options.labels_of_fields;
    absl::MutexLock lock(&mu_);
    asked_.insert(absl::StrCat(kind.plural, " ", options.label_selector));
    return options;
  }

  mutable absl::Mutex mu_;
  std::set<std::string> asked_ ABSL_GUARDED_BY(mu_);
};

class FieldLabelsTest : public ControllersTest {
 protected:
  void StartOn(ResourceStore& server) {
    ControllerOptions options;
    options.card = "card0";
    options.vtep = IpAddress::Parse("192.0.2.1").value();
    options.backoff.initial = absl::Milliseconds(1);
    options.backoff.max = absl::Milliseconds(20);
    controllers_ = Controllers::Start(options, server, opi_).value();
  }
  // As a host agent writes it.
  void Label(const std::string& netdev) {
    const Resource object = store_.Get(Netdevs(), Name(netdev)).value();
    ASSERT_TRUE(store_
                    .Patch(Netdevs(), Name(netdev), PatchType::kMerge,
                           {{"metadata", {{"labels", api::NetdevLabels(object["spec"])}}}})
                    .ok());
  }
};

TEST_F(FieldLabelsTest, NetdevsOfTheCardAndOfItsNetworksAreAskedForByLabel) {
  OldServer server(store_);
  CreateNetwork("blue", 100);
  StartOn(server);
  CreateNetdev("mine", 2, "blue");
  Label("mine");
  WaitForState("mine", "Attached");
  EXPECT_TRUE(PortExists(2));
  // What it uses it follows on other cards.
  WaitForReady(Networks(), "blue");
  controllers_.reset();
  const std::set<std::string> asked = server.asked();
  EXPECT_THAT(asked, Contains("netdevs xpu.opiproject.org/card=card0"));
  EXPECT_THAT(asked, Contains("netdevs xpu.opiproject.org/network=blue"));
  EXPECT_THAT(asked, Not(Contains("netdevs "))) << "all of the cluster's";
}

TEST_F(FieldLabelsTest, ALabelThatComesLaterMakesItTheCards) {
  OldServer server(store_);
  CreateNetwork("blue", 100);
  StartOn(server);
  // A host agent that does not say it yet, and then does.
  CreateNetdev("mine", 2, "blue");
  Label("mine");
  WaitForState("mine", "Attached");
  controllers_.reset();
}

}  // namespace
}  // namespace xpu
