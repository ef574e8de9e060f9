// Who comes when: kubelet, host agent, plugin; and Allocate while one of them is away.

#include "device-plugin/device_plugin.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/component/device_plugin/plugin_fixture.h"

namespace xpu {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Kubelet;
using testing::KubeletResource;

TEST_F(DevicePluginTest, TheKubeletLearnsEveryFunction) {
  auto sick = FakeHostAgent::Function(kTwo, "0000:03:00.0", /*numa_node=*/1);
  sick.set_healthy(false);
  StartAgent({FakeHostAgent::Function(kOne), sick});
  StartKubelet();
  StartPlugin();
  const KubeletResource seen = Await([](const KubeletResource& r) { return r.capacity == 2; });
  EXPECT_TRUE(seen.connected);
  ASSERT_EQ(seen.devices.size(), 2u);
  EXPECT_EQ(seen.devices[0].id(), kOne);
  EXPECT_EQ(seen.devices[0].health(), "Healthy");
  EXPECT_FALSE(seen.devices[0].has_topology());
  EXPECT_EQ(seen.devices[1].health(), "Unhealthy");
  ASSERT_EQ(seen.devices[1].topology().nodes_size(), 1);
  EXPECT_EQ(seen.devices[1].topology().nodes(0).id(), 1);
}

TEST_F(DevicePluginTest, TheSameFunctionsAgainAreNotSentAgain) {
  StartAll();
  agent_->Set({FakeHostAgent::Function(kTwo), FakeHostAgent::Function(kOne)});
  agent_->Set({FakeHostAgent::Function(kOne), FakeHostAgent::Function(kTwo)});
  agent_->Set({FakeHostAgent::Function(kOne)});
  EXPECT_EQ(AwaitAllocatable(1).lists, 2);
}

TEST_F(DevicePluginTest, HealthFollowsTheHostAgent) {
  StartAll();
  auto sick = FakeHostAgent::Function(kTwo);
  sick.set_healthy(false);
  agent_->Set({FakeHostAgent::Function(kOne), sick});
  EXPECT_EQ(AwaitAllocatable(1).capacity, 2);
  agent_->Set({FakeHostAgent::Function(kOne), FakeHostAgent::Function(kTwo)});
  EXPECT_EQ(AwaitAllocatable(2).lists, 3);
}

TEST_F(DevicePluginTest, AKubeletThatComesLaterIsFound) {
  StartAgent();
  StartPlugin();
  StartKubelet();
  EXPECT_EQ(AwaitAllocatable(2).registrations, 1);
}

TEST_F(DevicePluginTest, ARestartedKubeletIsRegisteredWithOnce) {
  StartAll();
  ASSERT_TRUE(kubelet_->Admit("pod", kVf, 1).ok());
  for (int i = 0; i < 5; ++i) {
    kubelet_ = nullptr;
    StartKubelet();
    const KubeletResource seen = AwaitAllocatable(2);
    EXPECT_EQ(seen.registrations, 1);
    EXPECT_EQ(seen.held.size(), 1u);
  }
  EXPECT_TRUE(kubelet_->Admit("other", kVf, 1).ok());
}

TEST_F(DevicePluginTest, ASocketThatADeadKubeletLeftDoesNotMatter) {
  StartAll();
  kubelet_ = nullptr;
  {
    const UniqueFd dead(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    strcpy(address.sun_path, KubeletSocket().c_str());
    ASSERT_EQ(bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  StartKubelet();
  EXPECT_EQ(AwaitAllocatable(2).registrations, 1);
}

TEST_F(DevicePluginTest, ASocketThatWasRemovedByHandIsMadeAnew) {
  StartAll();
  fs::remove(PluginSocket());
  Await([](const KubeletResource& seen) { return seen.registrations == 2 && seen.allocatable == 2; });
  EXPECT_TRUE(fs::is_socket(PluginSocket()));
}

TEST_F(DevicePluginTest, ARestartedPluginIsBack) {
  StartAll();
  ASSERT_TRUE(plugin_->Stop().ok());
  EXPECT_FALSE(fs::exists(PluginSocket()));
  const KubeletResource gone = Await([](const KubeletResource& seen) { return !seen.connected; });
  EXPECT_EQ(gone.allocatable, 0);
  EXPECT_EQ(gone.capacity, 2);
  StartPlugin();
  EXPECT_EQ(AwaitAllocatable(2).registrations, 2);
}

TEST_F(DevicePluginTest, NothingIsRegisteredBeforeTheHostAgentHasToldItsFunctions) {
  StartKubelet();
  agent_->Start();
  StartPlugin();
  EXPECT_EQ(kubelet_->Look(kVf).registrations, 0);
  agent_->Set({FakeHostAgent::Function(kOne)});
  const KubeletResource seen = AwaitAllocatable(1);
  EXPECT_EQ(seen.lists, 1);
  EXPECT_EQ(seen.registrations, 1);
}

TEST_F(DevicePluginTest, AHostAgentThatComesLaterIsFound) {
  StartKubelet();
  StartPlugin();
  StartAgent();
  AwaitAllocatable(2);
}

TEST_F(DevicePluginTest, ARestartOfTheHostAgentIsNotSeenByTheKubelet) {
  options_.grace = absl::Hours(1);
  StartAll();
  agent_->Stop();
  agent_->Start();
  agent_->Set({FakeHostAgent::Function(kOne)});
  const KubeletResource seen = AwaitAllocatable(1);
  EXPECT_EQ(seen.lists, 2) << "the list before and the one after, none in between";
  EXPECT_EQ(seen.registrations, 1);
}

TEST_F(DevicePluginTest, DevicesOfAHostAgentThatStaysAwayAreUnhealthyUntilItIsBack) {
  options_.grace = absl::Milliseconds(20);
  StartAll();
  agent_->Stop();
  EXPECT_EQ(AwaitAllocatable(0).capacity, 2);
  agent_->Start();
  EXPECT_EQ(AwaitAllocatable(2).registrations, 1);
}

TEST_F(DevicePluginTest, AllocateAsksTheHostAgentAndTellsTheContainer) {
  std::vector<std::string> asked;
  agent_->SetAllocate(
      [&](const std::vector<std::string>& addresses, hostagent::v1::AllocateResponse& response) {
        asked = addresses;
        (*response.mutable_envs())["XPU_CARD"] = "card0";
        return absl::OkStatus();
      });
  StartAll();
  const auto admission = kubelet_->Admit("pod", kVf, 2);
  ASSERT_TRUE(admission.ok()) << admission.status();
  EXPECT_THAT(asked, ElementsAre(kOne, kTwo));
  EXPECT_THAT(admission->device_ids, ElementsAre(kOne, kTwo));
  EXPECT_EQ(admission->response.envs().at("XPU_CARD"), "card0");
  EXPECT_EQ(admission->response.envs().at("PCIDEVICE_XPU_OPIPROJECT_ORG_VF"), "0000:03:00.2,0000:03:00.3");
}

TEST_F(DevicePluginTest, AnErrorOfTheHostAgentReachesTheKubeletAndNothingIsHeld) {
  agent_->SetAllocate(
      [](auto&, auto&) { return absl::FailedPreconditionError("attached to pod default/web-0"); });
  StartAll();
  const auto admission = kubelet_->Admit("pod", kVf, 1);
  EXPECT_EQ(admission.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(admission.status().message()),
              AllOf(HasSubstr("cannot allocate"), HasSubstr("attached to pod default/web-0")));
  EXPECT_TRUE(kubelet_->Look(kVf).held.empty());
  agent_->SetAllocate(nullptr);
  EXPECT_TRUE(kubelet_->Admit("pod", kVf, 1).ok());
}

TEST_F(DevicePluginTest, AllocateWaitsForAHostAgentThatIsBeingRestarted) {
  options_.grace = absl::Hours(1);
  StartAll();
  agent_->Stop();
  absl::StatusOr<Kubelet::Admission> admission;
  std::thread pod([&] { admission = kubelet_->Admit("pod", kVf, 1); });
  agent_->Start();
  pod.join();
  EXPECT_TRUE(admission.ok()) << admission.status();
}

TEST_F(DevicePluginTest, AllocateGivesUpOnAHostAgentThatStaysAway) {
  options_.grace = absl::Hours(1);
  options_.allocate_timeout = absl::Milliseconds(100);
  StartAll();
  agent_->Stop();
  const auto admission = kubelet_->Admit("pod", kVf, 1);
  EXPECT_EQ(admission.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(admission.status().message()),
              AllOf(HasSubstr(options_.host_agent), HasSubstr("systemctl status xpu-host-agent")));
}

TEST_F(DevicePluginTest, AStopInTheMiddleOfAnAllocateEndsIt) {
  options_.grace = absl::Hours(1);
  StartAll();
  absl::Notification asked;
  // The agent's answer may come after the end of the test.
  const auto release = std::make_shared<absl::Notification>();
  agent_->SetAllocate([&asked, release](auto&, auto&) {
    asked.Notify();
    release->WaitForNotification();
    return absl::OkStatus();
  });
  absl::StatusOr<Kubelet::Admission> admission;
  std::thread pod([&] { admission = kubelet_->Admit("pod", kVf, 1); });
  asked.WaitForNotification();
  EXPECT_TRUE(plugin_->Stop().ok());
  pod.join();
  EXPECT_FALSE(admission.ok());
  release->Notify();
}

TEST_F(DevicePluginTest, SeveralFunctionsComeFromOneCard) {
  StartAgent({FakeHostAgent::Function("0000:03:00.2", "0000:03:00.0"),
              FakeHostAgent::Function("0000:04:00.2", "0000:04:00.0"),
              FakeHostAgent::Function("0000:04:00.3", "0000:04:00.0")});
  StartKubelet();
  StartPlugin();
  AwaitAllocatable(3);
  EXPECT_THAT(kubelet_->Admit("pod", kVf, 2)->device_ids, ElementsAre("0000:04:00.2", "0000:04:00.3"));
}

TEST_F(DevicePluginTest, WithThePluginWatcherNothingIsServedBeforeTheHostAgentHasToldItsFunctions) {
  options_.registration = PluginRegistration::kWatcher;
  agent_->Start();
  StartKubelet();
  StartPlugin();
  EXPECT_THAT(Names(options_.registry_dir), IsEmpty());
  agent_->Set({FakeHostAgent::Function(kOne)});
  EXPECT_EQ(AwaitAllocatable(1).lists, 1);
  EXPECT_EQ(plugin_->Stop(), absl::OkStatus());
  fs::remove_all(options_.registry_dir);
  EXPECT_EQ(RunningPlugin(options_).Wait().code(), absl::StatusCode::kNotFound);
}

TEST_F(DevicePluginTest, AThousandDevices) {
  FakeHostAgent::Functions functions;
  for (int i = 0; i < 1000; ++i) {
    const int pf = i / 125;
    functions.push_back(
        FakeHostAgent::Function(absl::StrFormat("0000:%02x:%02x.%d", 16 + pf, 1 + i % 125 / 8, i % 8),
                                absl::StrFormat("0000:%02x:00.0", 16 + pf), pf % 2));
  }
  StartAgent(functions);
  StartKubelet();
  StartPlugin();
  EXPECT_EQ(AwaitAllocatable(1000).lists, 1);
  const auto admission = kubelet_->Admit("pod", kVf, 100);
  ASSERT_TRUE(admission.ok()) << admission.status();
  std::set<std::string> buses;
  for (const std::string& id : admission->device_ids) buses.insert(id.substr(0, 7));
  EXPECT_EQ(buses.size(), 1u) << "packed on one physical function";
  functions[7].set_healthy(false);
  agent_->Set(functions);
  EXPECT_EQ(AwaitAllocatable(999).lists, 2);
  EXPECT_EQ(Names(options_.device_info_dir).size(), 1000u);
}

TEST_F(DevicePluginTest, ASecondPluginOfTheSameResourceIsRefused) {
  StartAll();
  RunningPlugin second(options_);
  EXPECT_EQ(second.Wait().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(kubelet_->Admit("pod", kVf, 1).ok());
}

TEST_F(DevicePluginTest, APluginWhoseSocketWasReplacedEnds) {
  StartAgent();
  StartPlugin();
  const std::string other = PluginSocket() + ".other";
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  strcpy(address.sun_path, other.c_str());
  ASSERT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  fs::rename(other, PluginSocket());
  EXPECT_EQ(plugin_->Wait().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(DevicePluginTest, WithoutItsFolderItEnds) {
  StartAgent();
  StartPlugin();
  fs::rename(options_.plugin_dir, folder_ / "elsewhere");
  EXPECT_EQ(plugin_->Wait().code(), absl::StatusCode::kNotFound);
  RunningPlugin next(options_);
  EXPECT_EQ(next.Wait().code(), absl::StatusCode::kNotFound);
}

TEST_F(DevicePluginTest, MalformedOptionsAreRefused) {
  options_.pools = {{.resource = "vf"}};
  EXPECT_EQ(RunningPlugin(options_).Wait().code(), absl::StatusCode::kInvalidArgument);
  options_.pools = {};
  EXPECT_EQ(RunningPlugin(options_).Wait().code(), absl::StatusCode::kInvalidArgument);
  options_.pools = {{.resource = kVf}};
  options_.host_agent = "host-agent.sock";
  EXPECT_EQ(RunningPlugin(options_).Wait().code(), absl::StatusCode::kInvalidArgument);
  options_.host_agent = "unix:/run/host-agent.sock";
  options_.plugin_dir = "/tmp/" + std::string(100, 'x');
  EXPECT_FALSE(RunningPlugin(options_).Wait().ok());
}

}  // namespace
}  // namespace xpu
