// How the settings of VFs are written and read, byte for byte. What drivers make of them is tested with a
// real card (contract/vf_settings_contract.h).

#include "common/sys/netlink_vf.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <cstring>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

// In the machine's byte order, as netlink has it.
template <class T>
std::string Raw(const T& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}
std::string U32(uint32_t value) { return Raw(value); }

// One attribute: length without padding, type, payload, padding to four bytes (netlink(7)).
std::string Attribute(int type, const std::string& payload) {
  std::string bytes =
      Raw(static_cast<uint16_t>(payload.size() + 4)) + Raw(static_cast<uint16_t>(type)) + payload;
  bytes.resize((bytes.size() + 3) / 4 * 4);
  return bytes;
}
std::string Nest(int type, const std::string& inside) { return Attribute(type | NLA_F_NESTED, inside); }

// What follows the headers of a request.
std::string Attributes(const NetlinkMessage& message) {
  const nlmsghdr* header = message.header();
  return std::string(reinterpret_cast<const char*>(header), header->nlmsg_len)
      .substr(NLMSG_HDRLEN + sizeof(ifinfomsg));
}

// The answer to GetVfMessage of a function with `count` VFs.
class Answer {
 public:
  Answer(uint32_t count, const std::string& infos) {
    text_ = Attribute(IFLA_NUM_VF, U32(count)) + Nest(IFLA_VFINFO_LIST, infos);
    nlmsghdr header{};
    header.nlmsg_type = RTM_NEWLINK;
    header.nlmsg_len = static_cast<uint32_t>(NLMSG_HDRLEN + sizeof(ifinfomsg) + text_.size());
    text_ = Raw(header) + Raw(ifinfomsg{}) + text_;
  }
  const nlmsghdr* message() const { return reinterpret_cast<const nlmsghdr*>(text_.data()); }

 private:
  std::string text_;
};

const std::string kMacBytes("\x02\x00\x00\x00\x0a\x01", 6);

std::string MacAttribute(uint32_t vf) {
  return Attribute(IFLA_VF_MAC, U32(vf) + kMacBytes + std::string(26, '\0'));
}

TEST(SetVfMessage, WritesEverySettingAsTheKernelReadsIt) {
  const VfSettings settings{.mac = *MacAddress::FromBytes(kMacBytes),
                            .vlan = VfSettings::Vlan{.id = 100, .qos = 3, .protocol = 0x88a8},
                            .spoof_check = false,
                            .trust = true,
                            .link_state = VfSettings::LinkState::kDisable,
                            .min_tx_rate = 10,
                            .max_tx_rate = 500};
  const NetlinkMessage message = SetVfMessage(7, 5, settings);
  EXPECT_EQ(message.header()->nlmsg_type, RTM_NEWLINK);
  ifinfomsg header{};
  header.ifi_index = 7;
  EXPECT_EQ(std::memcmp(nlmsg_data(message.header()), &header, sizeof(header)), 0);
  // The protocol is in network byte order, and padded to the end of its structure.
  const std::string vlan = U32(5) + U32(100) + U32(3) + std::string("\x88\xa8\0\0", 4);
  const std::string info =
      MacAttribute(5) + Nest(IFLA_VF_VLAN_LIST, Attribute(IFLA_VF_VLAN_INFO, vlan)) +
      Attribute(IFLA_VF_RATE, U32(5) + U32(10) + U32(500)) + Attribute(IFLA_VF_SPOOFCHK, U32(5) + U32(0)) +
      Attribute(IFLA_VF_LINK_STATE, U32(5) + U32(2)) + Attribute(IFLA_VF_TRUST, U32(5) + U32(1));
  EXPECT_EQ(Attributes(message), Nest(IFLA_VFINFO_LIST, Nest(IFLA_VF_INFO, info)));
}

TEST(SetVfMessage, WritesNothingThatIsNotSet) {
  const NetlinkMessage message = SetVfMessage(7, 0, {.trust = false});
  EXPECT_EQ(Attributes(message),
            Nest(IFLA_VFINFO_LIST, Nest(IFLA_VF_INFO, Attribute(IFLA_VF_TRUST, U32(0) + U32(0)))));
}

