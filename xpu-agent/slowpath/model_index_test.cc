#include "xpu-agent/slowpath/model_index.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/slowpath/model_testing.h"

namespace xpu::slowpath {
namespace {

using ::testing::ElementsAre;

class ModelIndexTest : public ::testing::Test {
 protected:
  // Brings the index up to what the model is now.
  void Change() {
    index_.Change(Difference(before_, model_));
    before_ = model_;
  }

  Model before_;
  Model model_ = TwoRoutedNetworks();
  ModelIndex index_;
};

TEST_F(ModelIndexTest, FollowsAPortThatMovesAndGoes) {
  Change();
  ASSERT_NE(index_.FindPort(kRed, Mac(kMacA)), nullptr);
  EXPECT_EQ(index_.FindPort(kBlue, Mac(kMacA)), nullptr);
  model_.ports["a"].logical_bridges = {"blue"};
  Change();
  EXPECT_EQ(index_.FindPort(kRed, Mac(kMacA)), nullptr);
  ASSERT_NE(index_.FindPort(kBlue, Mac(kMacA)), nullptr);
  EXPECT_EQ(index_.FindPort(kBlue, Mac(kMacA))->id, "a");
  model_.representors.erase("a");
  Change();
  EXPECT_EQ(index_.FindPort(kBlue, Mac(kMacA)), nullptr);
  model_.representors["a"] = {.interface = "a", .ofport = 1};
  model_.ports["a"].mac = Mac(kMacC);
  Change();
  EXPECT_EQ(index_.FindPort(kBlue, Mac(kMacA)), nullptr);
  EXPECT_NE(index_.FindPort(kBlue, Mac(kMacC)), nullptr);
  model_.ports.erase("a");
  Change();
  EXPECT_EQ(index_.FindPort(kBlue, Mac(kMacC)), nullptr);
}

TEST_F(ModelIndexTest, OfTwoWithOneMacTheFirstIsIn) {
  model_.ports["0"] = model_.ports["a"];
  model_.ports["0"].id = "0";
  model_.representors["0"] = {.interface = "0", .ofport = 9};
  Change();
  EXPECT_EQ(index_.FindPort(kRed, Mac(kMacA))->id, "0");
  // A port that is not bound has the MAC, and is told nothing.
  model_.ports["0"].bound = false;
  Change();
  EXPECT_EQ(index_.FindPort(kRed, Mac(kMacA)), nullptr);
  model_.ports.erase("0");
  Change();
  EXPECT_EQ(index_.FindPort(kRed, Mac(kMacA))->id, "a");
}

TEST_F(ModelIndexTest, ANetworkAdvertisesWithARouterOfIpv6AndPorts) {
  Change();
  EXPECT_THAT(index_.Advertising(), ElementsAre(kRed, kBlue));
  model_.ports.erase("a");
  Change();
  EXPECT_THAT(index_.Advertising(), ElementsAre(kBlue));
  model_.svis["blue"].gateways.pop_back();
  Change();
  EXPECT_THAT(index_.Advertising(), ElementsAre());
}

TEST_F(ModelIndexTest, KnowsWhatTheNextNetworkTakes) {
  Change();
  EXPECT_EQ(index_.MtuTowards(kVrf, Ip("10.1.0.9")), 1400u);
  EXPECT_EQ(index_.MtuTowards(kVrf, Ip("2001:db8::9")), 1500u);
  EXPECT_EQ(index_.MtuTowards(kVrf, Ip("192.168.0.3")), 0u);
  EXPECT_EQ(index_.MtuTowards(kVrf + 1, Ip("10.1.0.9")), 0u);
}

}  // namespace
}  // namespace xpu::slowpath
