#include "device-plugin/resource_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace xpu {
namespace {

using ::testing::HasSubstr;

TEST(ResourceNameTest, ExtendedResourcesAreTaken) {
  for (const char* name : {"xpu.opiproject.org/vf", "intel.com/sriov_netdevice", "a/b", "x-1.example/A.b-c_d",
                           "nvidia.com/BF3"}) {
    EXPECT_TRUE(CheckResourceName(name).ok()) << name;
  }
}

TEST(ResourceNameTest, WhatTheKubeletRefusesIsRefused) {
  const std::string long_name(64, 'n');
  for (const std::string& name :
       {std::string(), std::string("cpu"), std::string("/vf"), std::string("xpu.org/"),
        std::string("Xpu.org/vf"), std::string("xpu..org/vf"), std::string("-xpu.org/vf"),
        std::string("xpu.org-/vf"), std::string("xpu.org/-vf"), std::string("xpu.org/vf."),
        std::string("xpu.org/a/b"), std::string("xpu.org/v f"), "xpu.org/" + long_name,
        std::string("kubernetes.io/vf"), std::string("node.kubernetes.io/vf"), std::string("requests.xpu/vf"),
        std::string(250, 'd') + "/vf"}) {
    const absl::Status status = CheckResourceName(name);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_THAT(std::string(status.message()), HasSubstr("xpu.opiproject.org/vf"));
  }
}

TEST(ResourceNameTest, NamesDerivedFromIt) {
  EXPECT_EQ(PluginSocketName("xpu.opiproject.org/vf"), "xpu-xpu.opiproject.org_vf.sock");
  EXPECT_EQ(DeviceVariableName("xpu.opiproject.org/vf"), "PCIDEVICE_XPU_OPIPROJECT_ORG_VF");
  EXPECT_EQ(DeviceVariableName("intel.com/sriov-net_1"), "PCIDEVICE_INTEL_COM_SRIOV-NET_1");
}

}  // namespace
}  // namespace xpu
