#pragma once

// What every Netlink promises of the settings of VFs, as tests. Besides the fake it can be instantiated for a
// physical function of a real card, which the tests leave with other settings than before:
//   INSTANTIATE_TEST_SUITE_P(Card, VfSettingsContract, ::testing::Values(&MakeCardHarness));

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/sys/netlink.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {

class VfSettingsHarness {
 public:
  virtual ~VfSettingsHarness() = default;
  virtual NetlinkFactory& factory() = 0;
  // The interface of a physical function, in the process's namespace, that has `vfs()` virtual ones.
  virtual std::string pf_name() = 0;
  virtual int vfs() = 0;
  // What its driver does not take, of "mac", "vlan", "vlan protocol" (any but 802.1Q), "rate", "min_tx_rate"
  // (any but 0), "spoofchk", "link_state" and "trust".
  virtual std::set<std::string> refused() = 0;
};

class VfSettingsContract : public ::testing::TestWithParam<std::unique_ptr<VfSettingsHarness> (*)()> {
 protected:
  struct Case {
    std::string name;
    VfSettings settings;
  };

  // Everything that can be set, each with two values.
  std::vector<Case> AllCases() const {
    using LinkState = VfSettings::LinkState;
    return {{"mac", {.mac = kMac}},
            {"mac", {.mac = kOtherMac}},
            {"vlan", {.vlan = VfSettings::Vlan{.id = 100, .qos = 3}}},
            {"vlan", {.vlan = VfSettings::Vlan{}}},
            {"vlan protocol", {.vlan = VfSettings::Vlan{.id = 200, .qos = 0, .protocol = 0x88a8}}},
            {"min_tx_rate", {.min_tx_rate = 100, .max_tx_rate = 500}},
            {"rate", {.min_tx_rate = 0, .max_tx_rate = 400}},
            {"rate", {.min_tx_rate = 0, .max_tx_rate = 0}},
            {"spoofchk", {.spoof_check = false}},
            {"spoofchk", {.spoof_check = true}},
            {"link_state", {.link_state = LinkState::kEnable}},
            {"link_state", {.link_state = LinkState::kDisable}},
            {"link_state", {.link_state = LinkState::kAuto}},
            {"trust", {.trust = true}},
            {"trust", {.trust = false}}};
  }
  bool IsTaken(const std::string& name) const { return !refused_.contains(name); }
  VfSettings Must(int vf) {
    auto settings = netlink_->GetVf(pf_, vf);
    EXPECT_TRUE(settings.ok()) << settings.status();
    return settings.value_or(VfSettings());
  }
  static int IndexOf(Netlink& netlink, const std::string& name) {
    auto link = netlink.GetLink(name);
    EXPECT_TRUE(link.ok()) << link.status();
    return link.value_or(Link()).ifindex;
  }
  // `base` with what is set in `settings`.
  static VfSettings With(VfSettings base, const VfSettings& settings) {
    if (settings.mac) base.mac = settings.mac;
    if (settings.vlan) base.vlan = settings.vlan;
    if (settings.spoof_check) base.spoof_check = settings.spoof_check;
    if (settings.trust) base.trust = settings.trust;
    if (settings.link_state) base.link_state = settings.link_state;
    if (settings.min_tx_rate) base.min_tx_rate = settings.min_tx_rate;
    if (settings.max_tx_rate) base.max_tx_rate = settings.max_tx_rate;
    return base;
  }

  const MacAddress kMac = *MacAddress::Parse("02:00:00:00:0a:01");
  const MacAddress kOtherMac = *MacAddress::Parse("02:00:00:00:0a:02");

  std::unique_ptr<VfSettingsHarness> harness_ = GetParam()();
  const std::set<std::string> refused_ = harness_->refused();
  std::unique_ptr<Netlink> netlink_ = *harness_->factory().Open(nullptr);
  const int pf_ = IndexOf(*netlink_, harness_->pf_name());
};

TEST_P(VfSettingsContract, EachSettingIsReadBackAndLeavesTheOthersAlone) {
  for (const Case& one : AllCases()) {
    if (!IsTaken(one.name)) continue;
    const VfSettings before = Must(0);
    const absl::Status status = netlink_->SetVf(pf_, 0, one.settings);
    ASSERT_TRUE(status.ok()) << one.name << ": " << status;
    EXPECT_EQ(Must(0), With(before, one.settings)) << one.name;
  }
}

TEST_P(VfSettingsContract, SeveralAreSetAtOnceAndOnlyForTheOneFunction) {
  ASSERT_GE(harness_->vfs(), 2);
  ASSERT_TRUE(IsTaken("mac") && IsTaken("vlan"));
  const VfSettings other = Must(1);
  const VfSettings before = Must(0);
  const VfSettings settings{.mac = kMac, .vlan = VfSettings::Vlan{.id = 7, .qos = 1}};
  ASSERT_TRUE(netlink_->SetVf(pf_, 0, settings).ok());
  EXPECT_EQ(Must(0), With(before, settings));
  EXPECT_EQ(Must(1), other);
  EXPECT_TRUE(netlink_->SetVf(pf_, 0, settings).ok()) << "what is so already is no change";
  EXPECT_TRUE(netlink_->SetVf(pf_, 0, VfSettings()).ok()) << "nothing is no change";
  EXPECT_EQ(Must(0), With(before, settings));
}

TEST_P(VfSettingsContract, ARefusedSettingIsNamedAndTheOthersArePutBack) {
  ASSERT_TRUE(netlink_->SetVf(pf_, 0, {.mac = kMac, .vlan = VfSettings::Vlan{.id = 5}}).ok());
  const VfSettings before = Must(0);
  int refused = 0;
  for (const char* name : {"spoofchk", "link_state", "trust"}) {
    if (IsTaken(name)) continue;
    ++refused;
    VfSettings settings{.mac = kOtherMac, .vlan = VfSettings::Vlan{.id = 6}};
    for (const Case& one : AllCases()) {
      if (one.name == name) settings = With(settings, one.settings);
    }
    const absl::Status status = netlink_->SetVf(pf_, 0, settings);
    EXPECT_TRUE(absl::IsUnimplemented(status)) << name << ": " << status;
    EXPECT_THAT(status.message(), ::testing::HasSubstr(name));
    EXPECT_EQ(Must(0), before) << name;
  }
  ASSERT_GT(refused, 0) << "this driver takes everything; the harness is of no use here";
}

TEST_P(VfSettingsContract, SaysWhatIsNotThere) {
  const absl::Status vf = netlink_->GetVf(pf_, harness_->vfs()).status();
  EXPECT_TRUE(absl::IsNotFound(vf)) << vf;
  EXPECT_TRUE(absl::IsNotFound(netlink_->GetVf(pf_, -1).status()));
  EXPECT_TRUE(absl::IsNotFound(netlink_->SetVf(pf_, harness_->vfs(), {.mac = kMac})));
  EXPECT_TRUE(absl::IsNotFound(netlink_->GetVf(4711, 0).status()));
  EXPECT_TRUE(absl::IsNotFound(netlink_->SetVf(4711, 0, {.mac = kMac})));
  const int loopback = IndexOf(*netlink_, "lo");
  EXPECT_TRUE(absl::IsNotFound(netlink_->GetVf(loopback, 0).status())) << "it is no physical function";
}

TEST_P(VfSettingsContract, RefusesValuesThatCannotBe) {
  const VfSettings before = Must(0);
  for (const VfSettings& settings :
       {VfSettings{.mac = *MacAddress::Parse("01:00:5e:00:00:01")},
        VfSettings{.vlan = VfSettings::Vlan{.id = 4095}},
        VfSettings{.vlan = VfSettings::Vlan{.id = 1, .qos = 8}},
        VfSettings{.vlan = VfSettings::Vlan{.id = 1, .qos = 0, .protocol = 0x0800}},
        VfSettings{.min_tx_rate = 200, .max_tx_rate = 100}}) {
    const absl::Status status = netlink_->SetVf(pf_, 0, settings);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  }
  EXPECT_EQ(Must(0), before);
}

}  // namespace xpu
