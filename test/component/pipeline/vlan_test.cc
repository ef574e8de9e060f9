// Networks of a VLAN, which have no prefixes: what passes is what the ports were bound with.
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "test/component/pipeline/lab.h"
#include "xpu-agent/core/port_changes.h"

namespace xpu::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kAddress[] = "10.0.0.77";
constexpr char kAddress6[] = "2001:db8::77";

// a, b and c are in VLAN 100, x and y with the same addresses in VLAN 101. z is in none at first.
class VlanNetworkTest : public PipelineTest {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(PipelineTest::SetUp());
    state_.model = model_;
    for (const char* name : {"a", "b", "c", "x", "y"}) {
      state_.model.ports.erase(std::string("rep-") + name);
      Bind(name, name[0] < 'x' ? 100 : 101, {Ip4Of(name) + "/24", Ip6Of(name) + "/64"});
    }
    Apply();
  }

  // As a request of the host does.
  void Bind(const std::string& name, uint16_t vlan, const std::vector<std::string>& addresses) {
    BindSpec spec{.port = "rep-" + name, .mac = Mac(MacOf(name)), .claim = 1, .vlan = vlan};
    for (const std::string& address : addresses) {
      spec.vlan_addresses.push_back(InterfaceAddress::Parse(address).value());
    }
    EXPECT_EQ(BindPort(state_, spec, [](const std::string&) { return absl::OkStatus(); }), absl::OkStatus());
    model_ = state_.model;
  }

  Udp Udp4(const std::string& from, const std::string& to) {
    return {
        .eth_dst = MacOf(to), .eth_src = MacOf(from), .src = Ip4Of(from), .dst = Ip4Of(to), .payload = "v4"};
  }
  Udp Udp6(const std::string& from, const std::string& to) {
    return {
        .eth_dst = MacOf(to), .eth_src = MacOf(from), .src = Ip6Of(from), .dst = Ip6Of(to), .payload = "v6"};
  }
  // What a DHCP client without an address sends.
  Udp DhcpDiscover(const std::string& from) {
    return {.eth_dst = kBroadcast,
            .eth_src = MacOf(from),
            .src = "0.0.0.0",
            .dst = "255.255.255.255",
            .src_port = 68,
            .dst_port = 67,
            .payload = "discover"};
  }
  // Asks whether somebody has the address (RFC 5227).
  Arp Probe(const std::string& from, const std::string& address) {
    return {.eth_src = MacOf(from), .sha = MacOf(from), .spa = "0.0.0.0", .tpa = address};
  }
  // What the switch says in the name of `owner` to a request of `asker`.
  std::string Answer(const std::string& owner, const Arp& request) {
    return ArpFrame({.eth_dst = request.eth_src,
                     .eth_src = MacOf(owner),
                     .op = 2,
                     .sha = MacOf(owner),
                     .spa = request.tpa,
                     .tha = request.sha,
                     .tpa = request.spa});
  }
  void Ping(const std::string& from, const std::string& address) {
    const absl::StatusOr<bool> reached = pod(from).netns().Reaches(address);
    ASSERT_TRUE(reached.ok()) << reached.status();
    EXPECT_TRUE(*reached) << from << " to " << address;
  }

  AgentState state_;
};

TEST_F(VlanNetworkTest, PodsOfOneVlanReachEachOther) {
  for (const char* name : {"a", "b", "x", "y"}) {
    ASSERT_EQ(pod(name).UseKernel({Ip4Of(name) + "/24", Ip6Of(name) + "/64"}), absl::OkStatus());
  }
  Ping("a", Ip4Of("b"));
  Ping("b", Ip6Of("a"));
  Ping("a", LinkLocalOf("b") + "%eth0");
  // The same addresses in the other VLAN are other pods.
  Ping("x", Ip4Of("y"));
  Ping("y", Ip6Of("x"));
}

TEST_F(VlanNetworkTest, NothingPassesBetweenVlans) {
  // To the MACs and addresses of pods in the other one, with the sender's own.
  EXPECT_THAT(ReachedBy("x", UdpFrame(Udp4("x", "b"))), IsEmpty());
  EXPECT_THAT(ReachedBy("x", UdpFrame(Udp6("x", "b"))), IsEmpty());
  EXPECT_THAT(ReachedBy("a", UdpFrame(Udp4("a", "y"))), IsEmpty());
  // To all.
  Udp all = Udp4("x", "y");
  all.eth_dst = kBroadcast;
  EXPECT_THAT(ReachedBy("x", UdpFrame(all)), ElementsAre("y"));
  all = Udp6("a", "b");
  all.eth_dst = kAllNodesMac;
  all.dst = kAllNodes;
  EXPECT_THAT(ReachedBy("a", UdpFrame(all)), ElementsAre("b", "c"));
  // An address that only the other one knows is not resolved: c's is the third, and y the second of two.
  const Arp request{.eth_src = MacOf("x"), .sha = MacOf("x"), .spa = Ip4Of("x"), .tpa = Ip4Of("c")};
  EXPECT_THAT(ReachedBy("x", ArpFrame(request)), IsEmpty());
  pod("x").Send(ArpFrame(request));
  EXPECT_THAT(Arrived("x", "x"), IsEmpty());
}

