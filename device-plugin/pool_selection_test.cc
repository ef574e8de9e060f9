#include "device-plugin/pool_selection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xpu {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

PluginFunction Vf(int index) {
  return {.id = "0000:03:00." + std::to_string(2 + index),
          .pf_address = "0000:03:00.0",
          .pf_name = "p0",
          .index = index,
          .vendor = "15b3",
          .device = "101e",
          .driver = "mlx5_core",
          .link_type = "ether"};
}
PluginFunction Sf(int number) {
  PluginFunction sf = Vf(0);
  sf.id = "0000:03:00.0-sf" + std::to_string(number);
  sf.kind = PluginFunction::Kind::kSf;
  sf.index = number;
  sf.auxiliary_device = "mlx5_core.sf." + std::to_string(100 + number);
  return sf;
}

// Ids of the functions that a selector lets through.
std::vector<std::string> Selected(const PoolSelector& selector, const PluginFunctions& functions,
                                  PoolDeviceType type = PoolDeviceType::kNetDevice) {
  std::vector<std::string> ids;
  const auto assignment =
      AssignFunctions({{.resource = "a.b/c", .device_type = type, .selectors = {selector}}}, functions);
  for (const PoolMember& member : assignment.members[0]) ids.push_back(member.function.id);
  return ids;
}

TEST(AssignFunctionsTest, EachSelectorNarrows) {
  PluginFunction other = Vf(1);
  other.vendor = "8086";
  other.device = "154c";
  other.driver = "vfio-pci";
  other.link_type = "infiniband";
  other.pf_name = "p1";
  other.pf_address = "0000:04:00.0";
  other.rdma_devices = {"mlx5_9"};
  for (const PoolSelector& selector :
       {PoolSelector{.vendors = {"8086"}}, PoolSelector{.devices = {"10ed", "154c"}},
        PoolSelector{.drivers = {"vfio-pci"}}, PoolSelector{.pci_addresses = {"0000:03:00.3"}},
        PoolSelector{.link_types = {"infiniband"}}, PoolSelector{.pf_names = {{.parent = "p1"}}},
        PoolSelector{.root_devices = {{.parent = "0000:04:00.0"}}}, PoolSelector{.is_rdma = true}}) {
    EXPECT_THAT(Selected(selector, {Vf(0), other}), ElementsAre("0000:03:00.3"));
  }
  EXPECT_THAT(Selected({.vendors = {"15b3"}, .drivers = {"vfio-pci"}}, {Vf(0), other}), IsEmpty());
  EXPECT_EQ(Selected({}, {Vf(0), other}).size(), 2u);
}

TEST(AssignFunctionsTest, RangesAreOfIndicesAndIncludeTheirEnds) {
  const PluginFunctions functions = {Vf(0), Vf(1), Vf(2), Vf(3), Vf(4)};
  EXPECT_THAT(Selected({.pf_names = {{.parent = "p0", .ranges = {{0, 0}, {2, 3}}}}}, functions),
              ElementsAre("0000:03:00.2", "0000:03:00.4", "0000:03:00.5"));
  EXPECT_THAT(Selected({.root_devices = {{.parent = "0000:03:00.0", .ranges = {{4, 100}}}}}, functions),
              ElementsAre("0000:03:00.6"));
  EXPECT_THAT(
      Selected({.pf_names = {{.parent = "p0", .ranges = {{0, 0}}}, {.parent = "p0", .ranges = {{1, 1}}}}},
               functions),
      ElementsAre("0000:03:00.2", "0000:03:00.3"));
}

TEST(AssignFunctionsTest, NamesOfParentsAreTakenWhole) {
  EXPECT_THAT(Selected({.pf_names = {{.parent = "p"}}}, {Vf(0)}), IsEmpty());
  EXPECT_THAT(Selected({.pf_names = {{.parent = "p01"}}}, {Vf(0)}), IsEmpty());
  PluginFunction nameless = Vf(0);
  nameless.pf_name = "";
  EXPECT_THAT(Selected({.pf_names = {{.parent = "p0"}}}, {nameless}), IsEmpty());
}

TEST(AssignFunctionsTest, TheDeviceTypeTellsSubfunctionsApart) {
  const PluginFunctions functions = {Vf(0), Sf(88), Sf(89)};
  EXPECT_THAT(Selected({}, functions), ElementsAre("0000:03:00.2"));
  EXPECT_THAT(Selected({.aux_types = {"sf"}}, functions, PoolDeviceType::kAuxNetDevice),
              ElementsAre("0000:03:00.0-sf88", "0000:03:00.0-sf89"));
  EXPECT_THAT(Selected({.aux_types = {"eth"}}, functions, PoolDeviceType::kAuxNetDevice), IsEmpty());
  EXPECT_THAT(Selected({.pf_names = {{.parent = "p0", .ranges = {{89, 200}}}}}, functions,
                       PoolDeviceType::kAuxNetDevice),
              ElementsAre("0000:03:00.0-sf89"));
  EXPECT_EQ(Selected({}, functions, PoolDeviceType::kAny).size(), 3u);
}

TEST(AssignFunctionsTest, TheFirstSelectorThatMatchesSaysWhatComesWithAFunction) {
  const auto assignment = AssignFunctions(
      {{.resource = "a.b/c",
        .selectors = {{.pf_names = {{.parent = "p0", .ranges = {{0, 0}}}}}, {.need_vhost_net = true}}}},
      {Vf(0), Vf(1)});
  ASSERT_EQ(assignment.members[0].size(), 2u);
  EXPECT_FALSE(assignment.members[0][0].need_vhost_net);
  EXPECT_TRUE(assignment.members[0][1].need_vhost_net);
  EXPECT_FALSE(assignment.members[0][1].share_rdma);
}

TEST(AssignFunctionsTest, PoolsWithoutSelectorsHaveEveryFunction) {
  const auto assignment = AssignFunctions({{.resource = "a.b/c"}}, {Vf(0), Vf(1)});
  EXPECT_EQ(assignment.members[0].size(), 2u);
  EXPECT_THAT(assignment.overlaps, IsEmpty());
}

TEST(AssignFunctionsTest, OverlappingPoolsAreNamedAndTheFirstHasTheFunctions) {
  const auto assignment = AssignFunctions({{.resource = "a.b/first", .selectors = {{.vendors = {"15b3"}}}},
                                           {.resource = "a.b/apart", .selectors = {{.vendors = {"8086"}}}},
                                           {.resource = "a.b/second", .selectors = {{.devices = {"101e"}}}}},
                                          {Vf(0), Vf(1), Vf(2)});
  EXPECT_EQ(assignment.members[0].size(), 3u);
  EXPECT_THAT(assignment.members[1], IsEmpty());
  EXPECT_THAT(assignment.members[2], IsEmpty());
  EXPECT_THAT(assignment.overlaps, ElementsAre(AllOf(HasSubstr("a.b/first and a.b/second"),
                                                     HasSubstr("3 functions"), HasSubstr("0000:03:00.2"))));
}

}  // namespace
}  // namespace xpu
