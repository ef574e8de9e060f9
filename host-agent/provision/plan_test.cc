#include "host-agent/provision/plan.h"

#include "absl/strings/str_cat.h"
#include "common/sys/pci_bus.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const PciAddress kPf{0, 3, 0, 0};
const MacAddress kFirst = *MacAddress::Parse("02:00:00:00:01:00");
const MacAddress kOther = *MacAddress::Parse("02:00:00:00:02:00");

PciAddress Vf(int i) { return VirtualFunctionAddress(kPf, 2, 1, i); }

PfView WithVfs(int vfs, const std::string& driver = "mlx5_core") {
  PfView view{.pf = kPf, .present = true, .vfs = vfs, .total_vfs = 16};
  for (int i = 0; i < vfs; ++i) view.functions.push_back({Vf(i), i, driver});
  return view;
}

std::string Plan(const PfSetup& setup, const PfView& view) { return PlanPf(setup, view).ToString(); }

TEST(PlanPf, WithoutASetupNothingIsDone) {
  PfView view = WithVfs(4);
  view.sfs = {{.number = 88, .active = true}};
  EXPECT_EQ(Plan({}, view), "");
}

TEST(PlanPf, WhatIsAsItShouldBeIsLeftAlone) {
  PfView view = WithVfs(2);
  view.functions[1].driver = "vfio-pci";
  view.sfs = {{.number = 1, .mac = kFirst, .active = true}};
  view.holders = {{Vf(0), "pod a/b"}};
  EXPECT_EQ(Plan({.vfs = 2, .drivers = {{1, "vfio-pci"}}, .sfs = {{{1, kFirst}}}}, view), "");
}

TEST(PlanPf, MakesVirtualFunctions) {
  EXPECT_EQ(Plan({.vfs = 8}, WithVfs(0)), "set 0000:03:00.0 to 8 virtual functions\n");
}

TEST(PlanPf, AnotherNumberGoesThroughNone) {
  const ProvisionPlan plan = PlanPf({.vfs = 8}, WithVfs(4));
  EXPECT_EQ(plan.ToString(),
            "set 0000:03:00.0 to 0 virtual functions\n"
            "set 0000:03:00.0 to 8 virtual functions\n");
  EXPECT_EQ(plan.touched, (std::set<FunctionId>{Vf(0), Vf(1), Vf(2), Vf(3)}));
  EXPECT_EQ(Plan({.vfs = 0}, WithVfs(4)), "set 0000:03:00.0 to 0 virtual functions\n");
}

TEST(PlanPf, DriversWaitForTheNumber) {
  // The functions that there are now will not be the same then.
  EXPECT_EQ(Plan({.vfs = 8, .drivers = {{0, "vfio-pci"}}}, WithVfs(4)),
            "set 0000:03:00.0 to 0 virtual functions\n"
            "set 0000:03:00.0 to 8 virtual functions\n");
}

TEST(PlanPf, MoreThanTheCardCanHaveIsAnObstacle) {
  const ProvisionPlan plan = PlanPf({.vfs = 17}, WithVfs(4));
  EXPECT_THAT(plan.steps, IsEmpty());
  EXPECT_THAT(plan.obstacle, HasSubstr("is to have 17 virtual functions but can have 16"));
}

TEST(PlanPf, TheNumberStaysWhileAFunctionIsInUse) {
  PfView view = WithVfs(4);
  view.holders = {{Vf(1), "pod default/web, container c1, interface net1"}};
  const ProvisionPlan plan = PlanPf({.vfs = 8}, view);
  EXPECT_EQ(
      plan.ToString(),
      "obstacle: it has 4 virtual functions and is to have 8, which is not changed while a function is in "
      "use: 0000:03:00.3 by pod default/web, container c1, interface net1; it is done once they are free\n");
  EXPECT_THAT(plan.touched, IsEmpty());
}

TEST(PlanPf, TheNumberStaysAlsoForASubfunctionInUse) {
  PfView view = WithVfs(0);
  view.active_sfs = {88};
  view.holders = {{FunctionId(kPf, 88), "pod default/db"}};
  EXPECT_THAT(Plan({.vfs = 8}, view), HasSubstr("0000:03:00.0-sf88 by pod default/db"));
}

TEST(PlanPf, ALongListOfHoldersIsCut) {
  PfView view = WithVfs(12);
  for (int i = 0; i < 11; ++i) view.holders[Vf(i)] = absl::StrCat("pod default/web-", i);
  const std::string text = Plan({.vfs = 4}, view);
  EXPECT_THAT(text, HasSubstr("pod default/web-7; 3 more"));
  EXPECT_THAT(text, Not(HasSubstr("web-8")));
}

