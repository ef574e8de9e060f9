// What the flows hand to the agent and what hosts get back for it: real clients in pods, on a real Open
// vSwitch.
#include "xpu-agent/slowpath/slow_path.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "test/component/pipeline/lab.h"
#include "xpu-agent/datapath/ovs/ovs_packet_io.h"
#include "xpu-agent/slowpath/wire.h"

namespace xpu::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kGateway4[] = "10.0.0.254";
constexpr char kGateway6[] = "2001:db8::fe";
constexpr char kGatewayMac[] = "02:58:50:00:00:01";
constexpr char kGatewayLinkLocal[] = "fe80::58:50ff:fe00:1";

class SlowPathPacketTest : public PipelineTest {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(PipelineTest::SetUp());
    packets_ = std::make_unique<OvsPacketIo>(
        OvsPacketIoOptions{.openflow_dir = ovs().openflow_dir(), .bridge = "br-xpu"});
    slow_path_ = std::make_unique<SlowPath>(*packets_, SlowPath::Options{});
    slow_path_->Start();
    LogicalBridge& red = model_.bridges["red"];
    red.gateways = {Ip(kGateway4), Ip(kGateway6)};
    red.mtu = 1400;
    red.dns = {.servers = {Ip("10.0.0.53"), Ip("2001:db8::53")},
               .domain = "red.example",
               .search = {"red.example", "example"}};
    red.lease_time = 7200;
    model_.vrfs["v"] = {.id = "v", .vrf_key = 5};
    model_.svis["red"] = {.id = "red",
                          .vrf = "v",
                          .logical_bridge = "red",
                          .mac = Mac(kGatewayMac),
                          .gateways = {InterfaceAddress::Parse("10.0.0.254/24").value(),
                                       InterfaceAddress::Parse("2001:db8::fe/64").value()}};
    ASSERT_NO_FATAL_FAILURE(Realize());
    ASSERT_NO_FATAL_FAILURE(AwaitConnection());
  }
  void TearDown() override {
    // Before what it sends to.
    packets_.reset();
    slow_path_.reset();
  }

  void Realize() {
    Apply();
    slow_path_->Change(Difference(told_, model_));
    told_ = model_;
  }

  std::string Dhcp(const std::string& pod, uint8_t type, const std::string& options = "") {
    slowpath::WireWriter message;
    message.U8(1).U8(1).U8(6).U8(0).U32(0x1234).Zeros(20).Mac(Mac(MacOf(pod))).Zeros(10 + 192);
    message.U32(0x63825363).U8(53).U8(1).U8(type).Bytes(options).U8(255);
    return UdpFrame({.eth_dst = kBroadcast,
                     .eth_src = MacOf(pod),
                     .src = "0.0.0.0",
                     .dst = "255.255.255.255",
                     .src_port = 68,
                     .dst_port = 67,
                     .payload = message.bytes()});
  }
  // Asks again, as clients do, until there is an answer: nobody says when the agent has its connection.
  void AwaitConnection() {
    const absl::Time deadline = absl::Now() + absl::Seconds(30);
    while (slow_path_->counters().answers.dhcp_answers == 0 && absl::Now() < deadline) {
      pod("c").Send(Dhcp("c", 1));
      Arrived("c", "b");
    }
    ASSERT_GT(slow_path_->counters().answers.dhcp_answers, 0u);
  }
  absl::StatusOr<std::string> AwaitAnswer(const std::string& pod_name, const std::string& request,
                                          const std::function<bool(const std::string&)>& wanted) {
    pod(pod_name).Send(request);
    return pod(pod_name).ReceiveFirst(wanted);
  }
  static bool IsDhcpAnswer(const std::string& frame) {
    slowpath::Ethernet ethernet;
    slowpath::Ipv4 ip;
    return slowpath::Parse(frame, &ethernet) && ethernet.type == slowpath::kTypeIpv4 &&
           slowpath::Parse(ethernet.payload, &ip) && ip.protocol == slowpath::kProtocolUdp &&
           slowpath::WireReader(ip.payload).U16() == 67;
  }
  static bool IsIcmp6(const std::string& frame, uint8_t type) {
    slowpath::Ethernet ethernet;
    slowpath::Ipv6 ip;
    return slowpath::Parse(frame, &ethernet) && ethernet.type == slowpath::kTypeIpv6 &&
           slowpath::Parse(ethernet.payload, &ip) && ip.protocol == slowpath::kProtocolIcmp6 &&
           slowpath::WireReader(ip.payload).U8() == type;
  }

  std::unique_ptr<OvsPacketIo> packets_;
  std::unique_ptr<SlowPath> slow_path_;
  // The model as the slow path knows it.
  Model told_;
};

