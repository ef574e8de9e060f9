#include "test/lib/ovs/test_ovs.h"

#include <unistd.h>

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(TestOvsTest, StartsEmptyAndLeavesNothingBehind) {
  std::string dir;
  pid_t vswitchd = 0;
  {
    auto ovs = TestOvs::Start();
    ASSERT_TRUE(ovs.ok()) << ovs.status();
    dir = (*ovs)->dir();
    vswitchd = (*ovs)->vswitchd().pid();
    auto bridges = (*ovs)->Vsctl({"list-br"});
    ASSERT_TRUE(bridges.ok()) << bridges.status();
    EXPECT_EQ(*bridges, "");
  }
  EXPECT_FALSE(std::filesystem::exists(dir));
  EXPECT_FALSE(std::filesystem::exists("/proc/" + std::to_string(vswitchd)));
}

TEST(TestOvsTest, PassesPacketsAndLosesItsFlowsWhenKilled) {
  auto ovs = TestOvs::Start();
  ASSERT_TRUE(ovs.ok()) << ovs.status();
  auto left = TestNetns::Create(), right = TestNetns::Create();
  ASSERT_TRUE(left.ok() && right.ok());
  ASSERT_EQ((*ovs)->AddBridge("br0"), absl::OkStatus());
  EXPECT_THAT(*(*ovs)->DumpFlows("br0"), IsEmpty());
  ASSERT_EQ((*ovs)->netns().AddVeth("rep1", **left, "eth0"), absl::OkStatus());
  ASSERT_EQ((*ovs)->netns().AddVeth("rep2", **right, "eth0"), absl::OkStatus());
  ASSERT_TRUE((*left)->Run({"ip", "addr", "add", "10.0.0.1/24", "dev", "eth0"}).ok());
  ASSERT_TRUE((*right)->Run({"ip", "addr", "add", "10.0.0.2/24", "dev", "eth0"}).ok());
  ASSERT_EQ((*ovs)->AddPort("br0", "rep1", 1), absl::OkStatus());
  ASSERT_EQ((*ovs)->AddPort("br0", "rep2", 2), absl::OkStatus());
  auto dropped = (*left)->Try({"ping", "-c1", "-W1", "10.0.0.2"});
  ASSERT_TRUE(dropped.ok());
  EXPECT_NE(dropped->exit_code, 0);
  ASSERT_TRUE((*ovs)->Ofctl({"add-flow", "br0", "in_port=1,actions=output:2"}).ok());
  ASSERT_TRUE((*ovs)->Ofctl({"add-flow", "br0", "in_port=2,actions=output:1"}).ok());
  EXPECT_THAT(*(*ovs)->DumpFlows("br0"),
              ElementsAre("in_port=1 actions=output:2", "in_port=2 actions=output:1"));
  EXPECT_TRUE((*left)->Reaches("10.0.0.2").value());
  EXPECT_THAT(*(*ovs)->Appctl({"ofproto/trace", "br0", "in_port=1"}), HasSubstr("output:2"));

  (*ovs)->KillVswitchd();
  (*ovs)->KillOvsdbServer();
  ASSERT_EQ((*ovs)->StartOvsdbServer(), absl::OkStatus());
  ASSERT_EQ((*ovs)->StartVswitchd(), absl::OkStatus()) << (*ovs)->VswitchdLog();
  EXPECT_THAT(*(*ovs)->DumpFlows("br0"), IsEmpty());
  EXPECT_EQ(*(*ovs)->Vsctl({"get", "interface", "rep2", "ofport"}), "2\n");
}

}  // namespace
}  // namespace xpu::testing
