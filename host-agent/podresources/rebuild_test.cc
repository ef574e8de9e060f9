#include "host-agent/podresources/rebuild.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/alloc/allocator.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

HostFunction Vf(int index) {
  HostFunction function;
  function.id = PciAddress{0, 3, 0, static_cast<uint8_t>(2 + index)};
  function.pf = PciAddress{0, 3, 0, 0};
  function.card = "card0";
  function.port = "host0-" + std::to_string(index);
  function.index = index;
  function.pf_name = "p0";
  return function;
}

FoundInterface In(const std::string& netns, int index, const std::string& name) {
  FoundInterface found;
  found.function = Vf(index).id;
  found.netns = netns;
  found.link.name = name;
  found.link.mac = *MacAddress::Parse("02:00:00:00:00:07");
  found.link.mtu = 1400;
  found.link.parent_device = Vf(index).id.ToString();
  found.addresses = {*InterfaceAddress::Parse("10.0.0.5/24")};
  found.gateways = {*IpAddress::Parse("10.0.0.1")};
  return found;
}

Holders HeldBy(const PodName& pod, int index) {
  return {{Vf(index).id, {"xpu.opiproject.org/vf", Vf(index).id.ToString(), pod, "main"}}};
}

TEST(Rebuild, OfNothingThereIsNothing) {
  EXPECT_THAT(Rebuild({Vf(0), Vf(1)}, {}, {In("", 0, "p0v0"), In("", 1, "p0v1")}, {}), IsEmpty());
}

TEST(Rebuild, AnInterfaceInAPodIsAttached) {
  const auto rows = Rebuild({Vf(0), Vf(1)}, {}, {In("", 0, "p0v0"), In("/run/netns/web", 1, "net1")},
                            HeldBy({"default", "web"}, 1));
  ASSERT_EQ(rows.size(), 1u);
  const ClaimRow& row = rows[0];
  EXPECT_EQ(row.function, Vf(1).id);
  EXPECT_EQ(row.state, ClaimState::kAttached);
  EXPECT_TRUE(row.confirmed);
  EXPECT_EQ(row.card, "card0");
  EXPECT_EQ(row.port, "host0-1");
  EXPECT_EQ(row.host_ifname, "p0v1");
  EXPECT_EQ(row.mac.ToString(), "02:00:00:00:00:07");
  EXPECT_EQ(row.mtu, 1400u);
  EXPECT_FALSE(row.known_by_alias);
  EXPECT_EQ(row.attachment->netns, "/run/netns/web");
  EXPECT_EQ(row.attachment->ifname, "net1");
  EXPECT_EQ(row.attachment->pod_name, "web");
  EXPECT_EQ(row.attachment->container_id, UnknownContainer("/var/run/netns/web"))
      << "the same by another path";
  EXPECT_TRUE(IsOfUnknownContainer(row));
  EXPECT_THAT(row.addresses, ElementsAre(*InterfaceAddress::Parse("10.0.0.5/24")));
  EXPECT_THAT(row.gateways, ElementsAre(*IpAddress::Parse("10.0.0.1")));
}

TEST(Rebuild, WhatOnlyTheKubeletKnowsIsClaimed) {
  const auto rows = Rebuild({Vf(0), Vf(1)}, {}, {In("", 0, "eth7")}, HeldBy({"default", "web"}, 0));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].state, ClaimState::kClaimed);
  EXPECT_FALSE(rows[0].attachment.has_value());
  EXPECT_EQ(rows[0].host_ifname, "eth7");
  EXPECT_EQ(rows[0].mac.ToString(), "02:00:00:00:00:07");
}

TEST(Rebuild, AFunctionWithoutAnInterfaceIsClaimedToo) {
  HostFunction function = Vf(0);
  function.vfio_node = "/dev/vfio/12";
  const auto rows = Rebuild({function}, {}, {}, HeldBy({"default", "vm"}, 0));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].state, ClaimState::kClaimed);
  EXPECT_TRUE(rows[0].vfio);
}

TEST(Rebuild, RowsThatAreThereStay) {
  EXPECT_THAT(
      Rebuild({Vf(0)}, {ClaimRow{.function = Vf(0).id}}, {In("/n", 0, "net1")}, HeldBy({"a", "b"}, 0)),
      IsEmpty());
}

TEST(Rebuild, AnAliasThatAPodWroteTakesNoFunction) {
  FoundInterface forged = In("/run/netns/evil", 0, "net1");
  forged.link.parent_device.clear();
  EXPECT_THAT(Rebuild({Vf(0)}, {}, {In("", 0, "p0v0"), forged}, {}), IsEmpty());
}

TEST(Rebuild, ItsRowsMakeSenseTogether) {
  auto rows = Rebuild(
      {Vf(0), Vf(1), Vf(2)}, {},
      {In("/run/netns/web", 0, "net1"), In("/run/netns/web", 1, "net2"), In("/run/netns/db", 2, "net1")}, {});
  ASSERT_EQ(rows.size(), 3u);
  for (ClaimRow& row : rows) row.claim = 1;
  EXPECT_TRUE(CheckRows(rows).ok()) << CheckRows(rows);
}

}  // namespace
}  // namespace xpu
