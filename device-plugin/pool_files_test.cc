#include "device-plugin/pool_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "common/sys/files.h"
#include "nlohmann/json.hpp"

namespace xpu {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

PoolMember Vfio(const std::string& id, int group) {
  return {.function = {.id = id,
                       .pf_address = "0000:03:00.0",
                       .driver = "vfio-pci",
                       .vfio_node = "/dev/vfio/" + std::to_string(group)}};
}
PoolMember Netdev(const std::string& id) {
  return {.function = {.id = id, .pf_address = "0000:03:00.0", .driver = "mlx5_core"}};
}

TEST(CdiSpecTest, HasTheNodesOfEachFunctionThatNeedsAny) {
  EXPECT_EQ(json::parse(CdiSpec({Netdev("0000:03:00.2"), Vfio("0000:03:00.3", 7)})), json::parse(R"({
    "cdiVersion": "0.5.0", "kind": "xpu.opiproject.org/function",
    "devices": [{"name": "0000:03:00.3", "containerEdits": {"deviceNodes": [
      {"path": "/dev/vfio/vfio", "hostPath": "/dev/vfio/vfio", "permissions": "rw"},
      {"path": "/dev/vfio/7", "hostPath": "/dev/vfio/7", "permissions": "rw"}]}}]})"));
  EXPECT_EQ(CdiDeviceName("0000:03:00.3"), "xpu.opiproject.org/function=0000:03:00.3");
  EXPECT_EQ(CdiSpec({Netdev("0000:03:00.2")}), "");
  EXPECT_EQ(CdiSpec({}), "");
}

TEST(DeviceInfoTest, IsOfVersion110) {
  EXPECT_EQ(json::parse(DeviceInfo(Netdev("0000:03:00.2"))),
            json::parse(R"({"type": "pci", "version": "1.1.0",
    "pci": {"pci-address": "0000:03:00.2", "pf-pci-address": "0000:03:00.0"}})"));
  PoolMember member = Netdev("0000:03:00.2");
  member.need_vhost_net = member.share_rdma = true;
  member.function.rdma_devices = {"mlx5_2"};
  EXPECT_EQ(json::parse(DeviceInfo(member))["pci"],
            json::parse(R"({"pci-address": "0000:03:00.2", "pf-pci-address": "0000:03:00.0",
                            "vhost-net": "/dev/vhost-net", "rdma-device": "mlx5_2"})"));
  member.function.kind = PluginFunction::Kind::kSf;
  EXPECT_EQ(DeviceInfo(member), "");
}

class PoolFilesTest : public ::testing::Test {
 protected:
  PoolFilesTest() : folder_(*TemporaryDirectory::Make()) {}

  PoolFiles::Options Options(const std::string& resource = "intel.com/dpdk") const {
    return {.resource = resource, .cdi_dir = cdi(), .use_cdi = true, .device_info_dir = info()};
  }
  std::string cdi() const { return folder_.path() + "/run/cdi"; }
  std::string info() const { return folder_.path() + "/run/devinfo/dp"; }
  static std::set<std::string> Names(const std::string& folder) {
    const auto names = ListDirectory(folder);
    return names.ok() ? std::set<std::string>(names->begin(), names->end()) : std::set<std::string>();
  }
  static void Put(const std::string& path) {
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path) << "{}";
  }

  TemporaryDirectory folder_;
};