TEST_F(SlowPathPacketTest, AClientGetsWhatItsPortIsBoundTo) {
  const std::string folder = absl::StrCat(::testing::TempDir(), "/slow-path-", getpid());
  std::filesystem::create_directory(folder);
  const std::string script = folder + "/script", told = folder + "/told";
  std::ofstream(script) << "#!/bin/sh\nenv > " << told << ".$1\n";
  std::filesystem::permissions(script, std::filesystem::perms::owner_all);
  const auto output = pod("a").netns().Run({"busybox", "udhcpc", "-i", "eth0", "-f", "-n", "-q", "-O", "mtu",
                                            "-O", "search", "-O", "staticroutes", "-s", script});
  ASSERT_TRUE(output.ok()) << output.status();
  std::ifstream file(told + ".bound");
  const std::vector<std::string> lines =
      absl::StrSplit(std::string(std::istreambuf_iterator<char>(file), {}), '\n');
  std::filesystem::remove_all(folder);
  for (const char* line : {"ip=10.0.0.1", "subnet=255.255.255.0", "router=10.0.0.254", "dns=10.0.0.53",
                           "domain=red.example", "mtu=1400", "serverid=10.0.0.254", "lease=7200",
                           "search=red.example example", "staticroutes=0.0.0.0/0 10.0.0.254"}) {
    EXPECT_THAT(lines, Contains(line));
  }
}

TEST_F(SlowPathPacketTest, APodThatFloodsTheAgentTakesNothingFromTheOthers) {
  std::vector<std::string> flood = {Dhcp("a", 1)};
  for (const char* destination : {"10.0.0.2", "10.0.0.77", "192.0.2.1"}) {
    flood.push_back(UdpFrame({.eth_dst = kGatewayMac,
                              .eth_src = MacOf("a"),
                              .src = Ip4Of("a"),
                              .dst = destination,
                              .hop_limit = 1}));
  }
  flood.push_back(IcmpFrame({.eth_dst = GroupMac("ff02::2"),
                             .eth_src = MacOf("a"),
                             .src = LinkLocalOf("a"),
                             .dst = "ff02::2",
                             .type = 133,
                             .body = std::string(4, '\0')}));
  // More than the bridge lets through for all of its ports together, in the order in which they are sent.
  const uint64_t before = packets_->counters().received;
  for (int i = 0; i < 1000; ++i) {
    for (const std::string& frame : flood) pod("a").Send(frame);
  }
  // One question, and not asked twice.
  const auto answer = AwaitAnswer("b", Dhcp("b", 1), IsDhcpAnswer);
  EXPECT_TRUE(answer.ok()) << answer.status();
  const uint64_t handed_over = packets_->counters().received - before;
  EXPECT_GT(handed_over, 50u);
  EXPECT_LT(handed_over, 2500u) << "of 5,000";
  EXPECT_GT(slow_path_->counters().answers.limited, 0u);
}

TEST_F(SlowPathPacketTest, NobodyElseHearsTheClientOrTheAnswer) {
  const std::string discover = Dhcp("a", 1);
  const auto answer = AwaitAnswer("a", discover, IsDhcpAnswer);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->substr(0, 6), Mac(MacOf("a")).ToBytes());
  for (const char* other : {"b", "c", "x"}) {
    for (const std::string& frame : Arrived("a", other)) {
      // Answers that c has asked for may still come.
      EXPECT_FALSE(frame == *answer || frame == discover) << other;
    }
  }
}

