// A network card that is no DPU: no xPU agent answers for its functions, and the physical function tags.

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/service/agent_under_test.h"
#include "host-agent/service/function_watch.h"

namespace xpu {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace pb = hostagent::v1;

class PlainNicAgentTest : public ::testing::Test {
 protected:
  PlainNicAgentTest() {
    agent_.Stop();
    world_.endpoint = "";
    agent_.Start();
  }
  // As sriov-cni has it.
  static json Definition(int vlan) {
    return {{"name", "sriov-net"}, {"vlan", vlan}, {"vlanQoS", 3}, {"ipam", {{"type", "host-local"}}}};
  }

  FakeWorld world_;
  AgentUnderTest agent_{world_};
};

TEST_F(PlainNicAgentTest, ThePhysicalFunctionTagsAndNobodyElseIsTold) {
  FunctionWatch watch(agent_.agent());
  ASSERT_TRUE(watch.WaitFor([](const pb::WatchFunctionsResponse& list) {
    return list.functions_size() == 3 && list.functions(0).healthy();
  }));
  const VfSettings before = world_.Kept(0);
  const std::string pod = world_.MakePod("web");
  ASSERT_TRUE(agent_.Allocate({world_.vf(0).ToString()}).ok());
  const pb::CniResponse added = agent_.Add(0, pod, Definition(42));
  ASSERT_FALSE(added.has_error()) << added.ShortDebugString();
  EXPECT_EQ(world_.Kept(0).vlan, (VfSettings::Vlan{.id = 42, .qos = 3}));
  EXPECT_THAT(world_.AddressesInPod(pod, "net1"), ElementsAre(*InterfaceAddress::Parse("10.0.0.2/24")));
  EXPECT_THAT(world_.Bindings(), IsEmpty()) << "the card that is there was told of it";

  // The next life knows it from the journal alone.
  agent_.Stop();
  agent_.Start();
  json config = Definition(42);
  config.update({{"cniVersion", "1.0.0"},
                 {"type", "xpu-cni"},
                 {"deviceID", world_.vf(0).ToString()},
                 {"prevResult", json::parse(added.result())}});
  const pb::CniResponse checked = agent_.Check(pod, config);
  EXPECT_FALSE(checked.has_error()) << checked.ShortDebugString();
  ASSERT_FALSE(agent_.Del(pod).has_error());
  EXPECT_TRUE(world_.Kept(0) == before);
  EXPECT_THAT(*world_.journal.Load(), IsEmpty());
  EXPECT_THAT(world_.ipam.Given(), IsEmpty());
}

TEST_F(PlainNicAgentTest, ADefinitionThatNamesNoNetworkIsOfTheUntaggedOne) {
  const std::string pod = world_.MakePod("web");
  const VfSettings before = world_.Kept(0);
  const pb::CniResponse added = agent_.Add(0, pod, {{"name", "sriov_net"}});
  ASSERT_FALSE(added.has_error()) << added.ShortDebugString();
  EXPECT_TRUE(world_.InPod(pod, "net1").has_value());
  EXPECT_THAT(world_.AddressesInPod(pod, "net1"), IsEmpty()) << "who asks for none gets none";
  EXPECT_TRUE(world_.Kept(0) == before);
  ASSERT_FALSE(agent_.Del(pod).has_error());
}

TEST_F(PlainNicAgentTest, ANetworkIsRefused) {
  const std::string pod = world_.MakePod("web");
  const pb::CniResponse refused = agent_.Add(0, pod, {{"network", "blue"}});
  EXPECT_THAT(refused.error().msg() + refused.error().details(), HasSubstr("has no xPU agent"));
  EXPECT_THAT(*world_.journal.Load(), IsEmpty());
  EXPECT_TRUE(world_.AtHome(0).has_value());
}

}  // namespace
}  // namespace xpu
