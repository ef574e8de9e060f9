// The informer on the real client and server, which is restarted under it.
#include <csignal>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/base/event_loop.h"
#include "common/kube/informer.h"
#include "common/kube/kube_client.h"
#include "common/kube/metadata.h"
#include "control-plane/apiserver/test_api_server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;

const ResourceKind kNetworks = {"xpu.opiproject.org", "v1alpha1", "Network", "networks"};

class KubeInformerTest : public ::testing::Test {
 protected:
  // The server is in this process, and its clients drop connections.
  static void SetUpTestSuite() { signal(SIGPIPE, SIG_IGN); }

  KubeInformerTest()
      : client_(KubeClient::Make({.server = server_.endpoint()}).value()), thread_([this] { loop_.Run(); }) {
    const Resource ns = MakeResource({"", "v1", "Namespace", "namespaces"}, {"", "default"});
    const absl::Status made = client_->Create({"", "v1", "Namespace", "namespaces"}, ns).status();
    EXPECT_TRUE(made.ok() || absl::IsAlreadyExists(made)) << made;
  }
  ~KubeInformerTest() override {
    loop_.PostAndWait([this] { informer_.reset(); });
    loop_.Stop();
    thread_.join();
  }

  void Start() {
    Informer::Options options;
    options.kind = kNetworks;
    options.backoff.initial = absl::Milliseconds(5);
    options.backoff.max = absl::Milliseconds(50);
    Informer::Handler handler;
    handler.added = [this](const ResourceName& name, const Resource&) { Note("added " + name.name); };
    handler.updated = [this](const ResourceName& name, const Resource&, const Resource&) {
      Note("updated " + name.name);
    };
    handler.deleted = [this](const ResourceName& name, const Resource&) { Note("deleted " + name.name); };
    handler.synced = [this] { Note("synced"); };
    loop_.PostAndWait([&] { informer_ = std::make_unique<Informer>(loop_, *client_, options, handler); });
  }
  void Note(std::string line) {
    absl::MutexLock lock(&mu_);
    notes_.push_back(std::move(line));
  }
  std::vector<std::string> Notes(size_t count) {
    const auto enough = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return notes_.size() >= count; };
    absl::MutexLock lock(&mu_);
    mu_.AwaitWithTimeout(absl::Condition(&enough), absl::Seconds(20));
    return notes_;
  }
  void Put(const std::string& name, int vni) {
    Resource object = MakeResource(kNetworks, {"default", name});
    object["spec"] = {{"vni", vni}, {"prefixes", Resource::array({"10.0.0.0/24"})}};
    const auto made = client_->Create(kNetworks, object);
    EXPECT_TRUE(made.ok()) << made.status();
  }

  apiserver::TestApiServer server_;
  std::unique_ptr<KubeClient> client_;
  EventLoop loop_;
  absl::Mutex mu_;
  std::vector<std::string> notes_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<Informer> informer_;
  std::thread thread_;
};

TEST_F(KubeInformerTest, GoesOnAfterTheServerWasRestarted) {
  Put("blue", 1);
  Start();
  EXPECT_THAT(Notes(2), ElementsAre("added blue", "synced"));
  for (int i = 0; i < 3; ++i) {
    server_.Restart();
    Put(absl::StrCat("n", i), 10 + i);
  }
  EXPECT_THAT(Notes(5), ElementsAre("added blue", "synced", "added n0", "added n1", "added n2"));
}

TEST_F(KubeInformerTest, ListsAgainWhenTheServerHasForgottenItsVersion) {
  Put("blue", 1);
  Start();
  Notes(2);
  ASSERT_TRUE(server_.WaitForWatchers(1));
  server_.Compact();
  server_.Restart();
  Put("green", 2);
  EXPECT_THAT(Notes(3), ElementsAre("added blue", "synced", "added green"));
}

TEST_F(KubeInformerTest, OneThreadServesManyWatchesAndRequests) {
  std::vector<std::unique_ptr<Informer>> informers;
  for (int i = 0; i < 8; ++i) {
    Informer::Options options;
    options.kind = kNetworks;
    Informer::Handler handler;
    handler.added = [this, i](const ResourceName& name, const Resource&) {
      Note(absl::StrCat(i, " ", name.name));
    };
    loop_.PostAndWait([&] {
      informers.push_back(std::make_unique<Informer>(loop_, *client_, options, std::move(handler)));
    });
  }
  ASSERT_TRUE(server_.WaitForWatchers(8));
  std::vector<std::thread> writers;
  for (int w = 0; w < 4; ++w) {
    writers.emplace_back([this, w] {
      for (int i = 0; i < 10; ++i) Put(absl::StrCat("n", w, "-", i), 100 * w + i + 1);
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(Notes(8 * 40).size(), 8u * 40u);
  loop_.PostAndWait([&] { informers.clear(); });
}

}  // namespace
}  // namespace xpu
