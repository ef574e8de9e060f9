// What goes to the agent, and that it goes nowhere else.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/plan/flow_interpreter_testing.h"
#include "xpu-agent/plan/packet_opcode.h"
#include "xpu-agent/plan/pipeline.h"
#include "xpu-agent/plan/plan_testing.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const MacAddress kMac1 = MacAddress::Parse("02:00:00:00:00:01").value();
const MacAddress kMac2 = MacAddress::Parse("02:00:00:00:00:02").value();
const MacAddress kMac3 = MacAddress::Parse("02:00:00:00:00:03").value();
const MacAddress kRouter = MacAddress::Parse("02:58:50:00:00:01").value();
const MacAddress kAllOnes({0xff, 0xff, 0xff, 0xff, 0xff, 0xff});
const MacAddress kAllRouters({0x33, 0x33, 0, 0, 0, 2});
IpAddress Ip(const std::string& text) { return IpAddress::Parse(text).value(); }

class SlowPathFlowsTest : public ::testing::Test {
 protected:
  // Ports 1 and 2 are bound, 3 is not; all in the one network, which has a router.
  void SetUp() override {
    AddBridge(&model_, "red", 0x11, {"10.0.0.0/24", "2001:db8::/64"});
    model_.bridges["red"].gateways = {Ip("10.0.0.254"), Ip("2001:db8::ff")};
    model_.vrfs["one"] = {.id = "one", .vrf_key = 1};
    model_.svis["red"] = {.id = "red",
                          .vrf = "one",
                          .logical_bridge = "red",
                          .mac = kRouter,
                          .gateways = {InterfaceAddress::Parse("10.0.0.254/24").value(),
                                       InterfaceAddress::Parse("2001:db8::ff/64").value()}};
    AddBoundPort(&model_, "p1", 1, kMac1.ToString(), "red", {"10.0.0.1/24", "2001:db8::1/64"});
    AddBoundPort(&model_, "p2", 2, kMac2.ToString(), "red", {"10.0.0.2/24", "2001:db8::2/64"});
    AddUnboundPort(&model_, "p3", 3, kMac3.ToString(), "red");
  }
  // The ports that a packet comes out of.
  std::vector<uint32_t> Send(const TestPacket& packet) {
    const auto interpreter = FlowInterpreter::Make(CompileFlows(model_, AllOfports(model_), abilities_));
    EXPECT_TRUE(interpreter.ok()) << interpreter.status();
    const auto outputs = interpreter->Run(packet);
    EXPECT_TRUE(outputs.ok()) << outputs.status();
    std::vector<uint32_t> ports;
    if (outputs.ok()) {
      for (const auto& [port, sent] : *outputs) ports.push_back(port);
    }
    return ports;
  }
  static TestPacket Dhcp(uint32_t port, const MacAddress& mac, const std::string& src, const std::string& dst,
                         uint64_t src_port = 68, uint64_t dst_port = 67) {
    const bool broadcast = dst == "255.255.255.255";
    TestPacket packet = UdpPacket(port, mac, broadcast ? kAllOnes : kRouter, Ip(src), Ip(dst));
    packet[Field::kTpSrc] = src_port;
    packet[Field::kTpDst] = dst_port;
    return packet;
  }
  static TestPacket Solicitation(uint32_t port, const MacAddress& mac, const std::string& src,
                                 uint8_t ttl = 255, uint64_t type = 133) {
    TestPacket packet = UdpPacket(port, mac, kAllRouters, Ip(src), Ip("ff02::2"), ttl);
    packet[Field::kIpProtocol] = 58;
    packet[Field::kTpSrc] = 0;
    packet[Field::kTpDst] = 0;
    packet[Field::kIcmpType] = type;
    packet[Field::kIcmpCode] = 0;
    return packet;
  }
  static constexpr uint32_t kAgent = FlowInterpreter::kController;
  Model model_;
  SwitchAbilities abilities_;
};

TEST_F(SlowPathFlowsTest, ADhcpClientIsHeardByTheAgentAlone) {
  EXPECT_THAT(Send(Dhcp(1, kMac1, "0.0.0.0", "255.255.255.255")), ElementsAre(kAgent));
  EXPECT_THAT(Send(Dhcp(1, kMac1, "10.0.0.1", "10.0.0.254")), ElementsAre(kAgent));
  EXPECT_THAT(Send(Dhcp(1, kMac1, "10.0.0.1", "255.255.255.255")), ElementsAre(kAgent));
}

