// The whole host agent on a real card: it makes the functions, gives them to pods, keeps from changing what
// is in use, and sets a card up again that was pulled. The card's xPU agent and the journal are in memory.

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>

#include "common/base/unique_fd.h"
#include "common/sys/in_namespace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/service/agent_under_test.h"
#include "host-agent/service/function_watch.h"
#include "test/lab/card_world.h"
#include "test/lab/machine_monitor.h"
#include "test/lab/watch.h"

namespace xpu {
namespace {

namespace pb = hostagent::v1;
using testing::Card;
using testing::CardWorld;
using ::testing::HasSubstr;
using testing::MachineMonitor;
using testing::Watch;

bool AreHealthy(const pb::WatchFunctionsResponse& list, int count) {
  return list.functions_size() == count &&
         std::all_of(list.functions().begin(), list.functions().end(),
                     [](const pb::Function& function) { return function.healthy(); });
}

// A datagram socket in a pod's namespace.
UniqueFd Datagrams(World& world, const std::string& pod, const std::string& address) {
  UniqueFd fd;
  const absl::Status made = InNamespace(*world.namespaces().Open(pod), [&]() -> absl::Status {
    fd.Reset(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in local{};
    local.sin_family = AF_INET;
    local.sin_port = htons(7);
    inet_pton(AF_INET, address.c_str(), &local.sin_addr);
    if (bind(fd.get(), reinterpret_cast<sockaddr*>(&local), sizeof(local)) == 0) return absl::OkStatus();
    return absl::ErrnoToStatus(errno, "bind to " + address);
  });
  EXPECT_TRUE(made.ok()) << made;
  // Only what is broken takes so long.
  const timeval patience{.tv_sec = 20, .tv_usec = 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  return fd;
}

class HostAgentOnACard : public ::testing::Test {
 protected:
  // Until the functions that the setup asks for are there, the second with vfio-pci.
  ::testing::AssertionResult AwaitSetup(FunctionWatch& watch, int vfs) {
    const auto is_set_up = [vfs](const pb::WatchFunctionsResponse& list) {
      return AreHealthy(list, vfs) && list.functions(1).driver() == "vfio-pci";
    };
    if (watch.WaitFor(is_set_up)) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << watch.Last().ShortDebugString();
  }
  void AwaitCarrierIn(const std::string& pod) {
    const auto netlink = *world_.netlinks().Open(*world_.namespaces().Open(pod));
    Watch watch(world_.bus(), *netlink);
    ASSERT_TRUE(watch.AwaitCarrier("net1", true));
  }

  std::string AddressOf(const std::string& pod) {
    for (const InterfaceAddress& address : world_.AddressesInPod(pod, "net1")) {
      if (address.address.is_v4()) return address.address.ToString();
    }
    return "";
  }
  static void SendTo(const UniqueFd& from, const std::string& address, const std::string& words) {
    sockaddr_in there{};
    there.sin_family = AF_INET;
    there.sin_port = htons(7);
    ASSERT_EQ(inet_pton(AF_INET, address.c_str(), &there.sin_addr), 1) << address;
    ASSERT_EQ(
        sendto(from.get(), words.data(), words.size(), 0, reinterpret_cast<sockaddr*>(&there), sizeof(there)),
        static_cast<ssize_t>(words.size()));
  }
  struct SendOptions {
    // A pod that sends something else before.
    std::string from_stranger;
  };
  // What comes first at the one pod when another sends it these words.
  std::string Send(const std::string& from, const std::string& to, const std::string& words,
                   const SendOptions& options) {
    const UniqueFd receiver = Datagrams(world_, to, AddressOf(to));
    if (!options.from_stranger.empty()) {
      SendTo(Datagrams(world_, options.from_stranger, "0.0.0.0"), AddressOf(to), "from a stranger");
    }
    SendTo(Datagrams(world_, from, "0.0.0.0"), AddressOf(to), words);
    char got[64];
    const ssize_t length = recv(receiver.get(), got, sizeof(got), 0);
    return length < 0 ? "nothing" : std::string(got, static_cast<size_t>(length));
  }
  std::string Send(const std::string& from, const std::string& to, const std::string& words) {
    return Send(from, to, words, SendOptions());
  }

  CardWorld world_{0};
  AgentUnderTest agent_{world_};
};

TEST_F(HostAgentOnACard, MakesFunctionsAsConfiguredAndKeepsThoseThatAreInUse) {
  Watch card(world_.bus(), world_.card().netlink());
  ASSERT_TRUE(card.AwaitCarrier(world_.bus().Netdevs(world_.pf())->at(0), true));
  agent_.Restart({.vfs = 3, .drivers = {{1, "vfio-pci"}}});
  {
    FunctionWatch watch(agent_.agent());
    ASSERT_TRUE(AwaitSetup(watch, 3));
  }
  EXPECT_EQ(agent_.PhysicalFunction().reason(), "");
  const std::string pod = world_.MakePod("web");
  const pb::CniResponse added = agent_.Add(0, pod, {{"max_tx_rate", 100}});
  ASSERT_FALSE(added.has_error()) << added.ShortDebugString();
  EXPECT_TRUE(world_.InPod(pod, "net1").has_value());
  EXPECT_EQ(world_.Kept(0).max_tx_rate, 100u);

  agent_.Restart({.vfs = 2, .drivers = {{1, "vfio-pci"}}});
  FunctionWatch watch(agent_.agent());
  ASSERT_TRUE(watch.WaitFor([](const pb::WatchFunctionsResponse& list) {
    return list.functions_size() == 3 && list.functions(2).reason().find("default/web") != std::string::npos;
  }));
  EXPECT_THAT(agent_.PhysicalFunction().reason(), HasSubstr("pod default/web"));
  EXPECT_EQ(world_.bus().Get(world_.pf())->num_vfs, 3);
  EXPECT_TRUE(world_.InPod(pod, "net1").has_value());

  const pb::CniResponse deleted = agent_.Del(pod);
  ASSERT_FALSE(deleted.has_error()) << deleted.ShortDebugString();
  ASSERT_TRUE(AwaitSetup(watch, 2));
  EXPECT_EQ(world_.bus().Get(world_.pf())->num_vfs, 2);
  EXPECT_EQ(agent_.PhysicalFunction().reason(), "");
  EXPECT_EQ(world_.Kept(0).max_tx_rate, 0u);
}

TEST_F(HostAgentOnACard, SetsACardUpAgainThatWasPulled) {
  auto machine = MachineMonitor::Open();
  ASSERT_TRUE(machine.ok()) << machine.status();
  agent_.Restart({.vfs = 3, .drivers = {{1, "vfio-pci"}}});
  FunctionWatch watch(agent_.agent());
  ASSERT_TRUE(AwaitSetup(watch, 3));
  Watch card(world_.bus(), world_.card().netlink());
  const absl::Status pulled = machine->Unplug(Card::kId);
  ASSERT_TRUE(pulled.ok()) << pulled;
  ASSERT_TRUE(watch.WaitFor([](const pb::WatchFunctionsResponse& list) {
    return std::none_of(list.functions().begin(), list.functions().end(),
                        [](const pb::Function& function) { return function.healthy(); });
  }));
  ASSERT_TRUE(machine->Plug(Card::kId, Card::kSlot, Card::kWire, Card::kMac).ok());
  world_.card().AwaitDriver(card);
  ASSERT_TRUE(AwaitSetup(watch, 3));
  const std::string pod = world_.MakePod("web");
  const pb::CniResponse added = agent_.Add(2, pod);
  ASSERT_FALSE(added.has_error()) << added.ShortDebugString();
  EXPECT_TRUE(world_.InPod(pod, "net1").has_value());
  EXPECT_FALSE(agent_.Del(pod).has_error());
}

// The card switches between its functions by itself.
TEST_F(HostAgentOnACard, TwoPodsReachEachOther) {
  agent_.Restart({.vfs = 3, .drivers = {{1, "vfio-pci"}}});
  FunctionWatch watch(agent_.agent());
  ASSERT_TRUE(AwaitSetup(watch, 3));
  const std::string one = world_.MakePod("one"), two = world_.MakePod("two");
  ASSERT_FALSE(agent_.Add(0, one).has_error());
  ASSERT_FALSE(agent_.Add(2, two).has_error());
  AwaitCarrierIn(one);
  AwaitCarrierIn(two);
  EXPECT_EQ(Send(one, two, "through the card"), "through the card");
  EXPECT_FALSE(agent_.Del(one).has_error());
  EXPECT_FALSE(agent_.Del(two).has_error());
}

// As sriov-cni has it: there is no xPU agent, and the physical function puts the tags.
TEST_F(HostAgentOnACard, OfACardWithoutAnAgentPodsOfOneVlanReachEachOther) {
  world_.endpoint = "";
  agent_.Restart({.vfs = 3});
  FunctionWatch watch(agent_.agent());
  ASSERT_TRUE(watch.WaitFor([](const pb::WatchFunctionsResponse& list) { return AreHealthy(list, 3); }));
  const auto definition = [](int vlan) {
    return nlohmann::json{{"name", "sriov-net"}, {"vlan", vlan}, {"ipam", {{"type", "host-local"}}}};
  };
  const std::string one = world_.MakePod("one"), two = world_.MakePod("two"), other = world_.MakePod("other");
  const pb::CniResponse added = agent_.Add(0, one, definition(100));
  ASSERT_FALSE(added.has_error()) << added.ShortDebugString();
  ASSERT_FALSE(agent_.Add(1, two, definition(100)).has_error());
  ASSERT_FALSE(agent_.Add(2, other, definition(101)).has_error());
  EXPECT_EQ(world_.Kept(0).vlan, VfSettings::Vlan{.id = 100});
  for (const std::string& pod : {one, two, other}) AwaitCarrierIn(pod);
  EXPECT_EQ(Send(one, two, "in one VLAN"), "in one VLAN");
  // What the other sends comes before nothing: this one arrives, and that did not.
  EXPECT_EQ(Send(two, one, "and back", {.from_stranger = other}), "and back");
  for (const std::string& pod : {one, two, other}) EXPECT_FALSE(agent_.Del(pod).has_error());
  EXPECT_EQ(world_.Kept(0).vlan, VfSettings::Vlan());
}

}  // namespace
}  // namespace xpu
