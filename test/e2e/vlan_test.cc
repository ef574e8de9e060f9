// Definitions as sriov-cni has them: a VLAN instead of a Network, and addresses by host-local.

#include <signal.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/lib/pair/probe.h"
#include "test/lib/pair/sandbox_fixture.h"

namespace xpu::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class VlanPodsTest : public SandboxTest {
 protected:
  VlanPodsTest() : SandboxTest({.name = "vlan", .vfs = 4}) {}
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(SandboxTest::SetUp());
    CountWhatIsThere();
  }

  // host-local keeps a book for each name of a network, so networks of different names give the same
  // addresses.
  nlohmann::json Definition(int vlan) const {
    using json = nlohmann::json;
    const auto range = [](const char* subnet, const char* start) {
      return json::array({json{{"subnet", subnet}, {"rangeStart", start}}});
    };
    return {{"cniVersion", "1.1.0"},
            {"name", absl::StrCat("vlan", vlan)},
            {"type", "xpu-cni"},
            {"vlan", vlan},
            {"ipam",
             {{"type", "host-local"},
              {"dataDir", books_},
              {"ranges", json::array({range("10.1.0.0/24", "10.1.0.100"),
                                      range("2001:db8:1::/64", "2001:db8:1::100")})}}}};
  }
  absl::StatusOr<Pod> Start(const std::string& name, int vlan) {
    return pair_->StartPod({.name = name, .definition = Definition(vlan)});
  }
  // What host-local has given in this VLAN.
  std::vector<std::string> Given(int vlan) const {
    std::vector<std::string> addresses;
    const std::string book = absl::StrCat(books_, "/vlan", vlan);
    if (!std::filesystem::exists(book)) return addresses;
    for (const auto& entry : std::filesystem::directory_iterator(book)) {
      const std::string file = entry.path().filename();
      if (file != "lock" && !absl::StartsWith(file, "last_reserved_ip")) addresses.push_back(file);
    }
    return addresses;
  }
  // A CNI command with `key` of the configuration beside what the pod was started with.
  CniOutcome Run(const std::string& command, Pod pod, const std::string& key, const nlohmann::json& value) {
    nlohmann::json config = nlohmann::json::parse(pod.config);
    config[key] = value;
    pod.config = config.dump();
    auto outcome = pair_->Cni(command, pod);
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    return outcome.value_or(CniOutcome{.exit_code = -1});
  }
  CniOutcome Check(const Pod& pod) { return Run("CHECK", pod, "prevResult", pod.result); }

  const std::string books_ = folder_.path() + "/books";
};

TEST_F(VlanPodsTest, PodsOfOneVlanReachEachOtherUnderAddressesOfHostLocal) {
  const auto a = Start("a", 100);
  const auto b = Start("b", 100);
  // Under the address that a has, too.
  const auto other = Start("other", 101);
  ASSERT_TRUE(a.ok()) << a.status();
  ASSERT_TRUE(b.ok()) << b.status();
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ(a->result["ips"][0]["address"], "10.1.0.100/24") << a->result;
  EXPECT_EQ(a->result["ips"][1]["address"], "2001:db8:1::100/64") << a->result;
  EXPECT_EQ(b->v4->ToString(), "10.1.0.101");
  EXPECT_EQ(other->v4->ToString(), "10.1.0.100");
  EXPECT_THAT(Given(100),
              UnorderedElementsAre("10.1.0.100", "10.1.0.101", "2001:db8:1::100", "2001:db8:1::101"));

  EXPECT_TRUE(*PingUntilAnswered(a->netns, *b->v4));
  EXPECT_TRUE(*PingUntilAnswered(b->netns, *a->v6));
  EXPECT_FALSE(*Ping(other->netns, *b->v4));
  // An address that host-local did not give does not help.
  const auto own = InterfaceAddress::Parse("10.1.0.200/24").value();
  ASSERT_TRUE(AddAddress(a->netns, own).ok());
  EXPECT_FALSE(*Ping(a->netns, *b->v4, own.address.ToString()));
  ASSERT_TRUE(RemoveAddress(a->netns, own).ok());

  for (const auto& pod : {a, b, other}) {
    EXPECT_TRUE(pair_->StopPod(*pod).ok()) << pod->name;
  }
  EXPECT_THAT(Given(100), IsEmpty());
  EXPECT_THAT(Given(101), IsEmpty());
  ExpectNothingLeft();
}

TEST_F(VlanPodsTest, CheckLooksAtTheAddressInThePod) {
  const auto pod = Start("a", 100);
  ASSERT_TRUE(pod.ok()) << pod.status();
  const CniOutcome good = Check(*pod);
  EXPECT_TRUE(good.ok()) << good.output;
  ASSERT_TRUE(RemoveAddress(pod->netns, InterfaceAddress::Parse("10.1.0.100/24").value()).ok());
  const CniOutcome bad = Check(*pod);
  EXPECT_FALSE(bad.ok());
  EXPECT_THAT(bad.output, HasSubstr("10.1.0.100"));
  EXPECT_TRUE(pair_->StopPod(*pod).ok());
  ExpectNothingLeft();
}

