// The agent and the configuration of its cards: functions that are made, refused, plugged in and pulled.

#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/service/agent_under_test.h"
#include "host-agent/service/function_watch.h"

namespace xpu {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
namespace pb = hostagent::v1;

const pb::Function* Find(const pb::WatchFunctionsResponse& list, const std::string& id) {
  for (const pb::Function& function : list.functions()) {
    if (function.id() == id) return &function;
  }
  return nullptr;
}

bool AreHealthy(const pb::WatchFunctionsResponse& list, int count) {
  return list.functions_size() == count &&
         std::all_of(list.functions().begin(), list.functions().end(),
                     [](const pb::Function& function) { return function.healthy(); });
}

// The world's card has three virtual functions, and room for no more.
class HostSetupTest : public ::testing::Test {
 protected:
  // Waits until the functions' news shows that, and gives what stands in the way of the setup then.
  std::string ReasonOnceShownOn(FunctionWatch& watch, const std::string& id, const std::string& part) {
    EXPECT_TRUE(watch.WaitFor([&](const pb::WatchFunctionsResponse& list) {
      const pb::Function* function = Find(list, id);
      return function != nullptr && function->reason().find(part) != std::string::npos;
    }));
    return agent_.PhysicalFunction().reason();
  }

  FakeWorld world_;
  FakeDevlink devlink_{world_.kernel};
  AgentUnderTest agent_{world_};
};

TEST_F(HostSetupTest, WithoutASetupTheCardIsUsedAsItIs) {
  FunctionWatch watch(agent_.agent());
  ASSERT_TRUE(watch.WaitFor([](const auto& list) { return AreHealthy(list, 3); }));
  const pb::PhysicalFunction pf = agent_.PhysicalFunction();
  EXPECT_EQ(pf.pci_address(), world_.pf().ToString());
  EXPECT_EQ(pf.card(), "card0");
  EXPECT_EQ(pf.wanted_vfs(), -1);
  EXPECT_EQ(pf.wanted_sfs(), -1);
  EXPECT_EQ(pf.reason(), "");
}

TEST_F(HostSetupTest, FunctionsAreMadeAsConfigured) {
  agent_.Restart({.vfs = 2, .drivers = {{1, "vfio-pci"}}, .sfs = {{{88, {}}}}}, &devlink_);
  FunctionWatch watch(agent_.agent());
  const std::string sf = world_.pf().ToString() + "-sf88";
  ASSERT_TRUE(
      watch.WaitFor([&](const auto& list) { return AreHealthy(list, 3) && Find(list, sf) != nullptr; }));
  ASSERT_TRUE(watch.WaitFor([&](const auto& list) {
    const pb::Function* function = Find(list, world_.vf(1).ToString());
    return function != nullptr && function->driver() == "vfio-pci" && !function->vfio_node().empty();
  }));
  ASSERT_TRUE(watch.WaitFor([&](const auto& list) {
    const pb::Function* function = Find(list, sf);
    return function->kind() == pb::Function::KIND_SF && !function->auxiliary_device().empty();
  }));
  const pb::PhysicalFunction pf = agent_.PhysicalFunction();
  EXPECT_TRUE(pf.present());
  EXPECT_EQ(pf.wanted_vfs(), 2);
  EXPECT_EQ(pf.vfs(), 2);
  EXPECT_EQ(pf.total_vfs(), 3);
  EXPECT_EQ(pf.wanted_sfs(), 1);
  EXPECT_EQ(pf.sfs(), 1);
}

TEST_F(HostSetupTest, AFunctionIsAllocatedByItsAuxiliaryName) {
  agent_.Restart({.sfs = {{{88, {}}}}}, &devlink_);
  FunctionWatch watch(agent_.agent());
  const FunctionId id(world_.pf(), 88);
  std::string name;
  ASSERT_TRUE(watch.WaitFor([&](const auto& list) {
    const pb::Function* function = Find(list, id.ToString());
    if (function == nullptr || !function->healthy()) return false;
    name = function->auxiliary_device();
    return true;
  }));
  const auto environment = agent_.Allocate({name});
  ASSERT_TRUE(environment.ok()) << environment.status();
  EXPECT_EQ(environment->at("XPU_FUNCTIONS"), id.ToString());
  ASSERT_THAT(agent_.Claims(), SizeIs(1));
  EXPECT_EQ(agent_.Claims()[0].function(), id.ToString());
  EXPECT_EQ(agent_.Allocate({"mlx5_core.sf.77"}).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(HostSetupTest, ARefusalNamesThePodEverywhereAndIsMadeGoodWhenItIsGone) {
  const std::string pod = world_.MakePod("web");
  ASSERT_FALSE(agent_.Add(0, pod).has_error());
  agent_.Restart({.vfs = 2});
  {
    FunctionWatch watch(agent_.agent());
    const std::string reason = ReasonOnceShownOn(watch, world_.vf(1).ToString(), "pod default/web");
    EXPECT_THAT(reason,
                AllOf(HasSubstr("has 3 virtual functions and is to have 2"), HasSubstr("pod default/web")));
    EXPECT_THAT(watch.were_unhealthy(), IsEmpty()) << "they can be used as they are";
    EXPECT_TRUE(world_.InPod(pod, "net1").has_value());
    EXPECT_EQ(agent_.PhysicalFunction().vfs(), 3);

    ASSERT_FALSE(agent_.Del(pod).has_error());
    ASSERT_TRUE(watch.WaitFor([](const auto& list) {
      return AreHealthy(list, 2) && list.functions(0).reason().empty() && list.claims() == 0;
    }));
  }
  EXPECT_EQ(agent_.PhysicalFunction().reason(), "");
  EXPECT_EQ(world_.bus().Get(world_.pf())->num_vfs, 2);
}

TEST_F(HostSetupTest, ADriverIsChangedOnceThePodIsGone) {
  const std::string pod = world_.MakePod("web");
  ASSERT_FALSE(agent_.Add(1, pod).has_error());
  agent_.Restart({.drivers = {{1, "vfio-pci"}}});
  FunctionWatch watch(agent_.agent());
  const std::string reason = ReasonOnceShownOn(watch, world_.vf(1).ToString(), "pod default/web");
  EXPECT_THAT(reason, HasSubstr("keep the driver they have"));
  EXPECT_TRUE(world_.InPod(pod, "net1").has_value());
  ASSERT_FALSE(agent_.Del(pod).has_error());
  ASSERT_TRUE(watch.WaitFor(
      [&](const auto& list) { return AreHealthy(list, 3) && list.functions(1).driver() == "vfio-pci"; }));
}

TEST_F(HostSetupTest, ACardThatIsPulledAndPutBackIsSetUpAgain) {
  agent_.Restart({.vfs = 3});
  FunctionWatch watch(agent_.agent());
  ASSERT_TRUE(watch.WaitFor([](const auto& list) { return AreHealthy(list, 3); }));
  world_.kernel.RemovePciFunction(world_.pf());
  ASSERT_TRUE(watch.WaitFor([](const auto& list) {
    return std::all_of(list.functions().begin(), list.functions().end(),
                       [](const pb::Function& function) { return !function.healthy(); });
  }));
  world_.kernel.AddCard(world_.pf(), "p0", 8);
  ASSERT_TRUE(watch.WaitFor([](const auto& list) { return AreHealthy(list, 3); }));
  ASSERT_TRUE(agent_.Allocate({world_.vf(2).ToString()}).ok());
}

TEST_F(HostSetupTest, AllocateRefusesWhatIsNotHealthy) {
  FunctionWatch watch(agent_.agent());
  world_.kernel.UnplugLink(world_.AtHome(1)->mac);
  ASSERT_TRUE(watch.WaitFor(
      [](const auto& list) { return list.functions_size() == 3 && !list.functions(1).healthy(); }));
  const absl::Status refused = agent_.Allocate({world_.vf(1).ToString()}).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("not healthy"));
}

TEST_F(HostSetupTest, ARestartWithTheSameSetupChangesNothing) {
  agent_.Restart({.vfs = 3, .drivers = {{2, "vfio-pci"}}, .sfs = {{{88, {}}}}}, &devlink_);
  const auto ready = [](const auto& list) {
    return AreHealthy(list, 4) && list.functions(3).driver() == "vfio-pci";
  };
  {
    FunctionWatch watch(agent_.agent());
    ASSERT_TRUE(watch.WaitFor(ready));
  }
  const std::string pod = world_.MakePod("web");
  ASSERT_FALSE(agent_.Add(0, pod).has_error());
  agent_.Stop();
  world_.kernel.faults().Clear();
  agent_.Start();
  FunctionWatch watch(agent_.agent());
  ASSERT_TRUE(watch.WaitFor(ready));
  // Comes after the start's own look at the card.
  world_.kernel.UnplugLink(world_.AtHome(1)->mac);
  ASSERT_TRUE(
      watch.WaitFor([&](const auto& list) { return !Find(list, world_.vf(1).ToString())->healthy(); }));
  EXPECT_THAT(watch.were_unhealthy(), ::testing::ElementsAre(world_.vf(1).ToString()));
  for (const char* method : {"SetNumVfs", "BindDriver", "AddSf", "ConfigureSf", "ActivateSf", "RemoveSf"}) {
    EXPECT_EQ(world_.kernel.faults().Calls(method), 0) << method;
  }
}

TEST_F(HostSetupTest, WatchersAreToldTheNumberOfClaims) {
  FunctionWatch watch(agent_.agent());
  ASSERT_TRUE(
      watch.WaitFor([](const auto& list) { return list.functions_size() == 3 && list.claims() == 0; }));
  ASSERT_TRUE(agent_.Allocate({world_.vf(0).ToString(), world_.vf(1).ToString()}).ok());
  ASSERT_TRUE(watch.WaitFor([](const auto& list) { return list.claims() == 2; }));
}

}  // namespace
}  // namespace xpu
