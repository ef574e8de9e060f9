// The whole agent on a real Open vSwitch, with pods that ping each other: SQLite, netlink and OpenFlow are
// real, only the sysfs tree is made by the test.

#include "test/component/agent/agent_on_ovs.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "common/opi/port_news.h"
#include "common/sys/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/component/agent/agent_testing.h"
#include "test/lib/ovs/test_ovs.h"

namespace xpu {
namespace {

using testing::TestNetns;
using testing::TestOvs;

class AgentOnOvs : public ::testing::Test {
 protected:
  AgentOnOvs() : folder_(TemporaryDirectory::Make().value()), ovs_(TestOvs::Start().value()) {
    std::filesystem::create_directories(folder_.path() + "/sys/class/net");
    for (int vf = 0; vf < 3; ++vf) pods_.push_back(MakeFunction(vf));
    Restart();
  }

  std::unique_ptr<TestNetns> MakeFunction(int vf) {
    auto pod = TestNetns::Create().value();
    const std::string name = absl::StrCat("pf0vf", vf);
    // As with a kernel, which has it in sysfs when it tells of it.
    std::filesystem::create_directories(absl::StrCat(folder_.path(), "/sys/class/net/", name));
    std::ofstream(absl::StrCat(folder_.path(), "/sys/class/net/", name, "/phys_port_name")) << name << "\n";
    // Not up: that is for the agent to do.
    const std::vector<std::string> add = {"ip",   "link", "add",  name,    "type",     "veth",
                                          "peer", "name", "eth0", "netns", pod->path()};
    EXPECT_EQ(ovs_->netns().Run(add).status(), absl::OkStatus());
    EXPECT_EQ(pod->Run({"ip", "link", "set", "eth0", "up"}).status(), absl::OkStatus());
    return pod;
  }
  void Restart() {
    agent_.reset();
    agent_ = std::make_unique<AgentProcess>(*ovs_, folder_.path());
  }
  OpiClient& opi() { return agent_->opi(); }

  // Binds the function and gives its pod what the agent says, as a host agent would.
  void Attach(int vf, const std::string& bridge, const std::string& v4) {
    auto bound = opi().BindPort(BindOf(absl::StrCat("host0-", vf), bridge, vf + 1, 1, {v4}));
    ASSERT_EQ(bound.status(), absl::OkStatus());
    const TestNetns& pod = *pods_[static_cast<size_t>(vf)];
    auto run = [&](std::vector<std::string> argv) { ASSERT_EQ(pod.Run(argv).status(), absl::OkStatus()); };
    run({"ip", "link", "set", "eth0", "address", MacAddress::FromBytes(bound->mac_address())->ToString()});
    run({"ip", "link", "set", "eth0", "up"});
    for (const std::string& address : bound->addresses()) {
      std::vector<std::string> add = {"ip", "addr", "add", address, "dev", "eth0"};
      if (address.find(':') != std::string::npos) add.push_back("nodad");
      run(add);
    }
    addresses_[vf] = {bound->addresses().begin(), bound->addresses().end()};
  }
  // Whether every address of one pod answers the other, for those that should.
  bool Reaches(int from, int to) {
    for (const std::string& address : addresses_[to]) {
      const auto reached = pods_[static_cast<size_t>(from)]->Reaches(address.substr(0, address.find('/')));
      EXPECT_EQ(reached.status(), absl::OkStatus());
      if (!reached.value_or(false)) return false;
    }
    return true;
  }
  // Whether one answers at all, for those that should not: nobody waits for them.
  bool Answers(int from, const std::string& address) {
    const auto ping = pods_[static_cast<size_t>(from)]->Try({"ping", "-c", "1", "-W", "1", address});
    EXPECT_EQ(ping.status(), absl::OkStatus());
    return ping.ok() && ping->exit_code == 0;
  }

