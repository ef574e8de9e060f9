// What the agent says to packets follows from what it was asked for, also after a restart.

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/component/agent/agent_testing.h"
#include "xpu-agent/plan/packet_opcode.h"
#include "xpu-agent/slowpath/testing.h"

namespace xpu {
namespace {

using slowpath::DhcpMessage;
using testing::AgentOnFakes;

// What a port of the agent's first network is offered.
slowpath::DhcpAnswer OfferTo(AgentOnFakes& agent, int mac) {
  DhcpMessage message{.mac = MacAddress::FromBytes(TestMac(mac)).value().ToString(),
                      .options = {{53, "\x01"}}};
  agent.packets().Deliver({.in_port = 1,
                           .metadata = 1,
                           .regs = {1, static_cast<uint32_t>(pipeline::PacketOpcode::kDhcp)},
                           .bytes = message.Frame()});
  const std::vector<PacketOut> sent = agent.packets().TakeSent(1);
  return sent.empty() ? slowpath::DhcpAnswer() : slowpath::ReadDhcpAnswer(sent[0].bytes);
}

TEST(AgentSlowPath, OffersTheAddressThatAPortWasBoundTo) {
  AgentOnFakes agent;
  MakeNetwork(agent.client(), "red", 10, {"10.0.0.0/24"});
  agent::v1::Subnets subnets;
  subnets.set_logical_bridge("logicalBridges/red");
  subnets.add_prefixes("10.0.0.0/24");
  subnets.set_mtu(1400);
  subnets.mutable_dns()->add_servers("10.0.0.53");
  subnets.mutable_dns()->set_domain("red.example");
  subnets.mutable_dns()->add_search("example");
  subnets.set_lease_time(600);
  const auto set = agent.client().SetSubnets(subnets);
  ASSERT_EQ(set.status(), absl::OkStatus());
  EXPECT_THAT(set->dns().servers(), ::testing::ElementsAre("10.0.0.53"));
  EXPECT_EQ(set->dns().domain(), "red.example");
  EXPECT_THAT(set->dns().search(), ::testing::ElementsAre("example"));
  EXPECT_EQ(set->lease_time(), 600u);
  ASSERT_EQ(agent.client().BindPort(BindOf("host0-1", "red", 1, 1, {"10.0.0.7"})).status(), absl::OkStatus());

  for (const bool restarted : {false, true}) {
    if (restarted) {
      agent.Stop();
      agent.Start();
    }
    const slowpath::DhcpAnswer offer = OfferTo(agent, 1);
    ASSERT_TRUE(offer.ok) << restarted;
    EXPECT_EQ(offer.yiaddr.ToString(), "10.0.0.7");
    EXPECT_EQ(offer.options.at(6), slowpath::Ip("10.0.0.53").ToBytes());
    EXPECT_EQ(offer.options.at(15), "red.example");
    EXPECT_EQ(slowpath::ToHex(offer.options.at(26)), "0578");
    EXPECT_EQ(slowpath::ToHex(offer.options.at(51)), "00000258");
  }
  agent.AwaitConnected();
  ASSERT_EQ(agent.client().UnbindPort(UnbindOf("host0-1", 1, false)), absl::OkStatus());
  ASSERT_EQ(agent.client().BindPort(BindOf("host0-2", "red", 2, 1, {"10.0.0.8"})).status(), absl::OkStatus());
  // Of the two that ask now only one is answered.
  DhcpMessage gone{.mac = MacAddress::FromBytes(TestMac(1)).value().ToString(), .options = {{53, "\x01"}}};
  agent.packets().Deliver({.in_port = 1,
                           .metadata = 1,
                           .regs = {1, static_cast<uint32_t>(pipeline::PacketOpcode::kDhcp)},
                           .bytes = gone.Frame()});
  EXPECT_EQ(OfferTo(agent, 2).yiaddr.ToString(), "10.0.0.8");
}

}  // namespace
}  // namespace xpu
