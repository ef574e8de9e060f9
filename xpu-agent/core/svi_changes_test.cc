#include "xpu-agent/core/svi_changes.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/core/bridge_changes.h"
#include "xpu-agent/core/port_changes.h"
#include "xpu-agent/core/vrf_changes.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;

std::vector<InterfaceAddress> Gateways(const std::vector<std::string>& texts) {
  std::vector<InterfaceAddress> gateways;
  for (const std::string& text : texts) gateways.push_back(*InterfaceAddress::Parse(text));
  return gateways;
}

absl::Status AnyFunction(const std::string&) { return absl::OkStatus(); }

class SviChanges : public ::testing::Test {
 protected:
  SviChanges() {
    uint32_t vlan = 1;
    for (const char* id : {"blue", "red"}) {
      EXPECT_EQ(CreateBridge(state_, id, {.vlan_id = vlan++}), absl::OkStatus());
      EXPECT_EQ(CreateVrf(state_, id, {}), absl::OkStatus());
    }
  }
  static SviSpec Spec(const std::string& vrf, const std::string& bridge,
                      const std::vector<std::string>& gateways) {
    return {.vrf = vrf, .logical_bridge = bridge, .gateways = Gateways(gateways)};
  }
  AgentState state_;
};

TEST_F(SviChanges, CanBeMadeChangedAndDeleted) {
  ASSERT_EQ(CreateSvi(state_, "s", Spec("blue", "blue", {"10.0.0.1/24", "2001:db8::1/64"})),
            absl::OkStatus());
  EXPECT_EQ(state_.model.svis["s"].mac, kGatewayMac);
  EXPECT_EQ(FindSviOf(state_.model, "blue"), &state_.model.svis["s"]);
  EXPECT_EQ(FindSviOf(state_.model, "red"), nullptr);
  EXPECT_EQ(CreateSvi(state_, "s", SpecOf(state_.model.svis["s"])), absl::OkStatus());
  EXPECT_EQ(CreateSvi(state_, "s", Spec("blue", "blue", {"10.0.0.1/24"})).code(),
            absl::StatusCode::kAlreadyExists);
  ASSERT_EQ(UpdateSvi(state_, "s", Spec("red", "red", {"10.0.0.1/24"})), absl::OkStatus());
  EXPECT_EQ(SpecOf(state_.model.svis["s"]), Spec("red", "red", {"10.0.0.1/24"}));
  ASSERT_EQ(DeleteSvi(state_, "s"), absl::OkStatus());
  EXPECT_EQ(DeleteSvi(state_, "s").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(UpdateSvi(state_, "s", Spec("red", "red", {"10.0.0.1/24"})).code(), absl::StatusCode::kNotFound);
}

TEST_F(SviChanges, AllThatIsWrongIsSaidAtOnceAndNothingChanges) {
  const AgentState before = state_;
  SviSpec spec = Spec("blue", "blue", {"10.0.0.1/24", "10.0.0.255/24", "::1/64", "10.0.1.1/16"});
  spec.mac = MacAddress({1, 0, 0, 0, 0, 1});
  spec.enable_bgp = true;
  const absl::Status status = CreateSvi(state_, "s", spec);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  for (const char* field :
       {"svi.spec.mac_address: ", "svi.spec.gw_ip_prefix[1]: ", "svi.spec.gw_ip_prefix[2]: ",
        "svi.spec.gw_ip_prefix[3]: ", "svi.spec.remote_as: "}) {
    EXPECT_THAT(std::string(status.message()), HasSubstr(field));
  }
  EXPECT_EQ(CreateSvi(state_, "s", Spec("blue", "blue", {})).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CreateSvi(state_, "-", Spec("blue", "blue", {"10.0.0.1/24"})).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(state_, before);
}

TEST_F(SviChanges, NeedsItsVrfAndItsBridge) {
  EXPECT_EQ(CreateSvi(state_, "s", Spec("none", "blue", {"10.0.0.1/24"})).code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(CreateSvi(state_, "s", Spec("blue", "none", {"10.0.0.1/24"})).code(),
            absl::StatusCode::kFailedPrecondition);
  ASSERT_EQ(CreateSvi(state_, "s", Spec("blue", "blue", {"10.0.0.1/24"})), absl::OkStatus());
  const absl::Status status = DeleteBridge(state_, "blue");
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("svis/s"));
  EXPECT_EQ(CreateSvi(state_, "t", Spec("red", "blue", {"10.0.1.1/24"})).code(),
            absl::StatusCode::kAlreadyExists)
      << "a bridge has one gateway";
}

TEST_F(SviChanges, PrefixesOverlapOnlyInDifferentVrfs) {
  ASSERT_EQ(CreateSvi(state_, "s", Spec("blue", "blue", {"10.0.0.1/24"})), absl::OkStatus());
  const absl::Status status = CreateSvi(state_, "t", Spec("blue", "red", {"10.0.0.129/25"}));
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(status.message()), HasSubstr("svis/s"));
  EXPECT_EQ(CreateSvi(state_, "t", Spec("red", "red", {"10.0.0.1/24"})), absl::OkStatus());
  EXPECT_EQ(UpdateSvi(state_, "t", Spec("blue", "red", {"10.0.0.1/24"})).code(),
            absl::StatusCode::kAlreadyExists);
}

TEST_F(SviChanges, GatewayAndPortsOfABridgeDoNotTakeEachOthersAddresses) {
  ASSERT_EQ(SetSubnets(state_, "blue", {.prefixes = {*IpPrefix::Parse("10.0.0.0/30")}, .gateways = {}}),
            absl::OkStatus());
  const MacAddress mac({2, 0, 0, 0, 0, 1});
  ASSERT_EQ(CreateSvi(state_, "s", Spec("blue", "blue", {"10.0.0.1/30"})), absl::OkStatus());
  ASSERT_EQ(BindPort(state_, {.port = "host0-0", .bridge = "blue", .mac = mac, .addresses = {}, .claim = 1},
                     AnyFunction),
            absl::OkStatus());
  EXPECT_EQ(state_.model.ports["host0-0"].addresses, Gateways({"10.0.0.2/30"}));
  EXPECT_EQ(
      CreatePort(state_, "host0-1", {.mac = kGatewayMac, .logical_bridges = {"blue"}}, 0, AnyFunction).code(),
      absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(UpdateSvi(state_, "s", Spec("blue", "blue", {"10.0.0.2/30"})).code(),
            absl::StatusCode::kAlreadyExists);
  SviSpec same_mac = Spec("blue", "blue", {"10.0.0.1/30"});
  same_mac.mac = mac;
  EXPECT_EQ(UpdateSvi(state_, "s", same_mac).code(), absl::StatusCode::kAlreadyExists);
}

}  // namespace
}  // namespace xpu