TEST_F(SlowPathFlowsTest, TheUnspecifiedSourceIsForDhcpAlone) {
  EXPECT_THAT(Send(Dhcp(1, kMac1, "0.0.0.0", "255.255.255.255", 68, 53)), IsEmpty());
  EXPECT_THAT(Send(Dhcp(1, kMac1, "0.0.0.0", "255.255.255.255", 67, 67)), IsEmpty());
  EXPECT_THAT(Send(Dhcp(1, kMac1, "0.0.0.0", "10.0.0.254")), IsEmpty());
  EXPECT_THAT(Send(Dhcp(1, kMac2, "0.0.0.0", "255.255.255.255")), IsEmpty());
  EXPECT_THAT(Send(Dhcp(1, kMac1, "10.0.0.2", "255.255.255.255")), IsEmpty());
}

TEST_F(SlowPathFlowsTest, NobodyAnswersAsAServer) {
  EXPECT_THAT(Send(Dhcp(1, kMac1, "10.0.0.1", "255.255.255.255", 67, 68)), IsEmpty());
  EXPECT_THAT(Send(Dhcp(3, kMac3, "10.0.0.3", "255.255.255.255", 67, 68)), IsEmpty());
}

TEST_F(SlowPathFlowsTest, WithoutAddressesOfIpv4ThereIsNoDhcp) {
  std::vector<IpPrefix>& prefixes = model_.bridges["red"].prefixes;
  prefixes.erase(prefixes.begin());
  for (const char* port : {"p1", "p2"}) {
    std::erase_if(model_.ports[port].addresses, [](const auto& address) { return address.address.is_v4(); });
  }
  EXPECT_THAT(Send(Dhcp(1, kMac1, "0.0.0.0", "255.255.255.255")), IsEmpty());
}

TEST_F(SlowPathFlowsTest, ASolicitationIsHeardByTheAgentAlone) {
  EXPECT_THAT(Send(Solicitation(1, kMac1, "fe80::ff:fe00:1")), ElementsAre(kAgent));
  EXPECT_THAT(Send(Solicitation(1, kMac1, "2001:db8::1")), ElementsAre(kAgent));
  EXPECT_THAT(Send(Solicitation(1, kMac1, "::")), ElementsAre(kAgent));
}

TEST_F(SlowPathFlowsTest, OnlyAnHonestSolicitationIs) {
  EXPECT_THAT(Send(Solicitation(1, kMac1, "fe80::ff:fe00:2")), IsEmpty());
  EXPECT_THAT(Send(Solicitation(1, kMac2, "fe80::ff:fe00:1")), IsEmpty());
  EXPECT_THAT(Send(Solicitation(1, kMac1, "fe80::ff:fe00:1", 254)), IsEmpty());
  EXPECT_THAT(Send(Solicitation(1, kMac1, "fe80::ff:fe00:1", 255, 134)), IsEmpty());
  EXPECT_THAT(Send(Solicitation(3, kMac3, "fe80::ff:fe00:3")), IsEmpty());
}

TEST_F(SlowPathFlowsTest, WhereThereIsNoRouterNobodyIsSolicited) {
  model_.svis.clear();
  EXPECT_THAT(Send(Solicitation(1, kMac1, "fe80::ff:fe00:1")), IsEmpty());
}

TEST_F(SlowPathFlowsTest, WhatTheRouterCannotBringOnIsTheAgents) {
  EXPECT_THAT(Send(UdpPacket(1, kMac1, kRouter, Ip("10.0.0.1"), Ip("10.0.0.2"), 1)), ElementsAre(kAgent));
  EXPECT_THAT(Send(UdpPacket(1, kMac1, kRouter, Ip("10.0.0.1"), Ip("10.0.0.77"))), ElementsAre(kAgent));
  EXPECT_THAT(Send(UdpPacket(1, kMac1, kRouter, Ip("10.0.0.1"), Ip("192.0.2.1"))), ElementsAre(kAgent));
  // Not what nobody is told of.
  EXPECT_THAT(Send(UdpPacket(1, kMac1, kRouter, Ip("10.0.0.1"), Ip("169.254.0.9"))), IsEmpty());
  EXPECT_THAT(Send(UdpPacket(1, kMac1, kRouter, Ip("10.0.0.1"), Ip("10.0.0.255"))), IsEmpty());
}

