// The host agent and the kubelet: claims that nobody holds any more, and functions that a pod holds although
// the journal does not say so.

#include "host-agent/service/lost_claims.h"

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "common/api/api.h"
#include "common/kube/fake_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/podresources/fake_pod_resources.h"
#include "host-agent/service/agent_under_test.h"
#include "host-agent/testing/store_view.h"
#include "xpu/api/v1alpha1/netdev.pb.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const PodName kWeb{"default", "web"}, kLate{"default", "late"};

class LostClaimsTest : public ::testing::Test {
 protected:
  LostClaimsTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "xpu-kubelet-XXXXXX").string();
    devices_ = mkdtemp(pattern.data());
  }
  ~LostClaimsTest() override {
    agent_.Stop();
    std::filesystem::remove_all(devices_);
  }

  // As the kubelet does it.
  void WriteCheckpoint() {
    std::ofstream(devices_ + "/next") << "{}";
    std::filesystem::rename(devices_ + "/next", devices_ + "/kubelet_internal_checkpoint");
  }
  HeldDevice Held(int vf, const PodName& pod) const {
    return {"xpu.opiproject.org/vf", world_.vf(vf).ToString(), pod, "main"};
  }
  bool WaitForNetdevs(size_t count) {
    return netdevs_.WaitFor([count](const StoreView::Objects& objects) { return objects.size() == count; });
  }
  std::vector<std::string> Claims() {
    std::vector<std::string> claims;
    for (const hostagent::v1::Claim& claim : agent_.Claims()) {
      claims.push_back(claim.function() + " " + claim.state() + " " + claim.pod_name());
    }
    return claims;
  }

  FakeWorld world_;
  FakeStore store_;
  StoreView netdevs_{store_, api::KindOf<api::v1alpha1::Netdev>()};
  FakePodResources pods_;
  std::string devices_;
  AgentUnderTest agent_{world_, &store_};
};

TEST_F(LostClaimsTest, AClaimWhosePodGoesBeforeItsAddIsReleased) {
  pods_.AddPod(kLate);
  agent_.RestartWith(AgentUnderTest::Kubelet{.pods = &pods_, .devices = devices_});
  ASSERT_TRUE(agent_.Allocate({world_.vf(0).ToString()}).ok());
  ASSERT_TRUE(WaitForNetdevs(1));
  pods_.Hold(Held(0, kWeb));
  const int lists = pods_.lists();
  WriteCheckpoint();
  pods_.AwaitLists(lists + 1);
  EXPECT_THAT(Claims(), ElementsAre(world_.vf(0).ToString() + " claimed "));
  pods_.RemovePod(kWeb);
  WriteCheckpoint();
  EXPECT_TRUE(WaitForNetdevs(0));
  // Ends what is under way.
  agent_.Stop();
  EXPECT_THAT(*world_.journal.Load(), IsEmpty());
}

TEST_F(LostClaimsTest, APodThatUsesItsFunctionKeepsItWhateverTheKubeletSays) {
  pods_.AddPod(kLate);
  agent_.RestartWith(AgentUnderTest::Kubelet{.pods = &pods_, .devices = devices_});
  const std::string pod = world_.MakePod("web");
  ASSERT_FALSE(agent_.Add(0, pod).has_error());
  ASSERT_TRUE(agent_.Allocate({world_.vf(1).ToString()}).ok());
  ASSERT_TRUE(WaitForNetdevs(2));
  // The second is released, in the same breath in which the first is looked at.
  WriteCheckpoint();
  EXPECT_TRUE(WaitForNetdevs(1));
  agent_.Stop();
  EXPECT_EQ(world_.journal.Load()->size(), 1u);
  EXPECT_TRUE(world_.InPod(pod, "net1").has_value());
}

TEST_F(LostClaimsTest, WhatAPodHoldsIsNotGivenToAnother) {
  pods_.Hold(Held(0, kWeb));
  agent_.RestartWith(AgentUnderTest::Kubelet{.pods = &pods_});
  const auto refused = agent_.Allocate({world_.vf(0).ToString()});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("default/web"));
  EXPECT_TRUE(agent_.Allocate({world_.vf(1).ToString()}).ok());
  pods_.RemovePod(kWeb);
  EXPECT_TRUE(agent_.Allocate({world_.vf(0).ToString()}).ok());
}

TEST_F(LostClaimsTest, AfterTheLossOfTheJournalNothingIsGivenTwiceAndADelStillWorks) {
  const std::string pod = world_.MakePod("web");
  ASSERT_FALSE(agent_.Add(0, pod).has_error());
  ASSERT_TRUE(agent_.Allocate({world_.vf(1).ToString()}).ok());
  agent_.Stop();
  world_.journal.Lose();
  pods_.Hold(Held(0, kWeb));
  pods_.Hold(Held(1, kLate));
  int completed = 0;
  agent_.RestartWith(AgentUnderTest::Kubelet{.pods = &pods_,
                                             .devices = devices_,
                                             .pod_namespaces = {"/nothing/there", pod, pod},
                                             .journal_complete = [&completed] {
                                               ++completed;
                                               return absl::OkStatus();
                                             }});
  EXPECT_EQ(completed, 1);
  EXPECT_THAT(Claims(),
              ElementsAre(world_.vf(0).ToString() + " attached web", world_.vf(1).ToString() + " claimed "));
  for (int vf : {0, 1}) {
    const auto refused = agent_.Allocate({world_.vf(vf).ToString()});
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr(vf == 0 ? "default/web" : "default/late"));
  }
  EXPECT_TRUE(agent_.Allocate({world_.vf(2).ToString()}).ok());

  // By the arguments of the ADD that nobody remembers.
  ASSERT_FALSE(agent_.Del(pod).has_error());
  EXPECT_TRUE(world_.AtHome(0).has_value());
  EXPECT_THAT(Claims(),
              ElementsAre(world_.vf(1).ToString() + " claimed ", world_.vf(2).ToString() + " claimed "));
  // The pod whose claim was found again gets its interface.
  const std::string late = world_.MakePod("late");
  EXPECT_FALSE(agent_.Add(1, late).has_error());
}

}  // namespace
}  // namespace xpu