TEST(PlanPf, BindsDriversByIndex) {
  PfView view = WithVfs(4);
  view.functions[3].driver = "vfio-pci";
  view.functions[1].driver = "";
  const ProvisionPlan plan =
      PlanPf({.vfs = 4, .drivers = {{1, "mlx5_core"}, {2, "vfio-pci"}, {3, "vfio-pci"}}}, view);
  EXPECT_EQ(plan.ToString(), "bind 0000:03:00.3 to mlx5_core\nbind 0000:03:00.4 to vfio-pci\n");
  EXPECT_EQ(plan.touched, (std::set<FunctionId>{Vf(1), Vf(2)}));
}

TEST(PlanPf, TheDriverOfAFunctionInUseStaysAndTheOthersAreDone) {
  PfView view = WithVfs(3);
  view.holders = {{Vf(1), "pod default/web"}};
  EXPECT_EQ(
      Plan({.drivers = {{1, "vfio-pci"}, {2, "vfio-pci"}}}, view),
      "bind 0000:03:00.4 to vfio-pci\n"
      "obstacle: functions in use keep the driver they have: 0000:03:00.3 by pod default/web; it is changed "
      "once they are free\n"
      "refused for 0000:03:00.3: it is to have driver vfio-pci and has mlx5_core, which is not changed while "
      "it is in use by pod default/web\n");
}

TEST(PlanPf, MakesSubfunctionsAndTakesAwayTheRest) {
  PfView view = WithVfs(0);
  view.sfs = {{.number = 7, .active = true}, {.number = 9, .active = false}};
  EXPECT_EQ(Plan({.sfs = {{{8, kFirst}, {9, {}}}}}, view),
            "remove 0000:03:00.0-sf7\n"
            "add 0000:03:00.0-sf8\n"
            "give 0000:03:00.0-sf8 the address 02:00:00:00:01:00\n"
            "activate 0000:03:00.0-sf8\n"
            "activate 0000:03:00.0-sf9\n");
}

TEST(PlanPf, ASubfunctionThatWasLeftInactiveIsGoneOnWith) {
  PfView view = WithVfs(0);
  view.sfs = {{.number = 8, .mac = kFirst}, {.number = 9}};
  EXPECT_EQ(Plan({.sfs = {{{8, kFirst}, {9, kOther}}}}, view),
            "activate 0000:03:00.0-sf8\n"
            "give 0000:03:00.0-sf9 the address 02:00:00:00:02:00\n"
            "activate 0000:03:00.0-sf9\n");
}

TEST(PlanPf, AnotherAddressMakesASubfunctionAnew) {
  PfView view = WithVfs(0);
  view.sfs = {{.number = 8, .mac = kOther, .active = true}};
  EXPECT_EQ(Plan({.sfs = {{{8, kFirst}}}}, view),
            "remove 0000:03:00.0-sf8\n"
            "add 0000:03:00.0-sf8\n"
            "give 0000:03:00.0-sf8 the address 02:00:00:00:01:00\n"
            "activate 0000:03:00.0-sf8\n");
  view.holders = {{FunctionId(kPf, 8), "pod default/web"}};
  EXPECT_EQ(Plan({.sfs = {{{8, kFirst}}}}, view), "") << "its pod may have changed it";
}

TEST(PlanPf, ASubfunctionInUseIsNotRemoved) {
  PfView view = WithVfs(0);
  view.sfs = {{.number = 7, .active = true}, {.number = 8, .active = true}};
  view.holders = {{FunctionId(kPf, 7), "pod default/web"}};
  EXPECT_EQ(
      Plan({.sfs = std::vector<SubfunctionSetup>()}, view),
      "remove 0000:03:00.0-sf8\n"
      "obstacle: subfunctions that are to go are in use: 0000:03:00.0-sf7 by pod default/web; they are "
      "removed once they are free\n"
      "refused for 0000:03:00.0-sf7: the configuration has it no more, but it is not removed while it is in "
      "use by pod default/web\n");
}

TEST(PlanPf, SaysWhenThereCanBeNoSubfunctions) {
  PfView view = WithVfs(0);
  view.sfs_error = absl::UnimplementedError("this kernel has no devlink");
  EXPECT_THAT(Plan({.sfs = {{{8, {}}}}}, view), HasSubstr("this kernel has no devlink"));
  EXPECT_EQ(Plan({.sfs = std::vector<SubfunctionSetup>()}, view), "") << "none is what there is";
}

TEST(PlanPf, APhysicalFunctionThatIsNotThereIsWaitedFor) {
  const ProvisionPlan plan = PlanPf({.vfs = 4}, PfView{.pf = kPf});
  EXPECT_THAT(plan.steps, IsEmpty());
  EXPECT_THAT(plan.obstacle, HasSubstr("not on the PCI bus"));
}

}  // namespace
}  // namespace xpu