// As OpenShift's dpu-operator puts ports into VLANs: of such a port only the MAC is known.
TEST_F(VlanNetworkTest, APortThatIsNotBoundUsesAnyAddressInItsVlanButThoseOfOthers) {
  state_.model.ports.erase("rep-z");
  ASSERT_EQ(CreatePort(state_, "rep-z", {.mac = Mac(MacOf("z")), .vlan = 100}, 0,
                       [](const std::string&) { return absl::OkStatus(); }),
            absl::OkStatus());
  model_ = state_.model;
  Apply();
  Udp udp = Udp4("z", "a");
  for (const char* source : {kAddress, "192.0.2.1"}) {
    udp.src = source;
    EXPECT_THAT(ReachedBy("z", UdpFrame(udp)), ElementsAre("a")) << source;
  }
  for (const char* bound_to : {"a", "b"}) {
    udp.src = Ip4Of(bound_to);
    EXPECT_THAT(ReachedBy("z", UdpFrame(udp)), IsEmpty()) << bound_to;
  }
  udp = Udp4("z", "x");
  udp.src = kAddress;
  EXPECT_THAT(ReachedBy("z", UdpFrame(udp)), IsEmpty()) << "x is in another VLAN";
  ASSERT_EQ(pod("a").UseKernel({Ip4Of("a") + "/24", Ip6Of("a") + "/64"}), absl::OkStatus());
  ASSERT_EQ(pod("z").UseKernel({absl::StrCat(kAddress, "/24"), absl::StrCat(kAddress6, "/64")}),
            absl::OkStatus());
  Ping("a", kAddress);
  Ping("z", Ip6Of("a"));
}

TEST_F(VlanNetworkTest, ATagOfThePodsOwnDoesNotPass) {
  const std::string frame = UdpFrame(Udp4("a", "b"));
  EXPECT_THAT(ReachedBy("a", frame), ElementsAre("b"));
  for (const uint16_t vlan : {0, 100, 101}) {
    EXPECT_THAT(ReachedBy("a", Tagged(frame, vlan)), IsEmpty()) << vlan;
  }
}

TEST_F(VlanNetworkTest, DropsASpoofedMac) {
  Udp udp = Udp4("a", "b");
  EXPECT_THAT(ReachedBy("a", UdpFrame(udp)), ElementsAre("b"));
  for (const std::string& mac : {MacOf("c"), MacOf("x"), std::string("02:00:00:00:00:99")}) {
    udp.eth_src = mac;
    EXPECT_THAT(ReachedBy("a", UdpFrame(udp)), IsEmpty()) << mac;
  }
}

TEST_F(VlanNetworkTest, DropsASpoofedSource) {
  // Another's, nobody's, of another prefix, and none.
  Udp udp = Udp4("a", "b");
  EXPECT_THAT(ReachedBy("a", UdpFrame(udp)), ElementsAre("b"));
  for (const char* source : {"10.0.0.3", "10.0.0.9", "192.0.2.1", "0.0.0.0"}) {
    udp.src = source;
    EXPECT_THAT(ReachedBy("a", UdpFrame(udp)), IsEmpty()) << source;
  }
  udp = Udp6("a", "b");
  EXPECT_THAT(ReachedBy("a", UdpFrame(udp)), ElementsAre("b"));
  for (const char* source : {"2001:db8::3", "2001:db8::9", "fe80::1", "::"}) {
    udp.src = source;
    EXPECT_THAT(ReachedBy("a", UdpFrame(udp)), IsEmpty()) << source;
  }
  Arp announcement{.eth_src = MacOf("a"), .sha = MacOf("a"), .spa = Ip4Of("a"), .tpa = Ip4Of("a")};
  EXPECT_THAT(ReachedBy("a", ArpFrame(announcement)), ElementsAre("b", "c"));
  announcement.spa = announcement.tpa = Ip4Of("c");
  EXPECT_THAT(ReachedBy("a", ArpFrame(announcement)), IsEmpty());
}

TEST_F(VlanNetworkTest, APortThatHasItsAddressesAsksForNone) {
  EXPECT_THAT(ReachedBy("a", UdpFrame(DhcpDiscover("a"))), IsEmpty());
}

