// The device plugin between a kubelet and a host agent, each of which comes and goes.

#include "device-plugin/device_plugin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "common/base/unique_fd.h"
#include "device-plugin/resource_name.h"
#include "test/component/device_plugin/fake_host_agent.h"
#include "test/lib/kubelet/kubelet.h"

namespace xpu {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Kubelet;
using testing::KubeletResource;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr char kVf[] = "xpu.opiproject.org/vf";
constexpr char kOne[] = "0000:03:00.2";
constexpr char kTwo[] = "0000:03:00.3";

// A plugin with a loop and a thread of its own.
class RunningPlugin {
 public:
  explicit RunningPlugin(const DevicePluginOptions& options)
      : thread_([this, options] {
          status_ = RunDevicePlugin(options, {.loop = &loop_, .serving = [this] { serving_.Notify(); }});
          if (!serving_.HasBeenNotified()) serving_.Notify();
          ended_.Notify();
        }) {
    serving_.WaitForNotification();
  }
  ~RunningPlugin() { Stop().IgnoreError(); }

  absl::Status Stop() {
    loop_.Stop();
    return Wait();
  }
  // Until it ends by itself.
  absl::Status Wait() {
    ended_.WaitForNotification();
    if (thread_.joinable()) thread_.join();
    return status_;
  }

 private:
  EventLoop loop_;
  absl::Notification serving_;
  absl::Notification ended_;
  absl::Status status_;
  std::thread thread_;
};

class DevicePluginTest : public ::testing::Test {
 protected:
  DevicePluginTest() {
    char folder[] = "/tmp/device-plugin-XXXXXX";
    folder_ = mkdtemp(folder);
    options_.plugin_dir = folder_ / "plugins";
    options_.registry_dir = folder_ / "registry";
    options_.cdi_dir = folder_ / "cdi";
    options_.device_info_dir = folder_ / "devinfo/dp";
    options_.host_agent = "unix:" + (folder_ / "host-agent.sock").string();
    fs::create_directory(options_.plugin_dir);
    fs::create_directory(options_.registry_dir);
    agent_.emplace(options_.host_agent);
  }
  ~DevicePluginTest() override {
    plugin_ = nullptr;
    kubelet_ = nullptr;
    agent_.reset();
    fs::remove_all(folder_);
  }

  void StartAgent(FakeHostAgent::Functions functions = {FakeHostAgent::Function(kOne),
                                                        FakeHostAgent::Function(kTwo)}) {
    agent_->Start();
    agent_->Set(std::move(functions));
  }
  void StartKubelet() {
    auto kubelet = Kubelet::Start({.plugin_dir = options_.plugin_dir, .registry_dir = options_.registry_dir});
    ASSERT_TRUE(kubelet.ok()) << kubelet.status();
    kubelet_ = *std::move(kubelet);
  }
  void StartPlugin() { plugin_ = std::make_unique<RunningPlugin>(options_); }
  // All three, and the kubelet knows two healthy devices.
  void StartAll() {
    StartAgent();
    StartKubelet();
    StartPlugin();
    AwaitAllocatable(2);
  }
  KubeletResource Await(const std::function<bool(const KubeletResource&)>& wanted,
                        const std::string& resource = kVf) {
    auto seen = kubelet_->Await(resource, wanted, absl::Now() + absl::Seconds(60));
    EXPECT_TRUE(seen.ok()) << seen.status();
    return seen.ok() ? *seen : KubeletResource();
  }
  KubeletResource AwaitAllocatable(int count, const std::string& resource = kVf) {
    return Await([=](const KubeletResource& seen) { return seen.connected && seen.allocatable == count; },
                 resource);
  }
  // Pools of a configuration as the process reads it.
  void Configure(absl::string_view json) {
    auto configs = ParsePoolConfigs(json, {.resource_prefix = "intel.com"});
    ASSERT_TRUE(configs.ok()) << configs.status();
    options_.pools = std::move(configs->pools);
  }
  static std::set<std::string> Names(const std::string& folder) {
    std::set<std::string> names;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error)) names.insert(entry.path().filename());
    return names;
  }
  std::string PluginSocket() const { return options_.plugin_dir + "/" + PluginSocketName(kVf); }
  std::string KubeletSocket() const { return options_.plugin_dir + "/kubelet.sock"; }

  fs::path folder_;
  DevicePluginOptions options_;
  std::optional<FakeHostAgent> agent_;
  std::unique_ptr<Kubelet> kubelet_;
  std::unique_ptr<RunningPlugin> plugin_;
};

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