TEST_F(SlowPathPacketTest, AServerInAPodIsHeardByNobody) {
  const std::string discover = Dhcp("a", 1);
  const auto offer = AwaitAnswer("a", discover, IsDhcpAnswer);
  ASSERT_TRUE(offer.ok()) << offer.status();
  std::string rogue = *offer;
  // The offer, as b would make it: with its own addresses.
  const std::string payload = rogue.substr(42);
  const std::string frame = UdpFrame({.eth_dst = MacOf("a"),
                                      .eth_src = MacOf("b"),
                                      .src = Ip4Of("b"),
                                      .dst = Ip4Of("a"),
                                      .src_port = 67,
                                      .dst_port = 68,
                                      .payload = payload});
  EXPECT_THAT(ReachedBy("b", frame), IsEmpty());
  const std::string to_all = UdpFrame({.eth_dst = kBroadcast,
                                       .eth_src = MacOf("b"),
                                       .src = Ip4Of("b"),
                                       .dst = "255.255.255.255",
                                       .src_port = 67,
                                       .dst_port = 68,
                                       .payload = payload});
  EXPECT_THAT(ReachedBy("b", to_all), IsEmpty());
}

std::string Advertisement(const std::string& mac, const std::string& source) {
  return IcmpFrame({.eth_dst = kAllNodesMac,
                    .eth_src = mac,
                    .src = source,
                    .dst = kAllNodes,
                    .type = 134,
                    .body = std::string("\x40\x00\x07\x08\x00\x00\x00\x00\x00\x00\x00\x00", 12)});
}

TEST_F(SlowPathPacketTest, ARouterInAPodIsHeardByNobody) {
  EXPECT_THAT(ReachedBy("b", Advertisement(MacOf("b"), LinkLocalOf("b"))), IsEmpty());
  EXPECT_THAT(ReachedBy("b", Advertisement(MacOf("b"), kGatewayLinkLocal)), IsEmpty());
  EXPECT_THAT(ReachedBy("b", Advertisement(kGatewayMac, kGatewayLinkLocal)), IsEmpty());
}

TEST_F(SlowPathPacketTest, ASolicitationGoesToTheAgentAlone) {
  const std::string solicitation = IcmpFrame({.eth_dst = "33:33:00:00:00:02",
                                              .eth_src = MacOf("a"),
                                              .src = LinkLocalOf("a"),
                                              .dst = "ff02::2",
                                              .type = 133,
                                              .body = std::string(4, '\0') + LinkLayerOption(1, MacOf("a"))});
  EXPECT_THAT(ReachedBy("a", solicitation), IsEmpty());
  const auto answer = AwaitAnswer("a", solicitation, [&](const std::string& frame) {
    return IsIcmp6(frame, 134) && frame.substr(0, 6) == Mac(MacOf("a")).ToBytes();
  });
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_TRUE(Icmp6ChecksumIsRight(*answer));
  // In another one's name it goes nowhere.
  const uint64_t before = slow_path_->counters().answers.solicitations;
  std::string stolen = solicitation;
  stolen.replace(6, 6, Mac(MacOf("b")).ToBytes());
  EXPECT_THAT(ReachedBy("a", stolen), IsEmpty());
  EXPECT_EQ(slow_path_->counters().answers.solicitations, before);
}

