// What the compiled flows do with packets that are routed, or should not be.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/plan/flow_interpreter_testing.h"
#include "xpu-agent/plan/gateway.h"
#include "xpu-agent/plan/packet_opcode.h"
#include "xpu-agent/plan/plan_testing.h"

namespace xpu {
namespace {

using ::testing::IsEmpty;

MacAddress Mac(const std::string& text) { return MacAddress::Parse(text).value(); }
IpAddress Ip(const std::string& text) { return IpAddress::Parse(text).value(); }

constexpr int kTimeExceeded = static_cast<int>(pipeline::PacketOpcode::kTimeExceeded);
constexpr int kNetUnreachable = static_cast<int>(pipeline::PacketOpcode::kNetUnreachable);
constexpr int kHostUnreachable = static_cast<int>(pipeline::PacketOpcode::kHostUnreachable);
constexpr int kTooBig = static_cast<int>(pipeline::PacketOpcode::kTooBig);

const MacAddress kMac1 = Mac("02:00:00:00:00:01");
const MacAddress kMac2 = Mac("02:00:00:00:00:02");
const MacAddress kMac3 = Mac("02:00:00:00:00:03");
const MacAddress kRouter = pipeline::kGatewayMac;

// Ports 1 in red and 2 in green are of one domain; 3 is in blue, of another one with the prefixes of red.
class RouteTest : public ::testing::Test {
 protected:
  RouteTest() {
    AddBridge(&model_, "red", 0x11, {"10.0.0.0/24", "2001:db8::/64"});
    AddBridge(&model_, "green", 0x22, {"10.1.0.0/24", "2001:db8:1::/64"});
    AddBridge(&model_, "blue", 0x33, {"10.0.0.0/24"});
    AddVrf(&model_, "one", 1);
    AddVrf(&model_, "two", 2);
    AddSvi(&model_, "red", "one", "red", {"10.0.0.254/24", "2001:db8::ff/64"});
    AddSvi(&model_, "green", "one", "green", {"10.1.0.254/24", "2001:db8:1::ff/64"});
    AddSvi(&model_, "blue", "two", "blue", {"10.0.0.254/24"});
    AddBoundPort(&model_, "p1", 1, kMac1.ToString(), "red", {"10.0.0.1/24", "2001:db8::1/64"});
    AddBoundPort(&model_, "p2", 2, kMac2.ToString(), "green", {"10.1.0.2/24", "2001:db8:1::2/64"});
    AddBoundPort(&model_, "p3", 3, kMac3.ToString(), "blue", {"10.0.0.3/24"});
  }
  FlowInterpreter::Outputs Send(const TestPacket& packet) {
    const auto interpreter = FlowInterpreter::Make(CompileFlows(model_, AllOfports(model_)));
    EXPECT_TRUE(interpreter.ok()) << interpreter.status();
    const auto outputs = interpreter->Run(packet);
    EXPECT_TRUE(outputs.ok()) << outputs.status();
    return outputs.ok() ? *outputs : FlowInterpreter::Outputs();
  }
  // What the agent is told to do with the packet, which goes nowhere else; 0: it is not given it.
  int Told(const TestPacket& packet) {
    const auto outputs = Send(packet);
    if (outputs.empty()) return 0;
    EXPECT_EQ(outputs.size(), 1u);
    EXPECT_EQ(outputs[0].first, FlowInterpreter::kController) << packet.ToString();
    // As it came: the error is about the packet that was sent.
    EXPECT_EQ(outputs[0].second[Field::kTtl], packet[Field::kTtl]);
    EXPECT_EQ(outputs[0].second[Field::kEthSrc], packet[Field::kEthSrc]);
    return outputs[0].second.opcode;
  }
  TestPacket FromP1(const std::string& src, const std::string& dst, uint8_t ttl = 64) {
    return UdpPacket(1, kMac1, kRouter, Ip(src), Ip(dst), ttl);
  }
  Model model_;
};

TEST_F(RouteTest, BringsAPacketToTheOwnerOfItsDestination) {
  const std::pair<const char*, const char*> ways[] = {{"10.0.0.1", "10.1.0.2"},
                                                      {"2001:db8::1", "2001:db8:1::2"}};
  for (const auto& [src, dst] : ways) {
    const auto outputs = Send(FromP1(src, dst));
    ASSERT_EQ(outputs.size(), 1u) << dst;
    const auto& [port, packet] = outputs[0];
    EXPECT_EQ(port, 2u);
    EXPECT_EQ(packet[Field::kEthSrc], NumberOf(kRouter));
    EXPECT_EQ(packet[Field::kEthDst], NumberOf(kMac2));
    EXPECT_EQ(packet.Get(Field::kTtl), 63u);
    EXPECT_EQ(packet.Get(Field::kMetadata), 0x22u);
  }
}

TEST_F(RouteTest, RoutesWithinASubnetToo) {
  AddBoundPort(&model_, "p4", 4, "02:00:00:00:00:04", "red", {"10.0.0.4/24"});
  const auto outputs = Send(FromP1("10.0.0.1", "10.0.0.4"));
  ASSERT_EQ(outputs.size(), 1u);
  EXPECT_EQ(outputs[0].first, 4u);
}

TEST_F(RouteTest, UsesTheMacOfTheNetworkThatItLeavesThrough) {
  model_.svis["green"].mac = Mac("02:00:00:00:00:99");
  const auto outputs = Send(FromP1("10.0.0.1", "10.1.0.2"));
  ASSERT_EQ(outputs.size(), 1u);
  EXPECT_EQ(outputs[0].second[Field::kEthSrc], NumberOf(Mac("02:00:00:00:00:99")));
}

TEST_F(RouteTest, StopsWhatHasComeTooFar) {
  for (const uint8_t ttl : {0, 1}) {
    EXPECT_EQ(Told(FromP1("10.0.0.1", "10.1.0.2", ttl)), kTimeExceeded);
    EXPECT_EQ(Told(FromP1("2001:db8::1", "2001:db8:1::2", ttl)), kTimeExceeded);
  }
  EXPECT_EQ(Send(FromP1("10.0.0.1", "10.1.0.2", 2)).size(), 1u);
}

TEST_F(RouteTest, KeepsDomainsApart) {
  EXPECT_EQ(Told(FromP1("10.0.0.1", "10.0.0.3")), kHostUnreachable);
  EXPECT_EQ(Told(UdpPacket(3, kMac3, kRouter, Ip("10.0.0.3"), Ip("10.0.0.1"))), kHostUnreachable);
  EXPECT_EQ(Told(UdpPacket(3, kMac3, kRouter, Ip("10.0.0.3"), Ip("10.1.0.2"))), kNetUnreachable);
}

TEST_F(RouteTest, RoutesNothingThatStaysOnItsLink) {
  for (const char* dst :
       {"224.0.0.5", "255.255.255.255", "10.1.0.255", "127.0.0.1", "169.254.0.2", "0.0.0.0"})
    EXPECT_THAT(Send(FromP1("10.0.0.1", dst)), IsEmpty()) << dst;
  for (const char* dst : {"ff02::1", "ff0e::1", "fe80::ff:fe00:2", "::1", "::"})
    EXPECT_THAT(Send(FromP1("2001:db8::1", dst)), IsEmpty()) << dst;
  EXPECT_THAT(Send(FromP1("fe80::ff:fe00:1", "2001:db8:1::2")), IsEmpty());
}

TEST_F(RouteTest, RoutesNoNeighbourDiscovery) {
  TestPacket solicitation = SolicitationPacket(1, kMac1, Ip("2001:db8::1"), Ip("2001:db8:1::2"));
  solicitation[Field::kEthDst] = NumberOf(kRouter);
  solicitation[Field::kIp6Dst] = Ip("2001:db8:1::2").value();
  EXPECT_THAT(Send(solicitation), IsEmpty());
}

TEST_F(RouteTest, HasTheSenderToldThatNobodyHasTheAddress) {
  EXPECT_EQ(Told(FromP1("10.0.0.1", "10.1.0.77")), kHostUnreachable);
  EXPECT_EQ(Told(FromP1("10.0.0.1", "192.0.2.1")), kNetUnreachable);
  EXPECT_EQ(Told(FromP1("2001:db8::1", "2001:db8:1::77")), kHostUnreachable);
  EXPECT_EQ(Told(FromP1("2001:db8::1", "2001:db8:2::1")), kNetUnreachable);
}

TEST_F(RouteTest, RoutesOnlyFromAnAddressOfTheSubnet) {
  AddUnboundPort(&model_, "p4", 4, "02:00:00:00:00:04", "red");
  const auto from = [&](const char* src) {
    return Send(UdpPacket(4, Mac("02:00:00:00:00:04"), kRouter, Ip(src), Ip("10.1.0.2")));
  };
  EXPECT_EQ(from("10.0.0.9").size(), 1u);
  // Of another network of the domain, of nobody, of a neighbour, of the router.
  for (const char* src : {"10.1.0.3", "192.0.2.1", "10.0.0.1", "10.0.0.254"})
    EXPECT_THAT(from(src), IsEmpty()) << src;
}

TEST_F(RouteTest, AnswersPingsOfTheGatewayOnAllItsLinks) {
  for (const char* address : {"10.0.0.254", "10.1.0.254"}) {
    const auto outputs = Send(EchoRequestPacket(1, kMac1, kRouter, Ip("10.0.0.1"), Ip(address)));
    ASSERT_EQ(outputs.size(), 1u) << address;
    const auto& [port, packet] = outputs[0];
    EXPECT_EQ(port, 1u);
    EXPECT_EQ(packet[Field::kEthSrc], NumberOf(kRouter));
    EXPECT_EQ(packet[Field::kEthDst], NumberOf(kMac1));
    EXPECT_EQ(packet[Field::kIp4Src], Ip(address).value());
    EXPECT_EQ(packet[Field::kIp4Dst], Ip("10.0.0.1").value());
    EXPECT_EQ(packet.Get(Field::kIcmpType), 0u);
    EXPECT_EQ(packet.Get(Field::kTtl), 64u);
  }
  for (const char* address : {"2001:db8::ff", "2001:db8:1::ff"}) {
    const auto outputs = Send(EchoRequestPacket(1, kMac1, kRouter, Ip("2001:db8::1"), Ip(address)));
    ASSERT_EQ(outputs.size(), 1u) << address;
    EXPECT_EQ(outputs[0].second[Field::kIp6Src], Ip(address).value());
    EXPECT_EQ(outputs[0].second.Get(Field::kIcmpType), 129u);
  }
  const IpAddress link_local = IpAddress::LinkLocalFromMac(kRouter);
  EXPECT_EQ(Send(EchoRequestPacket(1, kMac1, kRouter, Ip("fe80::ff:fe00:1"), link_local)).size(), 1u);
  // With the last hop that it has, as the first line of a traceroute.
  TestPacket last = EchoRequestPacket(1, kMac1, kRouter, Ip("10.0.0.1"), Ip("10.1.0.254"));
  last[Field::kTtl] = 1;
  EXPECT_EQ(Send(last).size(), 1u);
}

TEST_F(RouteTest, AnswersArpForTheGateway) {
  const auto outputs = Send(ArpRequestPacket(1, kMac1, Ip("10.0.0.1"), Ip("10.0.0.254")));
  ASSERT_EQ(outputs.size(), 1u);
  const auto& [port, packet] = outputs[0];
  EXPECT_EQ(port, 1u);
  EXPECT_EQ(packet.Get(Field::kArpOp), 2u);
  EXPECT_EQ(packet[Field::kArpSha], NumberOf(kRouter));
  EXPECT_EQ(packet[Field::kArpSpa], Ip("10.0.0.254").value());
  EXPECT_THAT(Send(ArpRequestPacket(1, kMac1, Ip("10.0.0.1"), Ip("10.1.0.254"))), IsEmpty())
      << "that of another link is not on this one";
}

TEST_F(RouteTest, AnswersNeighbourSolicitationsAsARouter) {
  const IpAddress link_local = IpAddress::LinkLocalFromMac(kRouter);
  for (const IpAddress& target : {Ip("2001:db8::ff"), link_local}) {
    TestPacket question = SolicitationPacket(1, kMac1, Ip("2001:db8::1"), target);
    auto outputs = Send(question);
    ASSERT_EQ(outputs.size(), 1u);
    TestPacket answer = outputs[0].second;
    EXPECT_EQ(outputs[0].first, 1u);
    EXPECT_EQ(answer.Get(Field::kIcmpType), 136u);
    EXPECT_EQ(answer.Get(Field::kNdReserved), 0xe0000000u);
    EXPECT_EQ(answer[Field::kNdTll], NumberOf(kRouter));
    EXPECT_EQ(answer[Field::kIp6Dst], Ip("2001:db8::1").value());
    // Without the sender's MAC there is no room for the router's.
    question[Field::kNdSll] = 0;
    question[Field::kEthDst] = NumberOf(kRouter);
    question[Field::kIp6Dst] = target.value();
    outputs = Send(question);
    ASSERT_EQ(outputs.size(), 1u);
    EXPECT_EQ(outputs[0].second.Get(Field::kNdReserved), 0xe0000000u);
    EXPECT_EQ(outputs[0].second[Field::kIp6Dst], Ip("2001:db8::1").value());
    // Duplicate address detection.
    TestPacket detection = SolicitationPacket(1, kMac1, Ip("::"), target);
    detection[Field::kNdSll] = 0;
    outputs = Send(detection);
    ASSERT_EQ(outputs.size(), 1u);
    answer = outputs[0].second;
    EXPECT_EQ(outputs[0].first, 1u);
    EXPECT_EQ(answer.Get(Field::kIcmpType), 136u);
    EXPECT_EQ(answer.Get(Field::kNdReserved), 0xa0000000u);
    EXPECT_EQ(answer[Field::kIp6Dst], Ip("ff02::1").value());
    EXPECT_EQ(answer[Field::kEthDst], absl::uint128{0x3333'0000'0001});
  }
}

TEST_F(RouteTest, StopsWhatDoesNotFitTheNextNetwork) {
  model_.bridges["red"].mtu = 9000;
  for (const std::pair<const char*, const char*>& way :
       {std::pair("10.0.0.1", "10.1.0.2"), std::pair("2001:db8::1", "2001:db8:1::2")}) {
    TestPacket packet = FromP1(way.first, way.second);
    packet.bytes = 1514;
    const auto outputs = Send(packet);
    ASSERT_EQ(outputs.size(), 1u);
    EXPECT_EQ(outputs[0].first, 2u);
    packet.bytes = 1515;
    EXPECT_EQ(Told(packet), kTooBig);
  }
}

TEST_F(RouteTest, GivesTheRoutersMacAndAddressesToNoPort) {
  const auto taken = [&](const std::string& mac, const std::vector<std::string>& addresses) {
    Model model = model_;
    AddBoundPort(&model, "p0", 9, mac, "red", addresses);
    for (const auto& [key, actions] : CompileFlows(model, AllOfports(model))) {
      if (key.match.find("in_port=9") != std::string::npos) return true;
    }
    return false;
  };
  EXPECT_TRUE(taken("02:00:00:00:00:09", {"10.0.0.9/24"}));
  EXPECT_FALSE(taken(kRouter.ToString(), {"10.0.0.9/24"}));
  EXPECT_FALSE(taken("02:00:00:00:00:09", {"10.0.0.254/24"}));
  EXPECT_FALSE(taken("02:00:00:00:00:09", {"2001:db8::ff/64"}));
  EXPECT_FALSE(taken("02:00:00:00:00:09", {"fe80::58:50ff:fe00:1/64"}));
}

TEST_F(RouteTest, ANetworkWithoutAGatewayRoutesNothing) {
  model_.svis.erase("red");
  EXPECT_THAT(Send(FromP1("10.0.0.1", "10.1.0.2")), IsEmpty());
  EXPECT_EQ(Told(UdpPacket(2, kMac2, kRouter, Ip("10.1.0.2"), Ip("10.0.0.1"))), kNetUnreachable);
}

}  // namespace
}  // namespace xpu
