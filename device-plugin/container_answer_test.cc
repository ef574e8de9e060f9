#include "device-plugin/container_answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "nlohmann/json.hpp"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

PoolMember Netdev() { return {.function = {.id = "0000:03:00.2", .driver = "mlx5_core"}}; }
PoolMember Vfio() {
  return {.function = {.id = "0000:03:00.3", .driver = "vfio-pci", .vfio_node = "/dev/vfio/169"},
          .need_vhost_net = true};
}
PoolMember Rdma() {
  return {.function = {.id = "0000:03:00.4",
                       .driver = "mlx5_core",
                       .rdma_devices = {"mlx5_2"},
                       .rdma_nodes = {"/dev/infiniband/uverbs2", "/dev/infiniband/umad2",
                                      "/dev/infiniband/issm2", "/dev/infiniband/rdma_cm"}},
          .share_rdma = true};
}
PoolMember Subfunction() {
  return {.function = {.id = "0000:03:00.0-sf88",
                       .kind = PluginFunction::Kind::kSf,
                       .auxiliary_device = "mlx5_core.sf.4"}};
}

TEST(DeviceNodesTest, ANetworkInterfaceNeedsNone) { EXPECT_THAT(DeviceNodes(Netdev()), IsEmpty()); }

TEST(DeviceNodesTest, OfVfioAndVhost) {
  EXPECT_THAT(DeviceNodes(Vfio()), ElementsAre(DeviceNode{"/dev/vfio/vfio", "/dev/vfio/vfio"},
                                               DeviceNode{"/dev/vfio/169", "/dev/vfio/169"},
                                               DeviceNode{"/dev/vhost-net", "/dev/vhost-net"},
                                               DeviceNode{"/dev/net/tun", "/dev/net/tun"}));
}

TEST(DeviceNodesTest, WithoutAnIommuTheGroupHasAnotherNameOnTheHost) {
  PoolMember member = Vfio();
  member.function.vfio_node = "/dev/vfio/noiommu-0";
  EXPECT_EQ(DeviceNodes(member)[1], (DeviceNode{"/dev/vfio/noiommu-0", "/dev/vfio/0"}));
}

TEST(DeviceNodesTest, OfRdmaOnlyWherePodsAreToHaveIt) {
  PoolMember member = Rdma();
  EXPECT_EQ(DeviceNodes(member).size(), 4u);
  EXPECT_EQ(DeviceNodes(member)[0].host_path, "/dev/infiniband/uverbs2");
  member.share_rdma = false;
  EXPECT_THAT(DeviceNodes(member), IsEmpty());
}

// The names and forms are those that programs written for sriov-network-device-plugin look for.
TEST(ContainerVariablesTest, AreThoseOfThePeer) {
  const PoolMember netdev = Netdev();
  const PoolMember vfio = Vfio();
  EXPECT_THAT(ContainerVariables({.resource = "intel.com/dpdk_nic_1"}, {&netdev, &vfio}),
              ElementsAre(Pair("PCIDEVICE_INTEL_COM_DPDK_NIC_1", "0000:03:00.2,0000:03:00.3"),
                          Pair("PCIDEVICE_INTEL_COM_DPDK_NIC_1_INFO",
                               R"({"0000:03:00.2":{"generic":{"deviceID":"0000:03:00.2"}},)"
                               R"("0000:03:00.3":{"generic":{"deviceID":"0000:03:00.3"},)"
                               R"("vfio":{"dev-mount":"/dev/vfio/169","mount":"/dev/vfio/vfio"},)"
                               R"("vhost":{"net-mount":"/dev/vhost-net","tun-mount":"/dev/net/tun"}}})")));
}

TEST(ContainerVariablesTest, TellOfRdma) {
  const PoolMember rdma = Rdma();
  const auto variables = ContainerVariables({.resource = "mellanox.com/rdma"}, {&rdma});
  EXPECT_EQ(nlohmann::json::parse(variables.at("PCIDEVICE_MELLANOX_COM_RDMA_INFO"))["0000:03:00.4"]["rdma"],
            nlohmann::json::parse(R"({"uverbs": "/dev/infiniband/uverbs2", "umad": "/dev/infiniband/umad2",
                                      "issm": "/dev/infiniband/issm2", "rdma_cm": "/dev/infiniband/rdma_cm",
                                      "rdma_dev": "mlx5_2"})"));
}

TEST(ContainerVariablesTest, SubfunctionsAreNamedAsOnTheAuxiliaryBus) {
  const PoolMember sf = Subfunction();
  const auto variables = ContainerVariables({.resource = "nvidia.com/bf_sf"}, {&sf});
  EXPECT_EQ(variables.at("PCIDEVICE_NVIDIA_COM_BF_SF"), "mlx5_core.sf.4");
  EXPECT_EQ(variables.at("PCIDEVICE_NVIDIA_COM_BF_SF_INFO"),
            R"({"mlx5_core.sf.4":{"generic":{"deviceID":"mlx5_core.sf.4"}}})");
}

TEST(ContainerVariablesTest, TheJsonIsOneWhateverANameIsMadeOf) {
  PoolMember sf = Subfunction();
  sf.function.auxiliary_device = "a\"b\\c\n";
  const auto variables = ContainerVariables({.resource = "nvidia.com/bf_sf"}, {&sf});
  const auto info = nlohmann::json::parse(variables.at("PCIDEVICE_NVIDIA_COM_BF_SF_INFO"));
  EXPECT_EQ(info["a\"b\\c\n"]["generic"]["deviceID"], "a\"b\\c\n");
}

TEST(ContainerVariablesTest, TheOrderOfTheJsonIsThatOfTheNames) {
  const PoolMember netdev = Netdev();
  const PoolMember sf = Subfunction();
  const auto variables = ContainerVariables({.resource = "a.b/c"}, {&sf, &netdev, &sf});
  EXPECT_EQ(variables.at("PCIDEVICE_A_B_C"), "mlx5_core.sf.4,0000:03:00.2,mlx5_core.sf.4");
  EXPECT_EQ(variables.at("PCIDEVICE_A_B_C_INFO"),
            R"({"0000:03:00.2":{"generic":{"deviceID":"0000:03:00.2"}},)"
            R"("mlx5_core.sf.4":{"generic":{"deviceID":"mlx5_core.sf.4"}}})");
}

TEST(ContainerVariablesTest, AdditionalInformationOfOneFunctionGoesBeforeThatOfAll) {
  const PoolMember netdev = Netdev();
  const PoolMember vfio = Vfio();
  const PoolConfig pool{.resource = "a.b/c",
                        .additional_info = {{"*", {{"token", "all"}, {"site", "x"}}},
                                            {"0000:03:00.2", {{"token", "one"}, {"more", "y"}}}}};
  const auto info =
      nlohmann::json::parse(ContainerVariables(pool, {&netdev, &vfio}).at("PCIDEVICE_A_B_C_INFO"));
  EXPECT_EQ(info["0000:03:00.2"]["extra"], nlohmann::json::parse(R"({"token":"one","site":"x","more":"y"})"));
  EXPECT_EQ(info["0000:03:00.3"]["extra"], nlohmann::json::parse(R"({"token":"all","site":"x"})"));
}

}  // namespace
}  // namespace xpu