// Two vfio functions on one card, a network interface and one with RDMA on another, and a subfunction.
FakeHostAgent::Functions MixedHost() {
  FakeHostAgent::Functions functions;
  for (int i = 0; i < 2; ++i) {
    auto vfio = FakeHostAgent::Function(absl::StrCat("0000:86:02.", i), "0000:86:00.0", /*numa_node=*/1);
    vfio.set_vendor("8086");
    vfio.set_device("154c");
    vfio.set_driver("vfio-pci");
    vfio.set_pf_name("ens1f0");
    vfio.set_index(i);
    vfio.set_vfio_node(absl::StrCat("/dev/vfio/", 40 + i));
    functions.push_back(vfio);
  }
  functions.push_back(FakeHostAgent::Function(kOne));
  functions.back().set_pf_name("p0");
  auto rdma = FakeHostAgent::Function(kTwo);
  rdma.set_pf_name("p0");
  rdma.set_index(1);
  rdma.add_rdma_devices("mlx5_2");
  for (const char* node : {"/dev/infiniband/uverbs2", "/dev/infiniband/rdma_cm"}) rdma.add_rdma_nodes(node);
  functions.push_back(rdma);
  auto sf = FakeHostAgent::Function("0000:03:00.0-sf88");
  sf.set_kind(hostagent::v1::Function::KIND_SF);
  sf.set_index(88);
  sf.set_pf_name("p0");
  sf.set_auxiliary_device("mlx5_core.sf.4");
  functions.push_back(sf);
  return functions;
}

constexpr char kMixedPools[] = R"({"resourceList": [
  {"resourceName": "dpdk", "selectors": [{"vendors": ["8086"], "drivers": ["vfio-pci"],
                                          "pfNames": ["ens1f0#0-7"], "needVhostNet": true}],
   "additionalInfo": {"*": {"token": "t"}}},
  {"resourceName": "net", "resourcePrefix": "mellanox.com", "excludeTopology": true,
   "selectors": {"vendors": ["15b3"], "pfNames": ["p0#0"]}},
  {"resourceName": "rdma", "resourcePrefix": "mellanox.com", "selectors": [{"pfNames": ["p0#1"], "isRdma": true}]},
  {"resourceName": "sf", "resourcePrefix": "mellanox.com", "deviceType": "auxNetDevice",
   "selectors": [{"auxTypes": ["sf"]}]}]})";
constexpr char kDpdk[] = "intel.com/dpdk";
constexpr char kNet[] = "mellanox.com/net";
constexpr char kRdma[] = "mellanox.com/rdma";
constexpr char kSf[] = "mellanox.com/sf";

std::vector<std::string> HostPaths(const v1beta1::ContainerAllocateResponse& response) {
  std::vector<std::string> paths;
  for (const auto& device : response.devices()) {
    EXPECT_EQ(device.permissions(), "rw");
    paths.push_back(device.host_path());
  }
  return paths;
}

TEST_F(DevicePluginTest, OneProcessServesSeveralPools) {
  Configure(kMixedPools);
  StartAgent(MixedHost());
  StartKubelet();
  StartPlugin();
  const KubeletResource dpdk = AwaitAllocatable(2, kDpdk);
  EXPECT_EQ(dpdk.devices[0].id(), "0000:86:02.0");
  EXPECT_EQ(dpdk.devices[0].topology().nodes(0).id(), 1);
  EXPECT_EQ(AwaitAllocatable(1, kNet).devices[0].id(), kOne);
  EXPECT_EQ(AwaitAllocatable(1, kRdma).devices[0].id(), kTwo);
  EXPECT_EQ(AwaitAllocatable(1, kSf).devices[0].id(), "0000:03:00.0-sf88");

  // News of one pool is none of another's.
  auto host = MixedHost();
  host[0].set_healthy(false);
  agent_->Set(host);
  EXPECT_EQ(AwaitAllocatable(1, kDpdk).lists, 2);
  EXPECT_EQ(kubelet_->Look(kNet).lists, 1);
  kubelet_ = nullptr;
  StartKubelet();
  for (const char* resource : {kDpdk, kNet, kRdma, kSf}) {
    EXPECT_EQ(AwaitAllocatable(1, resource).registrations, 1) << resource;
  }
}