TEST(GetVfMessage, AsksForVfsWithoutStatistics) {
  EXPECT_EQ(Attributes(GetVfMessage(7)),
            Attribute(IFLA_EXT_MASK, U32(RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS)));
}

TEST(ParseVf, ReadsTheFunctionThatWasAskedFor) {
  const std::string vlan = U32(1) + U32(100) + U32(3) + std::string("\x88\xa8\0\0", 4);
  const std::string second =
      MacAttribute(1) + Attribute(IFLA_VF_VLAN, U32(1) + U32(100) + U32(3)) +
      Nest(IFLA_VF_VLAN_LIST, Attribute(IFLA_VF_VLAN_INFO, vlan)) +
      Attribute(IFLA_VF_RATE, U32(1) + U32(10) + U32(500)) + Attribute(IFLA_VF_TX_RATE, U32(1) + U32(500)) +
      Attribute(IFLA_VF_SPOOFCHK, U32(1) + U32(1)) + Attribute(IFLA_VF_LINK_STATE, U32(1) + U32(1)) +
      Attribute(IFLA_VF_TRUST, U32(1) + U32(0));
  const Answer answer(2, Nest(IFLA_VF_INFO, Attribute(IFLA_VF_MAC, U32(0) + std::string(32, '\0'))) +
                             Nest(IFLA_VF_INFO, second));
  const auto vf = ParseVf(answer.message(), 1);
  ASSERT_TRUE(vf.ok()) << vf.status();
  EXPECT_EQ(*vf, (VfSettings{.mac = *MacAddress::FromBytes(kMacBytes),
                             .vlan = VfSettings::Vlan{.id = 100, .qos = 3, .protocol = 0x88a8},
                             .spoof_check = true,
                             .trust = false,
                             .link_state = VfSettings::LinkState::kEnable,
                             .min_tx_rate = 10,
                             .max_tx_rate = 500}));
  EXPECT_EQ(*ParseVf(answer.message(), 0), VfSettings{.mac = MacAddress()});
}

TEST(ParseVf, WhatTheDriverDoesNotTellIsNotSet) {
  const std::string untold = MacAttribute(0) + Attribute(IFLA_VF_SPOOFCHK, U32(0) + U32(0xffffffff)) +
                             Attribute(IFLA_VF_TRUST, U32(0) + U32(0xffffffff));
  const Answer answer(1, Nest(IFLA_VF_INFO, untold));
  EXPECT_EQ(*ParseVf(answer.message(), 0), VfSettings{.mac = *MacAddress::FromBytes(kMacBytes)});
}

TEST(ParseVf, ATagWithoutAProtocolIsTheOrdinaryOne) {
  const std::string vlan = U32(0) + U32(100) + U32(0) + std::string(4, '\0');
  const Answer answer(
      1, Nest(IFLA_VF_INFO, MacAttribute(0) + Nest(IFLA_VF_VLAN_LIST, Attribute(IFLA_VF_VLAN_INFO, vlan))));
  EXPECT_EQ(ParseVf(answer.message(), 0)->vlan, (VfSettings::Vlan{.id = 100, .qos = 0, .protocol = 0x8100}));
}

TEST(ParseVf, TellsNoSuchFunctionFromADriverThatTellsNothing) {
  const Answer answer(2, "");
  EXPECT_TRUE(absl::IsNotFound(ParseVf(answer.message(), 2).status()));
  EXPECT_TRUE(absl::IsNotFound(ParseVf(answer.message(), -1).status()));
  EXPECT_TRUE(absl::IsUnimplemented(ParseVf(answer.message(), 1).status()));
}

TEST(ParseVf, SurvivesAnAnswerThatIsTooShort) {
  const Answer answer(1, Nest(IFLA_VF_INFO, Attribute(IFLA_VF_MAC, U32(0)) + Attribute(IFLA_VF_TRUST, "")));
  EXPECT_TRUE(absl::IsUnimplemented(ParseVf(answer.message(), 0).status()));
}

}  // namespace
}  // namespace xpu
