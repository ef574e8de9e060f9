#include "xpu-agent/core/port_index.h"

#include <random>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/test_seed.h"
#include "common/opi/opi_names.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

MacAddress Mac(uint8_t n) { return MacAddress({2, 0, 0, 0, 0, n}); }

InterfaceAddress Address(int n) { return *InterfaceAddress::Parse(absl::StrCat("10.0.0.", n, "/24")); }

BridgePort Port(const std::string& id, uint8_t mac, const std::string& bridge, int address) {
  return {.id = id, .mac = Mac(mac), .logical_bridges = {bridge}, .addresses = {Address(address)}};
}

TEST(PortIndex, FollowsThePorts) {
  SharedMap<BridgePort> ports;
  ports.insert_or_assign("a", Port("a", 1, "blue", 1));
  ports.insert_or_assign("b", Port("b", 1, "red", 1));
  PortIndex index;
  index.Follow(ports);
  EXPECT_THAT(index.WithMac(Mac(1)), ElementsAre("a", "b"));
  EXPECT_THAT(index.WithMac(Mac(2)), IsEmpty());
  EXPECT_THAT(index.OwnersInBridge("blue"), UnorderedElementsAre(Pair(Address(1).address, "bridgePorts/a")));
  ports.insert_or_assign("a", Port("a", 2, "blue", 2));
  ports.erase("b");
  index.Follow(ports);
  EXPECT_THAT(index.WithMac(Mac(1)), IsEmpty());
  EXPECT_THAT(index.OwnersInBridge("blue"), UnorderedElementsAre(Pair(Address(2).address, "bridgePorts/a")));
  EXPECT_THAT(index.OwnersInBridge("red"), IsEmpty());
}

TEST(PortIndex, TellsNothingOfPortsInSeveralBridges) {
  SharedMap<BridgePort> ports;
  BridgePort trunk = Port("a", 1, "blue", 1);
  trunk.logical_bridges.emplace_back("red");
  ports.insert_or_assign("a", trunk);
  PortIndex index;
  index.Follow(ports);
  EXPECT_THAT(index.OwnersInBridge("blue"), IsEmpty());
  EXPECT_THAT(index.WithMac(Mac(1)), ElementsAre("a"));
}

TEST(PortIndex, FollowsWhicheverCopyAsks) {
  SharedPortIndex index;
  SharedMap<BridgePort> ports;
  ports.insert_or_assign("a", Port("a", 1, "blue", 1));
  SharedMap<BridgePort> draft = ports;
  draft.erase("a");
  const SharedPortIndex copy = index;
  EXPECT_THAT(index.Of(ports).WithMac(Mac(1)), ElementsAre("a"));
  EXPECT_THAT(copy.Of(draft).WithMac(Mac(1)), IsEmpty());
  EXPECT_THAT(index.Of(ports).WithMac(Mac(1)), ElementsAre("a"));
  EXPECT_EQ(index, SharedPortIndex());
}

// What a look at all ports finds; of several with one address, all.
struct Scan {
  std::set<std::string> with_mac;
  std::map<IpAddress, std::set<std::string>> in_bridge, in_vlan;
};

Scan ScanOf(const SharedMap<BridgePort>& ports, const MacAddress& mac, const std::string& bridge,
            uint16_t vlan) {
  Scan scan;
  for (const auto& [id, port] : ports) {
    if (port.mac == mac) scan.with_mac.insert(id);
    for (const InterfaceAddress& address : port.addresses) {
      if (port.logical_bridges == std::vector<std::string>{bridge})
        scan.in_bridge[address.address].insert(BridgePortName(id));
      if (port.vlan == vlan) scan.in_vlan[address.address].insert(BridgePortName(id));
    }
  }
  return scan;
}

// One of those who have the address is its owner, whatever came and went in which order.
void ExpectOwners(const AddressOwners& owners, const std::map<IpAddress, std::set<std::string>>& scan) {
  EXPECT_EQ(owners.size(), scan.size());
  for (const auto& [address, names] : scan) {
    const auto owner = owners.find(address);
    ASSERT_NE(owner, owners.end()) << address.ToString();
    EXPECT_TRUE(names.contains(owner->second)) << address.ToString() << " is " << owner->second;
  }
}

TEST(PortIndex, FindsWhatALookAtAllPortsFinds) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(absl::StrCat("XPU_TEST_SEED=", seed));
  std::mt19937_64 random(seed);
  const auto below = [&random](int limit) {
    return static_cast<int>(random() % static_cast<uint64_t>(limit));
  };
  const std::vector<std::string> bridges = {"blue", "red"};
  PortIndex index;
  SharedMap<BridgePort> ports;
  for (int step = 0; step < 2000; ++step) {
    // Few values, so that many ports have the same, which a model that was checked has not.
    for (int i = below(3); i >= 0; --i) {
      const std::string id = absl::StrCat("p", below(8));
      if (below(3) == 0) {
        ports.erase(id);
        continue;
      }
      BridgePort port{.id = id, .mac = Mac(static_cast<uint8_t>(below(4)))};
      for (const std::string& bridge : bridges) {
        if (below(2) == 0) port.logical_bridges.push_back(bridge);
      }
      if (below(3) == 0) port.vlan = static_cast<uint16_t>(below(2));
      for (int n = below(3); n > 0; --n) port.addresses.push_back(Address(1 + below(4)));
      ports.insert_or_assign(id, port);
    }
    index.Follow(ports);
    const MacAddress mac = Mac(static_cast<uint8_t>(below(4)));
    const std::string& bridge = bridges[static_cast<size_t>(below(2))];
    const auto vlan = static_cast<uint16_t>(below(2));
    const Scan scan = ScanOf(ports, mac, bridge, vlan);
    EXPECT_EQ(index.WithMac(mac), scan.with_mac);
    ExpectOwners(index.OwnersInBridge(bridge), scan.in_bridge);
    ExpectOwners(index.OwnersInVlan(vlan), scan.in_vlan);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace xpu