TEST_F(DevicePluginTest, ContainersGetWhatThePeerGivesThem) {
  Configure(kMixedPools);
  StartAgent(MixedHost());
  StartKubelet();
  StartPlugin();
  AwaitAllocatable(2, kDpdk);
  const auto dpdk = kubelet_->Admit("dpdk", kDpdk, 2);
  ASSERT_TRUE(dpdk.ok()) << dpdk.status();
  EXPECT_THAT(HostPaths(dpdk->response), ElementsAre("/dev/vfio/vfio", "/dev/vfio/40", "/dev/vhost-net",
                                                     "/dev/net/tun", "/dev/vfio/41"));
  const std::map<std::string, std::string> envs(dpdk->response.envs().begin(), dpdk->response.envs().end());
  EXPECT_THAT(
      envs,
      ElementsAre(Pair("PCIDEVICE_INTEL_COM_DPDK", "0000:86:02.0,0000:86:02.1"),
                  Pair("PCIDEVICE_INTEL_COM_DPDK_INFO",
                       R"({"0000:86:02.0":{"extra":{"token":"t"},"generic":{"deviceID":"0000:86:02.0"},)"
                       R"("vfio":{"dev-mount":"/dev/vfio/40","mount":"/dev/vfio/vfio"},)"
                       R"("vhost":{"net-mount":"/dev/vhost-net","tun-mount":"/dev/net/tun"}},)"
                       R"("0000:86:02.1":{"extra":{"token":"t"},"generic":{"deviceID":"0000:86:02.1"},)"
                       R"("vfio":{"dev-mount":"/dev/vfio/41","mount":"/dev/vfio/vfio"},)"
                       R"("vhost":{"net-mount":"/dev/vhost-net","tun-mount":"/dev/net/tun"}}})")));
  AwaitAllocatable(1, kRdma);
  const auto rdma = kubelet_->Admit("rdma", kRdma, 1);
  ASSERT_TRUE(rdma.ok()) << rdma.status();
  EXPECT_THAT(HostPaths(rdma->response), ElementsAre("/dev/infiniband/uverbs2", "/dev/infiniband/rdma_cm"));
  AwaitAllocatable(1, kSf);
  const auto sf = kubelet_->Admit("sf", kSf, 1);
  ASSERT_TRUE(sf.ok()) << sf.status();
  EXPECT_EQ(sf->response.envs().at("PCIDEVICE_MELLANOX_COM_SF"), "mlx5_core.sf.4");
  EXPECT_EQ(sf->response.devices_size(), 0);
  EXPECT_EQ(
      dpdk->response.mounts_size() + dpdk->response.cdi_devices_size() + dpdk->response.annotations_size(),
      0);
}

TEST_F(DevicePluginTest, WithCdiContainersGetNamesThatASpecificationHas) {
  Configure(kMixedPools);
  options_.use_cdi = true;
  StartAgent(MixedHost());
  StartKubelet();
  StartPlugin();
  AwaitAllocatable(2, kDpdk);
  AwaitAllocatable(1, kRdma);
  EXPECT_THAT(Names(options_.cdi_dir),
              UnorderedElementsAre("xpu-intel.com_dpdk.json", "xpu-mellanox.com_rdma.json"));
  const auto dpdk = kubelet_->Admit("dpdk", kDpdk, 1);
  ASSERT_TRUE(dpdk.ok()) << dpdk.status();
  ASSERT_EQ(dpdk->response.cdi_devices_size(), 1);
  const std::string name = dpdk->response.cdi_devices(0).name();
  EXPECT_EQ(name, "xpu.opiproject.org/function=0000:86:02.0");
  EXPECT_EQ(dpdk->response.annotations().at("cdi.k8s.io/xpu.opiproject.org_function"), name);
  EXPECT_EQ(dpdk->response.devices_size(), 0);
  EXPECT_EQ(dpdk->response.envs().at("PCIDEVICE_INTEL_COM_DPDK"), "0000:86:02.0");
  // What needs no device node needs no name.
  AwaitAllocatable(1, kNet);
  EXPECT_EQ(kubelet_->Admit("net", kNet, 1)->response.cdi_devices_size(), 0);

  // A container that is restarted meanwhile needs the specification.
  agent_->Set(MixedHost(), /*claims=*/1);
  auto host = MixedHost();
  host.erase(host.begin() + 1);
  agent_->Set(host, /*claims=*/1);
  AwaitAllocatable(1, kDpdk);
  EXPECT_TRUE(plugin_->Stop().ok());
  EXPECT_EQ(Names(options_.cdi_dir).size(), 2u);
  StartPlugin();
  agent_->Set(host, /*claims=*/0);
  host.erase(host.begin());
  agent_->Set(host, /*claims=*/0);
  Await([](const KubeletResource& seen) { return seen.connected && seen.capacity == 0; }, kDpdk);
  EXPECT_THAT(Names(options_.cdi_dir), ElementsAre("xpu-mellanox.com_rdma.json"));
  EXPECT_TRUE(plugin_->Stop().ok());
  EXPECT_THAT(Names(options_.cdi_dir), IsEmpty());
}