TEST_F(VlanNetworkTest, WithoutAddressesAPortMayAskForOne) {
  Bind("z", 100, {});
  Apply();
  const Udp discover = DhcpDiscover("z");
  EXPECT_THAT(ReachedBy("z", UdpFrame(discover)), ElementsAre("a", "b", "c"));
  // Each of these differs in one thing.
  Udp other = discover;
  other.eth_src = MacOf("a");
  EXPECT_THAT(ReachedBy("z", UdpFrame(other)), IsEmpty());
  other = discover;
  other.src = kAddress;
  EXPECT_THAT(ReachedBy("z", UdpFrame(other)), IsEmpty());
  other = discover;
  other.dst = Ip4Of("a");
  EXPECT_THAT(ReachedBy("z", UdpFrame(other)), IsEmpty());
  other = discover;
  other.src_port = 4000;
  EXPECT_THAT(ReachedBy("z", UdpFrame(other)), IsEmpty());
  other = discover;
  other.dst_port = 4000;
  EXPECT_THAT(ReachedBy("z", UdpFrame(other)), IsEmpty());
  // Its link-local address, from which DHCPv6 goes, is that of its MAC.
  Udp link_local{.eth_dst = MacOf("b"),
                 .eth_src = MacOf("z"),
                 .src = LinkLocalOf("z"),
                 .dst = LinkLocalOf("b"),
                 .src_port = 546,
                 .dst_port = 547,
                 .payload = "solicit"};
  EXPECT_THAT(ReachedBy("z", UdpFrame(link_local)), ElementsAre("b"));
  link_local.src = LinkLocalOf("c");
  EXPECT_THAT(ReachedBy("z", UdpFrame(link_local)), IsEmpty());
  link_local.src = kAddress6;
  EXPECT_THAT(ReachedBy("z", UdpFrame(link_local)), IsEmpty());
}

TEST_F(VlanNetworkTest, WithoutAddressesAPortMayProbeButNotAnnounce) {
  Bind("z", 100, {});
  Apply();
  // The switch answers for the owner.
  const Arp probe = Probe("z", Ip4Of("b"));
  pod("z").Send(ArpFrame(probe));
  const auto answer =
      pod("z").ReceiveFirst([&](const std::string& frame) { return frame == Answer("b", probe); });
  EXPECT_TRUE(answer.ok()) << answer.status();
  // One to a single pod passes as any frame does.
  Arp direct = Probe("z", kAddress);
  direct.eth_dst = MacOf("b");
  EXPECT_THAT(ReachedBy("z", ArpFrame(direct)), ElementsAre("b"));
  Arp other = direct;
  other.spa = kAddress;
  EXPECT_THAT(ReachedBy("z", ArpFrame(other)), IsEmpty());
  other = direct;
  other.op = 2;
  EXPECT_THAT(ReachedBy("z", ArpFrame(other)), IsEmpty());
  other = direct;
  other.sha = MacOf("c");
  EXPECT_THAT(ReachedBy("z", ArpFrame(other)), IsEmpty());
}

TEST_F(VlanNetworkTest, TheAddressOfASecondBindWorks) {
  Bind("z", 100, {});
  Apply();
  Udp from_z{
      .eth_dst = MacOf("b"), .eth_src = MacOf("z"), .src = kAddress, .dst = Ip4Of("b"), .payload = "4"};
  Udp from_z6{
      .eth_dst = MacOf("b"), .eth_src = MacOf("z"), .src = kAddress6, .dst = Ip6Of("b"), .payload = "6"};
  EXPECT_THAT(ReachedBy("z", UdpFrame(from_z)), IsEmpty());
  EXPECT_THAT(ReachedBy("z", UdpFrame(from_z6)), IsEmpty());

  Bind("z", 100, {std::string(kAddress) + "/24", std::string(kAddress6) + "/64"});
  Apply();
  EXPECT_THAT(ReachedBy("z", UdpFrame(from_z)), ElementsAre("b"));
  EXPECT_THAT(ReachedBy("z", UdpFrame(from_z6)), ElementsAre("b"));
  EXPECT_THAT(ReachedBy("z", UdpFrame(DhcpDiscover("z"))), IsEmpty()) << "it has what it asked for";
  from_z.src = "10.0.0.78";
  EXPECT_THAT(ReachedBy("z", UdpFrame(from_z)), IsEmpty());
  for (const char* name : {"b", "z"}) {
    const std::string ip4 = name[0] == 'z' ? kAddress : Ip4Of(name);
    const std::string ip6 = name[0] == 'z' ? kAddress6 : Ip6Of(name);
    ASSERT_EQ(pod(name).UseKernel({ip4 + "/24", ip6 + "/64"}), absl::OkStatus());
  }
  Ping("b", kAddress);
  Ping("z", Ip4Of("b"));
  Ping("b", kAddress6);
  Ping("z", Ip6Of("b"));
}

}  // namespace
}  // namespace xpu::testing