TEST_F(PoolFilesTest, ComeAndGoWithTheFunctions) {
  PoolFiles files(Options());
  files.Update({Vfio("0000:03:00.2", 1), Vfio("0000:03:00.3", 2)});
  EXPECT_THAT(Names(cdi()), ElementsAre("xpu-intel.com_dpdk.json"));
  EXPECT_EQ(json::parse(*ReadFile(cdi() + "/xpu-intel.com_dpdk.json"))["devices"].size(), 2u);
  EXPECT_THAT(Names(info()), UnorderedElementsAre("intel.com-dpdk-0000:03:00.2-device.json",
                                                  "intel.com-dpdk-0000:03:00.3-device.json"));
  struct stat about {};
  ASSERT_EQ(stat((cdi() + "/xpu-intel.com_dpdk.json").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0644u);

  files.Update({Vfio("0000:03:00.3", 2)});
  EXPECT_EQ(json::parse(*ReadFile(cdi() + "/xpu-intel.com_dpdk.json"))["devices"].size(), 1u);
  EXPECT_THAT(Names(info()), ElementsAre("intel.com-dpdk-0000:03:00.3-device.json"));
  EXPECT_TRUE(files.cdi_status().ok());

  files.Update({});
  EXPECT_THAT(Names(cdi()), IsEmpty());
  EXPECT_THAT(Names(info()), IsEmpty());
}

TEST_F(PoolFilesTest, WhatHasNotChangedIsNotWrittenAgain) {
  PoolFiles files(Options());
  files.Update({Vfio("0000:03:00.2", 1)});
  fs::remove(cdi() + "/xpu-intel.com_dpdk.json");
  files.Update({Vfio("0000:03:00.2", 1)});
  EXPECT_THAT(Names(cdi()), IsEmpty()) << "nobody else is to touch it";
}

TEST_F(PoolFilesTest, AtTheEndSpecificationsStayForContainersThatRun) {
  PoolFiles files(Options());
  files.Update({Vfio("0000:03:00.2", 1)});
  files.Remove(/*functions_in_use=*/true);
  EXPECT_EQ(Names(cdi()).size(), 1u);
  EXPECT_THAT(Names(info()), IsEmpty());
  files.Remove(/*functions_in_use=*/false);
  EXPECT_THAT(Names(cdi()), IsEmpty());
}

TEST_F(PoolFilesTest, WhatAnEarlierProcessLeftGoesAndWhatIsOfOthersStays) {
  Put(cdi() + "/xpu-intel.com_dpdk.json");
  Put(cdi() + "/vendor.json");
  Put(info() + "/intel.com-dpdk-0000:03:00.7-device.json");
  Put(info() + "/intel.com-dpdk-2-0000:03:00.7-device.json");
  PoolFiles files({.resource = "intel.com/dpdk", .cdi_dir = cdi(), .device_info_dir = info()});
  files.Update({Vfio("0000:03:00.2", 1)});
  EXPECT_THAT(Names(cdi()), ElementsAre("vendor.json"));
  EXPECT_THAT(Names(info()), UnorderedElementsAre("intel.com-dpdk-0000:03:00.2-device.json",
                                                  "intel.com-dpdk-2-0000:03:00.7-device.json"));
}

TEST_F(PoolFilesTest, WithoutFoldersNothingIsWritten) {
  PoolFiles files({.resource = "intel.com/dpdk", .use_cdi = false});
  files.Update({Vfio("0000:03:00.2", 1)});
  files.Remove(false);
  EXPECT_TRUE(files.cdi_status().ok());
  EXPECT_THAT(Names(folder_.path()), IsEmpty());
}

TEST_F(PoolFilesTest, ASpecificationThatCannotBeWrittenIsToldAndTriedAgain) {
  Put(folder_.path() + "/run");
  PoolFiles files(Options());
  files.Update({Vfio("0000:03:00.2", 1)});
  EXPECT_THAT(files.cdi_status().ToString(), HasSubstr(cdi()));
  fs::remove(folder_.path() + "/run");
  files.Update({Vfio("0000:03:00.2", 1)});
  EXPECT_TRUE(files.cdi_status().ok());
  EXPECT_EQ(Names(cdi()).size(), 1u);
}

TEST_F(PoolFilesTest, SpecificationsOfResourcesThatNobodyServesGo) {
  for (const char* name : {"xpu-a.b_gone.json", "xpu-a.b_ours.json", "other.json", "xpu-a.b_note.txt"}) {
    Put(cdi() + "/" + name);
  }
  RemoveAbandonedCdiSpecs(cdi(), folder_.path(), {"a.b/ours"});
  EXPECT_THAT(Names(cdi()), UnorderedElementsAre("xpu-a.b_ours.json", "other.json", "xpu-a.b_note.txt"));
  RemoveAbandonedCdiSpecs(folder_.path() + "/none", folder_.path(), {});
}

}  // namespace
}  // namespace xpu