TEST_F(SlowPathPacketTest, AHostTakesTheDefaultRouteFromTheAdvertisement) {
  // The link-local address, from which the host solicits, is there when this returns, and not only soon.
  ASSERT_TRUE(pod("a").netns().Run({"ip", "link", "set", "eth0", "addrgenmode", "none"}).ok());
  ASSERT_EQ(pod("a").UseKernel({LinkLocalOf("a") + "/64", Ip6Of("a") + "/64"}), absl::OkStatus());
  // Prints what the router says when it has said it.
  const auto said = pod("a").netns().Try({"rdisc6", "-1", "eth0"});
  ASSERT_TRUE(said.ok()) << said.status();
  EXPECT_EQ(said->exit_code, 0) << said->text;
  for (const char* part :
       {"Stateful address conf.    :           No", "Router lifetime           :         1800",
        "Prefix                   : 2001:db8::/64", "On-link                 :          Yes",
        "Autonomous address conf.:           No", "MTU                      :         1400",
        "Recursive DNS server     : 2001:db8::53", "DNS search list          : red.example",
        "from fe80::58:50ff:fe00:1"}) {
    EXPECT_THAT(said->text, HasSubstr(part));
  }
  const auto routes = pod("a").netns().Run({"ip", "-6", "route", "show", "default"});
  ASSERT_TRUE(routes.ok()) << routes.status();
  EXPECT_THAT(*routes, HasSubstr(absl::StrCat("via ", kGatewayLinkLocal)));
  const auto addresses =
      pod("a").netns().Run({"ip", "-6", "-o", "address", "show", "dev", "eth0", "scope", "global"});
  ASSERT_TRUE(addresses.ok()) << addresses.status();
  // No address of its own making.
  EXPECT_EQ(absl::StrSplit(*addresses, '\n', absl::SkipEmpty()).operator std::vector<std::string>().size(),
            1u)
      << *addresses;
}

class RouterErrorTest : public SlowPathPacketTest {
 protected:
  // What an error may have in all (RFC 1812, 4.3.2.3; RFC 4443, 2.4 c).
  static constexpr size_t kMostIpv4 = 576;
  static constexpr size_t kMostIpv6 = 1280;

  // The error that comes back for a datagram from a to `dst`, checked in all that does not depend on which.
  void ExpectError(const Udp& udp, uint8_t hop_limit, const std::string& head,
                   const std::string& rest = std::string(4, '\0')) {
    std::string datagram = UdpFrame(udp);
    const bool v4 = Ip(udp.src).is_v4();
    if (v4) {
      // Don't fragment.
      datagram[20] = '\x40';
      datagram[22] = static_cast<char>(hop_limit);
      datagram.replace(24, 2, std::string(2, '\0'));
      datagram.replace(
          24, 2, slowpath::WireWriter().U16(slowpath::InternetChecksum(datagram.substr(14, 20))).bytes());
    } else {
      datagram[21] = static_cast<char>(hop_limit);
    }
    const auto error = AwaitAnswer("a", datagram, [&](const std::string& frame) {
      return frame.size() > 62 && frame.substr(6, 6) == Mac(kGatewayMac).ToBytes() &&
             absl::StrContains(frame, datagram.substr(v4 ? 14 + 20 : 14 + 40, 8));
    });
    ASSERT_TRUE(error.ok()) << error.status();
    slowpath::Ethernet ethernet;
    ASSERT_TRUE(slowpath::Parse(*error, &ethernet));
    EXPECT_EQ(ethernet.dst, Mac(MacOf("a")));
    if (v4) {
      slowpath::Ipv4 ip;
      ASSERT_TRUE(slowpath::Parse(ethernet.payload, &ip));
      EXPECT_EQ(ip.src, Ip(kGateway4));
      EXPECT_EQ(ip.dst, Ip(udp.src));
      EXPECT_EQ(slowpath::InternetChecksum(ip.payload), 0);
      EXPECT_EQ(ip.payload.substr(0, 2), head);
      EXPECT_EQ(ip.payload.substr(4, 4), rest);
      EXPECT_EQ(ip.payload.substr(8), datagram.substr(14, kMostIpv4 - 28));
    } else {
      slowpath::Ipv6 ip;
      ASSERT_TRUE(slowpath::Parse(ethernet.payload, &ip));
      EXPECT_EQ(ip.src, Ip(kGateway6));
      EXPECT_TRUE(Icmp6ChecksumIsRight(*error));
      EXPECT_EQ(ip.payload.substr(0, 2), head);
      EXPECT_EQ(ip.payload.substr(4, 4), rest);
      EXPECT_EQ(ip.payload.substr(8), datagram.substr(14, kMostIpv6 - 48));
    }
  }
  Udp To(const std::string& dst) {
    return {.eth_dst = kGatewayMac,
            .eth_src = MacOf("a"),
            .src = Ip(dst).is_v4() ? Ip4Of("a") : Ip6Of("a"),
            .dst = dst,
            .payload = "what comes back"};
  }
};

