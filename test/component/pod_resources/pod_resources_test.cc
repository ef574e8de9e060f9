// A container's way from the kubelet through the device plugin to the host agent, and what the host agent
// makes of the kubelet's books: its checkpoint, its PodResources.

#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "common/api/api.h"
#include "common/kube/fake_store.h"
#include "device-plugin/device_plugin.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/podresources/grpc_pod_resources.h"
#include "host-agent/service/agent_under_test.h"
#include "host-agent/testing/store_view.h"
#include "test/lib/kubelet/kubelet.h"
#include "xpu/api/v1alpha1/netdev.pb.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kVf[] = "xpu.opiproject.org/vf";

class PodResourcesTest : public ::testing::Test {
 protected:
  PodResourcesTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "xpu-pod-resources-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    auto kubelet = testing::Kubelet::Start({.plugin_dir = PluginDir(), .pod_resources = Socket()});
    EXPECT_TRUE(kubelet.ok()) << kubelet.status();
    kubelet_ = *std::move(kubelet);
    pods_ = std::make_unique<GrpcPodResources>(Socket());
    agent_.RestartWith({.pods = pods_.get(), .devices = PluginDir()});
    DevicePluginOptions options;
    options.plugin_dir = PluginDir();
    options.registry_dir = "";
    options.cdi_dir = folder_ + "/cdi";
    options.device_info_dir = folder_ + "/devinfo";
    options.host_agent = agent_.endpoint();
    plugin_ = std::thread([this, options] {
      EXPECT_TRUE(RunDevicePlugin(options, {.loop = &loop_, .serving = [this] { serving_.Notify(); }}).ok());
    });
    serving_.WaitForNotification();
    const auto known = kubelet_->Await(
        kVf, [](const testing::KubeletResource& seen) { return seen.connected && seen.allocatable == 3; },
        absl::Now() + absl::Seconds(60));
    EXPECT_TRUE(known.ok()) << known.status();
  }
  ~PodResourcesTest() override {
    loop_.Stop();
    plugin_.join();
    agent_.Stop();
    kubelet_ = nullptr;
    std::filesystem::remove_all(folder_);
  }

  std::string PluginDir() const { return folder_ + "/device-plugins"; }
  std::string Socket() const { return folder_ + "/pod-resources/kubelet.sock"; }
  bool WaitForNetdevs(size_t count) {
    return netdevs_.WaitFor([count](const StoreView::Objects& objects) { return objects.size() == count; });
  }

  std::string folder_;
  FakeWorld world_;
  FakeStore store_;
  StoreView netdevs_{store_, api::KindOf<api::v1alpha1::Netdev>()};
  std::unique_ptr<testing::Kubelet> kubelet_;
  std::unique_ptr<GrpcPodResources> pods_;
  AgentUnderTest agent_{world_, &store_};
  EventLoop loop_;
  absl::Notification serving_;
  std::thread plugin_;
};

TEST_F(PodResourcesTest, AClaimWhosePodGoesBeforeItsAddIsReleasedByTheKubeletsCheckpoint) {
  const auto admitted = kubelet_->Admit("default/web/main", kVf, 1);
  ASSERT_TRUE(admitted.ok()) << admitted.status();
  ASSERT_TRUE(WaitForNetdevs(1));
  EXPECT_THAT(agent_.Claims(), SizeIs(1));
  ASSERT_TRUE(kubelet_->Remove("default/web/main").ok());
  EXPECT_TRUE(WaitForNetdevs(0));
  agent_.Stop();
  EXPECT_THAT(*world_.journal.Load(), IsEmpty());
}

TEST_F(PodResourcesTest, APodThatGetsItsInterfaceKeepsItAndTheOthersAreReleased) {
  const auto web = kubelet_->Admit("default/web/main", kVf, 1);
  ASSERT_TRUE(web.ok()) << web.status();
  ASSERT_TRUE(kubelet_->Admit("default/db/main", kVf, 1).ok());
  ASSERT_TRUE(WaitForNetdevs(2));
  const std::string pod = world_.MakePod("web");
  int vf = 0;
  while (world_.vf(vf).ToString() != web->device_ids.front()) ++vf;
  ASSERT_FALSE(agent_.Add(vf, pod).has_error());
  ASSERT_TRUE(kubelet_->Remove("default/db/main").ok());
  EXPECT_TRUE(WaitForNetdevs(1));
  agent_.Stop();
  EXPECT_EQ(world_.journal.Load()->size(), 1u);
  EXPECT_TRUE(world_.InPod(pod, "net1").has_value());
}

TEST_F(PodResourcesTest, AfterTheLossOfTheJournalWhatAPodHoldsIsRefused) {
  const auto web = kubelet_->Admit("default/web/main", kVf, 1);
  ASSERT_TRUE(web.ok()) << web.status();
  agent_.Stop();
  world_.journal.Lose();
  GrpcPodResources pods(Socket());
  agent_.RestartWith({.pods = &pods, .devices = PluginDir()});
  // Not even noticed that it is lost: the kubelet's word is enough.
  EXPECT_THAT(agent_.Claims(), IsEmpty());
  const auto refused = agent_.Allocate({web->device_ids.front()});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("default/web"));
  agent_.Stop();
}

}  // namespace
}  // namespace xpu