TEST_F(SlowPathFlowsTest, TheAgentIsToldWhatFor) {
  const auto opcode_of = [&](const TestPacket& packet) {
    const auto outputs = FlowInterpreter::Make(CompileFlows(model_, AllOfports(model_)))->Run(packet);
    return outputs.ok() && outputs->size() == 1 ? outputs->front().second.opcode : -1;
  };
  using Opcode = pipeline::PacketOpcode;
  EXPECT_EQ(opcode_of(Dhcp(1, kMac1, "0.0.0.0", "255.255.255.255")), static_cast<int>(Opcode::kDhcp));
  EXPECT_EQ(opcode_of(Solicitation(1, kMac1, "::")), static_cast<int>(Opcode::kRouterSolicitation));
  EXPECT_EQ(opcode_of(UdpPacket(1, kMac1, kRouter, Ip("10.0.0.1"), Ip("10.0.0.2"), 1)),
            static_cast<int>(Opcode::kTimeExceeded));
  EXPECT_EQ(opcode_of(UdpPacket(1, kMac1, kRouter, Ip("10.0.0.1"), Ip("10.0.0.77"))),
            static_cast<int>(Opcode::kHostUnreachable));
  EXPECT_EQ(opcode_of(UdpPacket(1, kMac1, kRouter, Ip("10.0.0.1"), Ip("192.0.2.1"))),
            static_cast<int>(Opcode::kNetUnreachable));
}

TEST_F(SlowPathFlowsTest, EachPortHasAMeterOfItsOwnBeforeTheAgent) {
  std::set<std::string> handing_over;
  for (const auto& [key, actions] : CompileFlows(model_, AllOfports(model_))) {
    if (actions.find("controller") == std::string::npos) continue;
    EXPECT_EQ(key.table, pipeline::Table::kToAgent);
    handing_over.insert(key.match + " " + actions);
  }
  EXPECT_THAT(handing_over, ElementsAre("reg0=0x1 meter:2020737025,controller(id=30832)",
                                        "reg0=0x2 meter:2020737026,controller(id=30832)",
                                        "reg0=0x3 meter:2020737027,controller(id=30832)"));
  abilities_.meter = false;
  for (const auto& [key, actions] : CompileFlows(model_, AllOfports(model_), abilities_))
    EXPECT_THAT(actions, ::testing::Not(::testing::HasSubstr("meter"))) << key.match;
}

TEST_F(SlowPathFlowsTest, ASwitchThatCannotAdvertiseAsksTheOwnersAndForTheRouterTheAgent) {
  const IpAddress link_local = IpAddress::LinkLocalFromMac(kRouter);
  const auto solicit = [&](const char* src, const IpAddress& target, bool detection = false) {
    TestPacket packet = SolicitationPacket(1, kMac1, Ip(src), target);
    if (detection) packet[Field::kNdSll] = 0;
    return Send(packet);
  };
  EXPECT_THAT(solicit("2001:db8::1", Ip("2001:db8::2")), ElementsAre(1)) << "answered";
  EXPECT_THAT(solicit("2001:db8::1", link_local), ElementsAre(1));
  abilities_.advertise_neighbours = false;
  EXPECT_THAT(solicit("2001:db8::1", Ip("2001:db8::2")), ElementsAre(2));
  EXPECT_THAT(solicit("2001:db8::1", Ip("fe80::ff:fe00:2")), ElementsAre(2));
  EXPECT_THAT(solicit("::", Ip("2001:db8::2"), true), ElementsAre(2));
  EXPECT_THAT(solicit("::", Ip("2001:db8::1"), true), IsEmpty()) << "its own";
  EXPECT_THAT(solicit("2001:db8::1", Ip("2001:db8::77")), ElementsAre(3)) << "may be the unbound port's";
  for (const IpAddress& target : {Ip("2001:db8::ff"), link_local}) {
    EXPECT_THAT(solicit("2001:db8::1", target), ElementsAre(kAgent));
    EXPECT_THAT(solicit("::", target, true), ElementsAre(kAgent));
  }
  EXPECT_THAT(solicit("2001:db8::2", link_local), IsEmpty()) << "in another's name";
  for (const auto& [key, actions] : CompileFlows(model_, AllOfports(model_), abilities_)) {
    EXPECT_THAT(actions, ::testing::Not(::testing::HasSubstr("nd_"))) << key.match;
  }
}

}  // namespace
}  // namespace xpu