TEST_F(RouterErrorTest, SaysThatTheTimeIsExceeded) {
  ExpectError(To(Ip4Of("b")), 1, std::string("\x0b\x00", 2));
  ExpectError(To(Ip6Of("b")), 1, std::string("\x03\x00", 2));
}

TEST_F(RouterErrorTest, SaysThatThereIsNoRoute) {
  ExpectError(To("192.0.2.1"), 64, std::string("\x03\x00", 2));
  ExpectError(To("2001:db8:ffff::1"), 64, std::string("\x01\x00", 2));
}

TEST_F(RouterErrorTest, SaysThatThereIsNoSuchHost) {
  ExpectError(To("10.0.0.77"), 64, std::string("\x03\x01", 2));
  ExpectError(To("2001:db8::77"), 64, std::string("\x01\x03", 2));
}

TEST_F(RouterErrorTest, SaysWhatTheNextNetworkTakes) {
  AddBridge(&model_, "green", 0x33, {"10.9.0.0/24", "2001:db8:9::/64"}).mtu = 1300;
  model_.svis["green"] = {.id = "green",
                          .vrf = "v",
                          .logical_bridge = "green",
                          .mac = Mac(kGatewayMac),
                          .gateways = {InterfaceAddress::Parse("10.9.0.254/24").value(),
                                       InterfaceAddress::Parse("2001:db8:9::fe/64").value()}};
  BridgePort& z = model_.ports["rep-z"];
  z.logical_bridges = {"green"};
  z.bound = true;
  z.addresses = {InterfaceAddress::Parse("10.9.0.9/24").value(),
                 InterfaceAddress::Parse("2001:db8:9::9/64").value()};
  ASSERT_NO_FATAL_FAILURE(Realize());
  Udp four = To("10.9.0.9");
  four.payload = std::string(1300, 'x');
  ExpectError(four, 64, std::string("\x03\x04", 2), std::string("\x00\x00\x05\x14", 4));
  Udp six = To("2001:db8:9::9");
  six.payload = std::string(1300, 'x');
  ExpectError(six, 64, std::string("\x02\x00", 2), std::string("\x00\x00\x05\x14", 4));
}

TEST_F(SlowPathPacketTest, AFloodStandsInTheWayOfNobody) {
  const uint64_t before = slow_path_->counters().answers.dhcp_answers;
  for (int i = 0; i < 5000; ++i) pod("a").Send(Dhcp("a", 1));
  // While it is being worked off the flows change, packets of others pass, and another client is answered.
  model_.ports["rep-c"].addresses.pop_back();
  ASSERT_NO_FATAL_FAILURE(Realize());
  EXPECT_THAT(ReachedBy("b", Datagram("b", "c")), ElementsAre("c"));
  // What finds the meter empty is dropped, and clients ask again.
  bool answered = false;
  for (int i = 0; i < 1000 && !answered; ++i) {
    pod("b").Send(Dhcp("b", 1));
    for (const std::string& frame : Arrived("c", "b")) answered |= IsDhcpAnswer(frame);
  }
  EXPECT_TRUE(answered);
  // Of the flood a port's share is answered, not one in ten.
  EXPECT_LT(slow_path_->counters().answers.dhcp_answers - before, 500u);
}

TEST_F(SlowPathPacketTest, WhereTheAgentIsAwayNothingIsAnsweredAndNothingElseChanges) {
  packets_.reset();
  const std::string discover = Dhcp("a", 1);
  pod("a").Send(discover);
  EXPECT_THAT(ReachedBy("a", Datagram("a", "b")), ElementsAre("b"));
  for (const std::string& frame : Arrived("b", "a")) EXPECT_FALSE(IsDhcpAnswer(frame));
}

}  // namespace
}  // namespace xpu::testing