TEST_F(DevicePluginTest, NothingIsAllocatedWhileItsSpecificationCannotBeWritten) {
  Configure(kMixedPools);
  options_.use_cdi = true;
  std::ofstream(folder_ / "cdi") << "no folder";
  StartAgent(MixedHost());
  StartKubelet();
  StartPlugin();
  AwaitAllocatable(2, kDpdk);
  EXPECT_THAT(kubelet_->Admit("dpdk", kDpdk, 1).status().ToString(),
              AllOf(HasSubstr("CDI specification"), HasSubstr(options_.cdi_dir)));
}

TEST_F(DevicePluginTest, DeviceInformationIsThereBeforeTheDeviceAndGoesWithIt) {
  StartAll();
  const std::string one = "xpu.opiproject.org-vf-0000:03:00.2-device.json";
  const std::string two = "xpu.opiproject.org-vf-0000:03:00.3-device.json";
  EXPECT_THAT(Names(options_.device_info_dir), UnorderedElementsAre(one, two));
  agent_->Set({FakeHostAgent::Function(kOne)});
  AwaitAllocatable(1);
  EXPECT_THAT(Names(options_.device_info_dir), ElementsAre(one));
  EXPECT_TRUE(plugin_->Stop().ok());
  EXPECT_THAT(Names(options_.device_info_dir), IsEmpty());
}

TEST_F(DevicePluginTest, OverlappingPoolsAreAnErrorThatNamesBoth) {
  Configure(R"({"resourceList": [{"resourceName": "all"}, {"resourceName": "vfio",
                                                         "selectors": {"drivers": ["vfio-pci"]}}]})");
  StartAgent(MixedHost());
  StartKubelet();
  StartPlugin();
  const absl::Status status = plugin_->Wait();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("intel.com/all"), HasSubstr("intel.com/vfio"), HasSubstr("0000:86:02.0")));
  EXPECT_EQ(kubelet_->Look("intel.com/all").registrations, 0);
}

TEST_F(DevicePluginTest, PoolsThatBeginToOverlapLaterGoOn) {
  Configure(R"({"resourceList": [{"resourceName": "all"}, {"resourceName": "vfio",
                                                         "selectors": {"drivers": ["vfio-pci"]}}]})");
  StartAgent();
  StartKubelet();
  StartPlugin();
  AwaitAllocatable(2, "intel.com/all");
  agent_->Set(MixedHost());
  EXPECT_EQ(AwaitAllocatable(4, "intel.com/all").registrations, 1);
  EXPECT_EQ(AwaitAllocatable(0, "intel.com/vfio").capacity, 0);
}

TEST_F(DevicePluginTest, TheKubeletsPluginWatcherFindsThePlugin) {
  options_.registration = PluginRegistration::kWatcher;
  Configure(kMixedPools);
  StartAgent(MixedHost());
  StartKubelet();
  StartPlugin();
  EXPECT_EQ(AwaitAllocatable(2, kDpdk).registrations, 1);
  AwaitAllocatable(1, kSf);
  EXPECT_EQ(Names(options_.registry_dir).size(), 4u);
  EXPECT_TRUE(kubelet_->Admit("dpdk", kDpdk, 1).ok());
  // Restarted, it looks for plugins by itself.
  for (int i = 0; i < 3; ++i) {
    kubelet_ = nullptr;
    StartKubelet();
    const KubeletResource seen = AwaitAllocatable(2, kDpdk);
    EXPECT_EQ(seen.registrations, 1);
    EXPECT_EQ(seen.held.size(), 1u);
  }
  fs::remove(options_.registry_dir + "/" + PluginSocketName(kDpdk));
  Await([](const KubeletResource& seen) { return seen.registrations == 2 && seen.allocatable == 2; }, kDpdk);
  EXPECT_TRUE(plugin_->Stop().ok());
  EXPECT_THAT(Names(options_.registry_dir), IsEmpty());
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

TEST_F(DevicePluginTest, SpreadTakesFromAllPhysicalFunctions) {
  options_.pools = {{.resource = kVf, .allocate_policy = AllocatePolicy::kSpread}};
  StartAgent({FakeHostAgent::Function("0000:03:00.2", "0000:03:00.0"),
              FakeHostAgent::Function("0000:03:00.3", "0000:03:00.0"),
              FakeHostAgent::Function("0000:04:00.2", "0000:04:00.0"),
              FakeHostAgent::Function("0000:04:00.3", "0000:04:00.0")});
  StartKubelet();
  StartPlugin();
  AwaitAllocatable(4);
  EXPECT_THAT(kubelet_->Admit("pod", kVf, 2)->device_ids, ElementsAre("0000:03:00.2", "0000:04:00.2"));
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
