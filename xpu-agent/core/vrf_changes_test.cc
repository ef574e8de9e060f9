#include "xpu-agent/core/vrf_changes.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/core/bridge_changes.h"
#include "xpu-agent/core/svi_changes.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;

TEST(VrfChanges, EachGetsAKeyOfItsOwnThatIsNotUsedAgainSoon) {
  AgentState state;
  ASSERT_EQ(CreateVrf(state, "a", {}), absl::OkStatus());
  ASSERT_EQ(CreateVrf(state, "b", {}), absl::OkStatus());
  EXPECT_EQ(state.model.vrfs["a"].vrf_key, 1u);
  EXPECT_EQ(state.model.vrfs["b"].vrf_key, 2u);
  ASSERT_EQ(DeleteVrf(state, "b"), absl::OkStatus());
  ASSERT_EQ(CreateVrf(state, "c", {}), absl::OkStatus());
  EXPECT_EQ(state.model.vrfs["c"].vrf_key, 3u);
  EXPECT_EQ(state.last_vrf_key, 3u);
}

TEST(VrfChanges, UpdateKeepsTheKey) {
  AgentState state;
  ASSERT_EQ(CreateVrf(state, "a", {.vni = 5}), absl::OkStatus());
  Vrf expected = state.model.vrfs["a"];
  expected.vni.reset();
  expected.loopback = *InterfaceAddress::Parse("2001:db8::1/128");
  ASSERT_EQ(UpdateVrf(state, "a", {.loopback = expected.loopback}), absl::OkStatus());
  EXPECT_EQ(state.model.vrfs["a"], expected);
}

TEST(VrfChanges, AllThatIsWrongIsSaidAtOnceAndNothingChanges) {
  AgentState state;
  const absl::Status status = CreateVrf(state, "a",
                                        {.vni = 0,
                                         .loopback = *InterfaceAddress::Parse("224.0.0.1/32"),
                                         .vtep = *InterfaceAddress::Parse("::/128")});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  for (const char* field : {"vrf.spec.vni: ", "vrf.spec.loopback_ip_prefix: ", "vrf.spec.vtep_ip_prefix: "}) {
    EXPECT_THAT(std::string(status.message()), HasSubstr(field));
  }
  EXPECT_EQ(CreateVrf(state, "a/b", {}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(UpdateVrf(state, "a", {}).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(DeleteVrf(state, "a").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(state, AgentState());
}

TEST(VrfChanges, AVniBelongsToOneVrfOrBridge) {
  AgentState state;
  ASSERT_EQ(CreateVrf(state, "a", {.vni = 5}), absl::OkStatus());
  ASSERT_EQ(CreateBridge(state, "b", {.vlan_id = 1, .vni = 6}), absl::OkStatus());
  for (uint32_t vni : {5u, 6u}) {
    EXPECT_EQ(CreateVrf(state, "c", {.vni = vni}).code(), absl::StatusCode::kAlreadyExists);
    EXPECT_EQ(CreateBridge(state, "c", {.vlan_id = 2, .vni = vni}).code(), absl::StatusCode::kAlreadyExists);
  }
  EXPECT_EQ(CreateVrf(state, "a", {.vni = 5}), absl::OkStatus());
  EXPECT_EQ(CreateVrf(state, "a", {.vni = 7}).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(CreateVrf(state, "c", {.vni = 7}), absl::OkStatus());
}

TEST(VrfChanges, AVrfInUseStaysAndItsSvisAreNamed) {
  AgentState state;
  ASSERT_EQ(CreateVrf(state, "a", {}), absl::OkStatus());
  ASSERT_EQ(CreateBridge(state, "b", {.vlan_id = 1}), absl::OkStatus());
  ASSERT_EQ(
      CreateSvi(state, "s",
                {.vrf = "a", .logical_bridge = "b", .gateways = {*InterfaceAddress::Parse("10.0.0.1/24")}}),
      absl::OkStatus());
  const absl::Status status = DeleteVrf(state, "a");
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("svis/s"));
  ASSERT_EQ(DeleteSvi(state, "s"), absl::OkStatus());
  EXPECT_EQ(DeleteVrf(state, "a"), absl::OkStatus());
}

}  // namespace
}  // namespace xpu
