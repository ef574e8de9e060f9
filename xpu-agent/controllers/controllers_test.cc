#include "xpu-agent/controllers/controllers.h"

#include "xpu-agent/controllers/controllers_testing.h"

namespace xpu {
namespace {

TEST(ControllersStartTest, ACardNeedsAName) {
  FakeStore store;
  FakeOpiClient opi;
  EXPECT_TRUE(absl::IsInvalidArgument(Controllers::Start({}, store, opi).status()));
}

TEST_F(ControllersTest, ARestartWritesNothingAndChangesNothing) {
  Start();
  CreateNetwork("blue", 100);
  CreateNetdev("a", 1, "blue");
  CreateNetdev("b", 2, "");
  WaitForState("a", "Attached");
  WaitForState("b", "Isolated");
  WaitFor(Networks(), "blue", [](const Resource& object) { return PortsIn(object) == 1; });
  Stop();
  const auto networks = store_.List(Networks(), "");
  const std::string binding = BindingOf(1)->DebugString();

  opi_.BlockCalls("BindPort");
  opi_.BlockCalls("CreateBridgePort");
  Start();
  ASSERT_TRUE(opi_.WaitForBlocked("BindPort", 1));
  ASSERT_TRUE(opi_.WaitForBlocked("CreateBridgePort", 1));
  opi_.ReleaseCalls("BindPort");
  opi_.ReleaseCalls("CreateBridgePort");
  Stop();
  EXPECT_EQ(BindingOf(1)->DebugString(), binding);
  EXPECT_EQ(opi_.Calls("UnbindPort"), 0);
  EXPECT_EQ(opi_.Calls("CreateLogicalBridge"), 1);
  EXPECT_EQ(store_.List(Networks(), "")->resource_version, networks->resource_version);
}

TEST_F(ControllersTest, WhatHappenedWhileTheStoreWasAwayIsMadeUpFor) {
  Start();
  CreateNetwork("blue", 100);
  WaitForReady(Networks(), "blue");
  store_.GoAway();
  ASSERT_TRUE(store_.WaitForCalls(Call::kWatch, 4));
  EXPECT_TRUE(BindDirectly(1, "blue").ok()) << "the direct way needs no store";
  store_.ComeBack();
  CreateNetdev("a", 1, "blue");
  WaitForState("a", "Attached");
}

TEST_F(ControllersTest, AStoreThatForgotItsHistoryIsListedAgain) {
  Start();
  CreateNetwork("blue", 100);
  CreateNetdev("a", 1, "blue");
  WaitForState("a", "Attached");
  store_.GoAway();
  store_.Compact();
  store_.ComeBack();
  ASSERT_TRUE(store_.Delete(Netdevs(), Name("a")).ok());
  CreateNetdev("b", 2, "blue");
  WaitForGone(Netdevs(), "a");
  WaitForState("b", "Attached");
  EXPECT_FALSE(PortExists(1));
}

TEST_F(ControllersTest, LostAnswersOfTheStoreAreMadeUpFor) {
  store_.FailNext(Call::kUpdate, {absl::DeadlineExceededError("slow"), /*after_effect=*/true}, 2);
  store_.FailNext(Call::kUpdateStatus, {absl::DeadlineExceededError("slow"), /*after_effect=*/true}, 2);
  Start();
  CreateNetwork("blue", 100);
  CreateNetdev("a", 1, "blue");
  WaitForState("a", "Attached");
  WaitForReady(Networks(), "blue");
}

TEST_F(ControllersTest, LostAnswersOfTheAgentAreMadeUpFor) {
  using When = FakeOpiClient::When;
  for (const char* method :
       {"CreateLogicalBridge", "SetSubnets", "BindPort", "UnbindPort", "DeleteLogicalBridge"}) {
    opi_.FailCall(method, 1, absl::UnavailableError("lost"), When::kAfter);
  }
  Start();
  CreateNetwork("blue", 100);
  CreateNetdev("a", 1, "blue");
  WaitForState("a", "Attached");
  ASSERT_TRUE(store_.Delete(Netdevs(), Name("a")).ok());
  WaitForGone(Netdevs(), "a");
  ASSERT_TRUE(store_.Delete(Networks(), Name("blue")).ok());
  WaitForGone(Networks(), "blue");
  EXPECT_TRUE(opi_.ListLogicalBridges()->empty());
  EXPECT_TRUE(opi_.ListBridgePorts()->empty());
}

TEST_F(ControllersTest, ManyNetdevsAllGetThere) {
  Start();
  CreateNetwork("blue", 100);
  for (int vf = 0; vf < 8; ++vf) CreateNetdev("n" + std::to_string(vf), vf, "blue");
  for (int vf = 0; vf < 8; ++vf) WaitForState("n" + std::to_string(vf), "Attached");
  WaitFor(Networks(), "blue", [](const Resource& object) { return PortsIn(object) == 8; });
}

}  // namespace
}  // namespace xpu