  TemporaryDirectory folder_;
  std::unique_ptr<TestOvs> ovs_;
  std::vector<std::unique_ptr<TestNetns>> pods_;
  std::map<int, std::vector<std::string>> addresses_;
  std::unique_ptr<AgentProcess> agent_;
};

TEST_F(AgentOnOvs, PodsOfOneNetworkReachEachOtherAndNobodyElse) {
  MakeNetwork(opi(), "blue", 10);
  MakeNetwork(opi(), "red", 11);
  Attach(0, "blue", "10.0.0.2");
  Attach(1, "blue", "10.0.0.3");
  // The same prefix, the same address as the first.
  Attach(2, "red", "10.0.0.2");
  EXPECT_TRUE(Reaches(0, 1));
  EXPECT_TRUE(Reaches(1, 0));
  EXPECT_FALSE(Answers(2, "10.0.0.3"));
  // The DPU's own kernel has no part in it.
  auto disabled = ovs_->netns().Run({"cat", "/proc/sys/net/ipv6/conf/pf0vf0/disable_ipv6"});
  EXPECT_EQ(disabled.value_or("?"), "1\n");
}

TEST_F(AgentOnOvs, LargePacketsOfALargeMtuPass) {
  MakeNetwork(opi(), "blue", 10);
  agent::v1::Subnets subnets;
  subnets.set_logical_bridge("logicalBridges/blue");
  subnets.add_prefixes("10.0.0.0/24");
  subnets.set_mtu(9000);
  ASSERT_EQ(opi().SetSubnets(subnets).status(), absl::OkStatus());
  for (int vf : {0, 1}) {
    Attach(vf, "blue", absl::StrCat("10.0.0.", vf + 2));
    ASSERT_EQ(pods_[static_cast<size_t>(vf)]->Run({"ip", "link", "set", "eth0", "mtu", "9000"}).status(),
              absl::OkStatus());
  }
  EXPECT_TRUE(pods_[0]->Reaches("10.0.0.3", {"-M", "do", "-s", "8900"}).value());
}

TEST_F(AgentOnOvs, ARestartSendsNoFlowModAndPodsKeepTheirConnection) {
  MakeNetwork(opi(), "blue", 10);
  Attach(0, "blue", "10.0.0.2");
  Attach(1, "blue", "10.0.0.3");
  MakeDomain(opi(), "blue");
  const evpn::Svi svi = opi().GetSvi("svis/blue").value();
  EXPECT_EQ(svi.status().oper_status(), evpn::SVI_OPER_STATUS_UP);
  auto flows = ovs_->DumpFlows("br-xpu");
  Restart();
  // Answered after the first realisation.
  EXPECT_EQ(opi().BindPort(BindOf("host0-0", "blue", 1, 1)).status(), absl::OkStatus());
  EXPECT_TRUE(Reaches(0, 1));
  EXPECT_EQ(opi().GetSvi("svis/blue")->SerializeAsString(), svi.SerializeAsString());
  EXPECT_EQ(agent_->End(), 0u);
  EXPECT_EQ(ovs_->DumpFlows("br-xpu").value(), flows.value());
}

TEST_F(AgentOnOvs, UnboundPortsAreCutOffAndOfReleasedOnesOnlyTheRepresentorStays) {
  MakeNetwork(opi(), "blue", 10);
  auto empty = ovs_->DumpFlows("br-xpu");
  Attach(0, "blue", "10.0.0.2");
  Attach(1, "blue", "10.0.0.3");
  ASSERT_TRUE(Reaches(0, 1));
  ASSERT_EQ(opi().UnbindPort(UnbindOf("host0-1", 1, false)), absl::OkStatus());
  ASSERT_EQ(ovs_->AwaitRevalidation(), absl::OkStatus());
  EXPECT_FALSE(Answers(0, "10.0.0.3"));
  for (const char* port : {"host0-0", "host0-1"}) {
    ASSERT_EQ(opi().UnbindPort(UnbindOf(port, 1, true)), absl::OkStatus());
  }
  EXPECT_EQ(ovs_->DumpFlows("br-xpu").value(), empty.value());
  EXPECT_EQ(ovs_->Vsctl({"list-ports", "br-xpu"}).value(), "pf0vf0\npf0vf1\npf0vf2\n");
}

TEST_F(AgentOnOvs, RepresentorsComeBackToTheSwitchAndWhatIsOthersStays) {
  MakeNetwork(opi(), "blue", 10);
  ASSERT_EQ(
      ovs_->netns().Run({"ip", "link", "add", "uplink", "type", "veth", "peer", "name", "wire"}).status(),
      absl::OkStatus());
  ASSERT_EQ(ovs_->Vsctl({"add-port", "br-xpu", "uplink"}).status(), absl::OkStatus());
  PortNews news;
  opi().WatchPorts(news.Observer());
  ASSERT_TRUE(news.AwaitPort("host0-1", true));
  ASSERT_EQ(ovs_->Vsctl({"del-port", "br-xpu", "pf0vf1"}).status(), absl::OkStatus());
  Attach(0, "blue", "10.0.0.2");
  Attach(1, "blue", "10.0.0.3");
  EXPECT_TRUE(Reaches(0, 1));
  // Its interface gone, the function is not healthy; the switch has given it up and has it again later.
  ASSERT_EQ(ovs_->netns().Run({"ip", "link", "delete", "pf0vf2"}).status(), absl::OkStatus());
  std::filesystem::remove_all(folder_.path() + "/sys/class/net/pf0vf2");
  EXPECT_TRUE(news.AwaitPort("host0-2", false));
  pods_[2] = MakeFunction(2);
  EXPECT_TRUE(news.AwaitPort("host0-2", true));
  opi().WatchPorts(nullptr);
  // What came under the old name is open: packets pass.
  Attach(2, "blue", "10.0.0.4");
  EXPECT_TRUE(Reaches(0, 2));
  EXPECT_EQ(ovs_->Vsctl({"list-ports", "br-xpu"}).value(), "pf0vf0\npf0vf1\npf0vf2\nuplink\n");
}

TEST_F(AgentOnOvs, ARepresentorThatIsSetDownByHandIsLeftSoAndTold) {
  MakeNetwork(opi(), "blue", 10);
  Attach(0, "blue", "10.0.0.2");
  Attach(1, "blue", "10.0.0.3");
  PortNews news;
  opi().WatchPorts(news.Observer());
  ASSERT_TRUE(news.AwaitPort("host0-1", true));
  ASSERT_EQ(ovs_->netns().Run({"ip", "link", "set", "pf0vf1", "down"}).status(), absl::OkStatus());
  ASSERT_TRUE(news.AwaitPort("host0-1", false));
  EXPECT_FALSE(Answers(0, "10.0.0.3"));
  // What else happens on the card does not bring it up.
  pods_.push_back(MakeFunction(3));
  ASSERT_TRUE(news.AwaitPort("host0-3", true));
  ASSERT_TRUE(news.AwaitPort("host0-1", false));
  ASSERT_EQ(ovs_->netns().Run({"ip", "link", "set", "pf0vf1", "up"}).status(), absl::OkStatus());
  ASSERT_TRUE(news.AwaitPort("host0-1", true));
  opi().WatchPorts(nullptr);
  EXPECT_TRUE(Reaches(0, 1));
}

TEST_F(AgentOnOvs, AKilledSwitchIsFilledAgain) {
  MakeNetwork(opi(), "blue", 10);
  Attach(0, "blue", "10.0.0.2");
  Attach(1, "blue", "10.0.0.3");
  ovs_->KillVswitchd();
  ASSERT_EQ(ovs_->StartVswitchd(), absl::OkStatus());
  // Confirmed again means that all flows are there again.
  ASSERT_EQ(opi().BindPort(BindOf("host0-0", "blue", 1, 1)).status(), absl::OkStatus());
  EXPECT_TRUE(Reaches(0, 1));
}

TEST_F(AgentOnOvs, ADatabaseThatComesBackEmptyIsFilledAgain) {
  MakeNetwork(opi(), "blue", 10);
  Attach(0, "blue", "10.0.0.2");
  Attach(1, "blue", "10.0.0.3");
  PortNews news;
  opi().WatchPorts(news.Observer());
  ASSERT_TRUE(news.AwaitPort("host0-1", true));
  ovs_->KillOvsdbServer();
  ASSERT_TRUE(news.AwaitPort("host0-1", false));
  ASSERT_EQ(ovs_->EmptyDatabase(), absl::OkStatus());
  ASSERT_EQ(ovs_->StartOvsdbServer(), absl::OkStatus());
  ASSERT_TRUE(news.AwaitPort("host0-1", true));
  opi().WatchPorts(nullptr);
  EXPECT_EQ(opi().BindPort(BindOf("host0-0", "blue", 1, 1)).status(), absl::OkStatus());
  EXPECT_TRUE(Reaches(0, 1));
  EXPECT_EQ(ovs_->Vsctl({"list-ports", "br-xpu"}).value(), "pf0vf0\npf0vf1\npf0vf2\n");
}

TEST_F(AgentOnOvs, FlowsThatSomebodyRemovesOrReplacesAreBackWithinASecondAndOthersStay) {
  MakeNetwork(opi(), "blue", 10);
  Attach(0, "blue", "10.0.0.2");
  Attach(1, "blue", "10.0.0.3");
  ASSERT_TRUE(ovs_->Ofctl({"add-flow", "br-xpu", "cookie=0x1,table=99,priority=7,actions=drop"}).ok());
  const auto before = ovs_->DumpFlows("br-xpu").value();
  const std::vector<std::vector<std::string>> attacks = {
      {"del-flows", "br-xpu", "cookie=0x7870750000000000/0xffffffff00000000"},
      {"del-flows", "br-xpu", "table=0"},
      {"mod-flows", "br-xpu", "table=80,actions=drop"},
      // With the flows that use them.
      {"del-meters", "br-xpu"}};
  // It has talked before: an unanswered ARP request would be asked again after a second only.
  ASSERT_TRUE(Reaches(0, 1));
  for (const auto& attack : attacks) {
    ASSERT_TRUE(ovs_->Ofctl(attack).ok());
    // A pod that talks all the time is heard again within the second; only a busy machine takes more.
    bool back = false;
    for (int second = 0; second < 30 && !back; ++second) {
      const auto heard = pods_[0]->Try({"ping", "-i", "0.05", "-w", "1", "10.0.0.3"});
      ASSERT_TRUE(heard.ok());
      back = heard->exit_code == 0 && ovs_->DumpFlows("br-xpu").value() == before;
    }
    EXPECT_TRUE(back) << attack.back();
  }
}

TEST_F(AgentOnOvs, ARefusedFlowFailsItsPortAloneAndIsTakenOnceTheSwitchDoes) {
  MakeNetwork(opi(), "blue", 10);
  Attach(0, "blue", "10.0.0.2");
  Attach(1, "blue", "10.0.0.3");
  // The first table has room for what is there.
  const std::vector<std::string> flows = ovs_->DumpFlows("br-xpu").value();
  const auto in_first_table = std::count_if(flows.begin(), flows.end(), [](const std::string& flow) {
    return flow.find("table=") == std::string::npos;
  });
  ASSERT_GT(in_first_table, 1);
  ASSERT_TRUE(
      ovs_->Vsctl({"--", "--id=@full", "create", "Flow_Table", absl::StrCat("flow_limit=", in_first_table),
                   "overflow_policy=refuse", "--", "set", "bridge", "br-xpu", "flow_tables:0=@full"})
          .ok());
  const auto refused = opi().BindPort(BindOf("host0-2", "blue", 3, 1, {"10.0.0.4"}));
  EXPECT_FALSE(refused.ok());
  EXPECT_THAT(std::string(refused.status().message()), ::testing::HasSubstr("TABLE_FULL"));
  EXPECT_TRUE(Reaches(0, 1));
  ASSERT_TRUE(ovs_->Vsctl({"clear", "bridge", "br-xpu", "flow_tables"}).ok());
  Attach(2, "blue", "10.0.0.4");
  EXPECT_TRUE(Reaches(0, 2));
  EXPECT_TRUE(Reaches(1, 0));
}

TEST_F(AgentOnOvs, AFunctionThatComesLaterIsTakenUp) {
  MakeNetwork(opi(), "blue", 10);
  EXPECT_EQ(opi().CreateBridgePort("host0-3", PortSpecOf(4), 1)->status().oper_status(),
            evpn::BP_OPER_STATUS_DOWN);
  EXPECT_EQ(opi().BindPort(BindOf("host0-3", "blue", 4, 1)).status().code(), absl::StatusCode::kNotFound);
  Attach(0, "blue", "10.0.0.2");
  pods_.push_back(MakeFunction(3));
  Attach(3, "blue", "10.0.0.9");
  EXPECT_TRUE(Reaches(0, 3));
}

}  // namespace
}  // namespace xpu
