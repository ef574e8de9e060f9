// What the physical function keeps for its virtual ones: igb takes MAC, VLAN, greatest rate, spoof check and
// trust.

#include <string>

#include "common/sys/net_namespaces_real.h"
#include "common/sys/netlink_real.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/lab/card.h"
#include "test/lab/watch.h"

namespace xpu {
namespace {

using testing::Card;
using ::testing::HasSubstr;
using testing::Watch;

const MacAddress kMac({0x02, 0, 0, 0, 0x0a, 1});

class VfSettingsOnACard : public ::testing::Test {
 protected:
  VfSettings Get(int vf) {
    auto settings = card_.netlink().GetVf(card_.ifindex(), vf);
    EXPECT_TRUE(settings.ok()) << settings.status();
    return settings.value_or(VfSettings());
  }
  absl::Status Set(int vf, const VfSettings& settings) {
    return card_.netlink().SetVf(card_.ifindex(), vf, settings);
  }
  std::string Netdev(int vf) {
    auto names = card_.bus().Netdevs(card_.vf(vf));
    EXPECT_TRUE(names.ok()) << names.status();
    return names.ok() && names->size() == 1 ? names->front() : "";
  }

  Card card_{2};
};

TEST_F(VfSettingsOnACard, AreToldAsTheyWereSet) {
  const VfSettings other = Get(1);
  const absl::Status set = Set(
      0, {.mac = kMac, .vlan = VfSettings::Vlan{.id = 100, .qos = 3}, .spoof_check = false, .trust = true});
  ASSERT_TRUE(set.ok()) << set;
  const VfSettings told = Get(0);
  EXPECT_EQ(told.mac, kMac);
  EXPECT_EQ(told.vlan, (VfSettings::Vlan{.id = 100, .qos = 3}));
  EXPECT_EQ(told.spoof_check, false);
  EXPECT_EQ(told.trust, true);
  EXPECT_EQ(Get(1), other) << "the neighbour's stay";
}

TEST_F(VfSettingsOnACard, CanBePutBackAsTheyWere) {
  VfSettings before = Get(0);
  ASSERT_TRUE(Set(0, {.mac = kMac, .vlan = VfSettings::Vlan{.id = 7}, .spoof_check = false}).ok());
  const absl::Status back =
      Set(0, {.mac = before.mac, .vlan = before.vlan, .spoof_check = before.spoof_check});
  ASSERT_TRUE(back.ok()) << back;
  EXPECT_EQ(Get(0), before);
}

TEST_F(VfSettingsOnACard, TheFunctionHasTheMacFromItsNextResetOn) {
  ASSERT_TRUE(Set(0, {.mac = kMac}).ok());
  ASSERT_TRUE(card_.bus().BindDriver(card_.vf(0), "").ok());
  ASSERT_TRUE(card_.bus().BindDriver(card_.vf(0), "igbvf").ok());
  auto link = card_.netlink().GetLink(Netdev(0));
  ASSERT_TRUE(link.ok()) << link.status();
  EXPECT_EQ(link->mac, kMac);
}

TEST_F(VfSettingsOnACard, ARateNeedsALinkAndIsKept) {
  Watch watch(card_.bus(), card_.netlink());
  ASSERT_TRUE(watch.AwaitCarrier(card_.bus().Netdevs(card_.pf())->at(0), true));
  const absl::Status set = Set(0, {.max_tx_rate = 100});
  ASSERT_TRUE(set.ok()) << set;
  EXPECT_EQ(Get(0).max_tx_rate, 100u);
  EXPECT_EQ(Get(0).min_tx_rate, 0u);
  const absl::Status most = Set(0, {.max_tx_rate = 100'000});
  EXPECT_TRUE(absl::IsInvalidArgument(most)) << "more than the link has: " << most;
  EXPECT_EQ(Get(0).max_tx_rate, 100u);
  ASSERT_TRUE(Set(0, {.max_tx_rate = 0}).ok());
  EXPECT_EQ(Get(0).max_tx_rate, 0u);
}

TEST_F(VfSettingsOnACard, WhatTheDriverDoesNotTakeIsNamedAndTheRestIsTakenBack) {
  const VfSettings before = Get(0);
  const absl::Status state = Set(0, {.mac = kMac,
                                     .vlan = VfSettings::Vlan{.id = 100},
                                     .spoof_check = false,
                                     .link_state = VfSettings::LinkState::kDisable});
  EXPECT_TRUE(absl::IsUnimplemented(state)) << state;
  EXPECT_THAT(state.message(), HasSubstr("link_state"));
  EXPECT_EQ(Get(0), before);
  const absl::Status least = Set(0, {.min_tx_rate = 10, .max_tx_rate = 100});
  EXPECT_TRUE(absl::IsInvalidArgument(least)) << least;
  const absl::Status outer = Set(0, {.vlan = VfSettings::Vlan{.id = 100, .qos = 0, .protocol = 0x88a8}});
  EXPECT_FALSE(outer.ok());
  EXPECT_THAT(outer.message(), HasSubstr("vlan"));
  EXPECT_EQ(Get(0), before);
}

TEST_F(VfSettingsOnACard, AFunctionThatIsNotThereIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(card_.netlink().GetVf(card_.ifindex(), 2).status()));
  EXPECT_TRUE(absl::IsNotFound(Set(2, {.trust = true})));
  EXPECT_TRUE(absl::IsNotFound(Set(-1, {.trust = true})));
}

TEST_F(VfSettingsOnACard, AnInterfaceMovesIntoANamespaceAndBack) {
  auto pod = NewNetNamespace();
  ASSERT_TRUE(pod.ok()) << pod.status();
  auto inside = NetlinkFactoryReal().Open(*pod);
  ASSERT_TRUE(inside.ok());
  const std::string name = Netdev(0);
  ASSERT_TRUE(Set(0, {.mac = kMac}).ok());
  LinkChange move;
  move.net_namespace = *pod;
  move.name = "net1";
  move.mac = kMac;
  move.mtu = 1400;
  move.up = true;
  const absl::Status moved = card_.netlink().ChangeLink(card_.netlink().GetLink(name)->ifindex, move);
  ASSERT_TRUE(moved.ok()) << moved;
  auto link = (*inside)->GetLink("net1");
  ASSERT_TRUE(link.ok()) << link.status();
  EXPECT_EQ(link->mac, kMac);
  EXPECT_EQ(link->mtu, 1400u);
  EXPECT_TRUE(link->up);
  EXPECT_EQ(link->parent_device, card_.vf(0).ToString());
  EXPECT_TRUE(card_.bus().Netdevs(card_.vf(0))->empty());
  // The interface of a function comes home when its pod's namespace goes, as it is no kernel's own invention.
  inside->reset();
  move.net_namespace.reset();
  Watch watch(card_.bus(), card_.netlink());
  pod->reset();
  ASSERT_TRUE(watch.AwaitLink("net1"));
  EXPECT_EQ(Netdev(0), "net1");
}

}  // namespace
}  // namespace xpu
