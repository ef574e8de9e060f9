#include "common/opi/opi_names.h"

#include "gtest/gtest.h"

namespace xpu {
namespace {

TEST(OpiNames, TakesTheThreeDialects) {
  EXPECT_EQ(*VrfId("vrfs/tenant"), "tenant");
  EXPECT_EQ(*VrfId("//network.opiproject.org/vrfs/tenant"), "tenant");
  EXPECT_EQ(*VrfId("tenant"), "tenant");
  EXPECT_EQ(*LogicalBridgeId("logicalBridges/default.blue"), "default.blue");
  EXPECT_EQ(*LogicalBridgeId("//network.opiproject.org/bridges/br1"), "br1");
  EXPECT_EQ(*LogicalBridgeId("10"), "10");
  EXPECT_EQ(*BridgePortId("bridgePorts/host0-3"), "host0-3");
  EXPECT_EQ(*BridgePortId("//network.opiproject.org/ports/host0-3"), "host0-3");
  EXPECT_EQ(*BridgePortId("host0-3"), "host0-3");
  EXPECT_EQ(*SviId("svis/blue"), "blue");
  EXPECT_EQ(*SviId("//network.opiproject.org/svis/blue"), "blue");
  EXPECT_EQ(*SviId("blue"), "blue");
}

TEST(OpiNames, SaysANameInAnotherDialect) {
  for (const std::string& name : {VrfName("a"), LogicalBridgeName("a"), BridgePortName("a"), SviName("a")}) {
    EXPECT_EQ(DialectOf(name), NameDialect::kApi);
    EXPECT_EQ(InDialect(name, NameDialect::kApi), name);
    EXPECT_EQ(DialectOf(InDialect(name, NameDialect::kEvpnBridge)), NameDialect::kEvpnBridge);
  }
  EXPECT_EQ(DialectOf("a"), NameDialect::kApi);
  EXPECT_EQ(InDialect("logicalBridges/a", NameDialect::kEvpnBridge), "//network.opiproject.org/bridges/a");
  EXPECT_EQ(InDialect("bridgePorts/a", NameDialect::kEvpnBridge), "//network.opiproject.org/ports/a");
  EXPECT_EQ(InDialect("100", NameDialect::kEvpnBridge), "100") << "a VLAN, which is no object";
}

TEST(OpiNames, CallsObjectsByTheApisOwnNames) {
  EXPECT_EQ(VrfName("tenant"), "vrfs/tenant");
  EXPECT_EQ(LogicalBridgeName("blue"), "logicalBridges/blue");
  EXPECT_EQ(BridgePortName("host0-3"), "bridgePorts/host0-3");
  EXPECT_EQ(SviName("blue"), "svis/blue");
}

TEST(OpiNames, RefusesNamesOfOtherKindsAndBadIds) {
  for (const char* name : {"", "logicalBridges/", "bridgePorts/x", "logicalBridges/a/b", "-x", "a b",
                           "//network.opiproject.org/ports/x", "\xc3\xa4"}) {
    EXPECT_EQ(LogicalBridgeId(name).status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
  EXPECT_EQ(BridgePortId("logicalBridges/x").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(BridgePortId(std::string(254, 'a')).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(BridgePortId(std::string(253, 'a')).ok());
}

TEST(PortFunction, IsReadFromAPortsId) {
  EXPECT_EQ(*PortFunction::FromPortId("host1-127"), (PortFunction{1, 127}));
  EXPECT_EQ((PortFunction{1, 127}).ToPortId(), "host1-127");
  EXPECT_EQ((PortFunction{0, 3}).ToPhysPortName(), "pf0vf3");
  EXPECT_EQ(*PortFunction::FromPortId("host0-sf88"), (PortFunction{0, 88, true}));
  EXPECT_EQ(*PortFunction::FromPortId("host0-sf4294967295"), (PortFunction{0, 4294967295, true}));
}

TEST(PortFunction, IsReadFromThePortsNameInSysfs) {
  for (const char* name : {"pf0vf3", "pf12vf127", "pf1sf88"}) {
    absl::StatusOr<PortFunction> function = PortFunction::FromPhysPortName(name);
    ASSERT_EQ(function.status(), absl::OkStatus());
    EXPECT_EQ(function->ToPhysPortName(), name);
    EXPECT_EQ(*PortFunction::FromPortId(function->ToPortId()), *function);
  }
  for (const char* name : {"", "p0", "pf0", "pf0vf", "pfvf0", "pf0vf03", "pf0vf3x", "c1pf0vf3", "pf0 vf3"}) {
    EXPECT_EQ(PortFunction::FromPhysPortName(name).status().code(), absl::StatusCode::kInvalidArgument)
        << name;
  }
}

TEST(PortFunction, RefusesOtherIds) {
  for (const char* id :
       {"", "host", "host0", "host0-", "host-1", "host0-03", "host0--1", "host0-1-2", "Host0-1",
        "host0-65536", "host0-4294967297", "host0-sf", "host0-sf4294967296", "uplink"}) {
    EXPECT_EQ(PortFunction::FromPortId(id).status().code(), absl::StatusCode::kInvalidArgument) << id;
  }
}

}  // namespace
}  // namespace xpu