TEST_F(VlanPodsTest, GarbageCollectionFreesWhatTheRuntimeNoLongerKnows) {
  const auto kept = Start("kept", 100);
  const auto lost = Start("lost", 100);
  const auto other = Start("other", 101);
  ASSERT_TRUE(kept.ok()) << kept.status();
  ASSERT_TRUE(lost.ok()) << lost.status();
  ASSERT_TRUE(other.ok()) << other.status();
  const auto known =
      nlohmann::json::array({nlohmann::json{{"containerID", kept->container_id}, {"ifname", "eth0"}}});
  // GC is about a network and names no pod.
  const CniOutcome collected =
      Run("GC", Pod{.config = Definition(100).dump()}, "cni.dev/valid-attachments", known);
  EXPECT_TRUE(collected.ok()) << collected.output;
  EXPECT_THAT(Given(100), UnorderedElementsAre("10.1.0.100", "2001:db8:1::100"));
  EXPECT_THAT(Given(101), UnorderedElementsAre("10.1.0.100", "2001:db8:1::100"));
  EXPECT_TRUE(Check(*kept).ok());
  EXPECT_TRUE(Check(*other).ok());
  EXPECT_FALSE(Check(*lost).ok());
  // The function can be had again.
  EXPECT_TRUE(pair_->StopPod(*lost).ok());
  for (const char* name : {"x", "y"}) {
    const auto pod = Start(name, 100);
    ASSERT_TRUE(pod.ok()) << pod.status();
    // Under the address that the one before had.
    EXPECT_TRUE(*PingUntilAnswered(pod->netns, *kept->v4)) << name;
    EXPECT_TRUE(pair_->StopPod(*pod).ok());
  }
  EXPECT_TRUE(pair_->StopPod(*kept).ok());
  EXPECT_TRUE(pair_->StopPod(*other).ok());
  ExpectNothingLeft();
}

TEST_F(VlanPodsTest, StatusSaysWhetherPodsCanBeAttached) {
  const auto status = [this] { return *pair_->Cni("STATUS", Pod{.config = Definition(100).dump()}); };
  EXPECT_TRUE(status().ok()) << status().output;
  // Without the card's agent no function is fit for use.
  ASSERT_TRUE(sandbox_->Kill("xpu-agent-0", SIGKILL).ok());
  ASSERT_TRUE(pair_->AwaitUnhealthy("0000:03:00.2").ok());
  const CniOutcome unfit = status();
  EXPECT_FALSE(unfit.ok());
  EXPECT_THAT(unfit.output, HasSubstr("\"code\":50"));
  EXPECT_THAT(unfit.output, HasSubstr("out of reach"));
  ASSERT_TRUE(sandbox_->Start("xpu-agent-0").ok());
  ASSERT_TRUE(pair_->AwaitDevices(4).ok());
  EXPECT_TRUE(status().ok()) << status().output;
  ASSERT_TRUE(sandbox_->Kill("xpu-host-agent", SIGTERM).ok());
  EXPECT_THAT(status().output, HasSubstr("\"code\":50"));
  ASSERT_TRUE(sandbox_->Start("xpu-host-agent").ok());
  EXPECT_TRUE(pair_->AwaitDevices(4).ok());
  EXPECT_TRUE(status().ok()) << status().output;
}

TEST_F(VlanPodsTest, AgentsThatComeAgainKnowTheVlanAndWhatToGiveBack) {
  const auto a = Start("a", 100);
  const auto b = Start("b", 100);
  ASSERT_TRUE(a.ok()) << a.status();
  ASSERT_TRUE(b.ok()) << b.status();
  for (const char* agent : {"xpu-agent-0", "xpu-host-agent"}) {
    ASSERT_NO_FATAL_FAILURE(Restart(agent, SIGKILL));
    EXPECT_TRUE(*PingUntilAnswered(a->netns, *b->v4)) << "after " << agent << " was started again";
  }
  // The two that are left are fit for use again once the card is connected.
  ASSERT_TRUE(pair_->AwaitDevices(2).ok());
  const CniOutcome checked = Check(*a);
  EXPECT_TRUE(checked.ok()) << checked.output;
  const auto c = Start("c", 100);
  ASSERT_TRUE(c.ok()) << c.status();
  EXPECT_EQ(c->v4->ToString(), "10.1.0.102");
  EXPECT_TRUE(*PingUntilAnswered(c->netns, *a->v6));
  for (const auto& pod : {a, b, c}) EXPECT_TRUE(pair_->StopPod(*pod).ok()) << pod->name;
  EXPECT_THAT(Given(100), IsEmpty());
  ExpectNothingLeft();
}

TEST_F(VlanPodsTest, AVlanThatTheCardDoesNotLeaveToItsHostIsRefused) {
  const auto pod = Start("a", 200);
  EXPECT_THAT(std::string(pod.status().message()), HasSubstr("--host-vlans"));
  EXPECT_THAT(Given(200), IsEmpty());
  ExpectNothingLeft();
}

}  // namespace
}  // namespace xpu::testing
