// Pools of a configuration, and what containers get of their functions.

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
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
using testing::KubeletResource;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

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

}  // namespace
}  // namespace xpu
