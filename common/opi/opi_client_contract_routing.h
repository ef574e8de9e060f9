#pragma once

// The part of the contract of OpiClient that is about VRFs and SVIs.

#include <string>
#include <vector>

#include "common/base/ip_address.h"
#include "common/opi/opi_client_contract_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {

namespace network = ::opi_api::network::opinetcommon::v1alpha1;

class OpiClientRoutingContract : public OpiClientContract {
 protected:
  static network::IPPrefix Prefix(absl::string_view text) {
    const InterfaceAddress address = InterfaceAddress::Parse(text).value();
    network::IPPrefix prefix;
    prefix.set_len(address.length);
    prefix.mutable_addr()->set_af(address.address.is_v4() ? network::IP_AF_INET : network::IP_AF_INET6);
    if (address.address.is_v4()) {
      prefix.mutable_addr()->set_v4_addr(static_cast<uint32_t>(address.address.value()));
    } else {
      prefix.mutable_addr()->set_v6_addr(address.address.ToBytes());
    }
    return prefix;
  }
  static evpn::VrfSpec VrfSpec(uint32_t vni) {
    evpn::VrfSpec spec;
    if (vni != 0) spec.set_vni(vni);
    return spec;
  }
  static evpn::SviSpec SviSpec(const std::string& vrf, const std::string& bridge,
                               const std::vector<std::string>& gateways) {
    evpn::SviSpec spec;
    spec.set_vrf(vrf);
    spec.set_logical_bridge(bridge);
    for (const std::string& gateway : gateways) *spec.add_gw_ip_prefix() = Prefix(gateway);
    return spec;
  }
  // VRF "tenant", bridges "blue" and "red".
  void MakeDomain() {
    ASSERT_EQ(opi().CreateVrf("tenant", VrfSpec(0)).status(), absl::OkStatus());
    ASSERT_EQ(opi().CreateLogicalBridge("blue", BridgeSpec(10)).status(), absl::OkStatus());
    ASSERT_EQ(opi().CreateLogicalBridge("red", BridgeSpec(11)).status(), absl::OkStatus());
  }
};

#define EXPECT_CODE(expression, want) EXPECT_EQ((expression).code(), absl::StatusCode::want)

TEST_P(OpiClientRoutingContract, AVrfCanBeMadeReadListedAndDeleted) {
  evpn::VrfSpec spec = VrfSpec(5000);
  *spec.mutable_loopback_ip_prefix() = Prefix("2001:db8::1/128");
  *spec.mutable_vtep_ip_prefix() = Prefix("192.0.2.1/32");
  auto made = opi().CreateVrf("tenant", spec);
  ASSERT_EQ(made.status(), absl::OkStatus());
  EXPECT_EQ(made->name(), "vrfs/tenant");
  EXPECT_EQ(made->spec().SerializeAsString(), spec.SerializeAsString());
  EXPECT_EQ(made->status().oper_status(), evpn::VRF_OPER_STATUS_UP);
  auto got = opi().GetVrf("vrfs/tenant");
  ASSERT_EQ(got.status(), absl::OkStatus());
  EXPECT_EQ(got->spec().SerializeAsString(), spec.SerializeAsString());
  EXPECT_EQ(opi().ListVrfs().value().size(), 1u);
  EXPECT_EQ(opi().DeleteVrf("vrfs/tenant"), absl::OkStatus());
  EXPECT_CODE(opi().GetVrf("vrfs/tenant").status(), kNotFound);
  EXPECT_EQ(opi().DeleteVrf("vrfs/tenant"), absl::OkStatus());
  EXPECT_THAT(opi().ListVrfs().value(), ::testing::IsEmpty());
}

TEST_P(OpiClientRoutingContract, TheSameVrfAgainIsTheOneThatIsThere) {
  ASSERT_TRUE(opi().CreateVrf("tenant", VrfSpec(1)).ok());
  EXPECT_EQ(opi().CreateVrf("tenant", VrfSpec(1)).status(), absl::OkStatus());
  EXPECT_CODE(opi().CreateVrf("tenant", VrfSpec(2)).status(), kAlreadyExists);
  EXPECT_CODE(opi().CreateVrf("other", VrfSpec(1)).status(), kAlreadyExists);
  EXPECT_CODE(opi().CreateLogicalBridge("blue", BridgeSpec(10, 1)).status(), kAlreadyExists);
}

TEST_P(OpiClientRoutingContract, BadVrfsAreRefusedWithTheField) {
  auto vni = opi().CreateVrf("tenant", VrfSpec(0x1000000)).status();
  EXPECT_CODE(vni, kInvalidArgument);
  EXPECT_THAT(std::string(vni.message()), ::testing::HasSubstr("vrf.spec.vni"));
  evpn::VrfSpec spec;
  *spec.mutable_loopback_ip_prefix() = Prefix("192.0.2.1/32");
  spec.mutable_loopback_ip_prefix()->set_len(33);
  auto loopback = opi().CreateVrf("tenant", spec).status();
  EXPECT_CODE(loopback, kInvalidArgument);
  EXPECT_THAT(std::string(loopback.message()), ::testing::HasSubstr("vrf.spec.loopback_ip_prefix"));
  EXPECT_CODE(opi().CreateVrf("a/b", VrfSpec(0)).status(), kInvalidArgument);
  EXPECT_CODE(opi().GetVrf("svis/tenant").status(), kInvalidArgument);
  EXPECT_THAT(opi().ListVrfs().value(), ::testing::IsEmpty());
}

TEST_P(OpiClientRoutingContract, AnSviCanBeMadeReadListedAndDeleted) {
  MakeDomain();
  auto made = opi().CreateSvi(
      "blue", SviSpec("vrfs/tenant", "logicalBridges/blue", {"10.0.0.1/24", "2001:db8::1/64"}));
  ASSERT_EQ(made.status(), absl::OkStatus());
  EXPECT_EQ(made->name(), "svis/blue");
  EXPECT_EQ(made->spec().vrf(), "vrfs/tenant");
  EXPECT_EQ(made->spec().logical_bridge(), "logicalBridges/blue");
  EXPECT_EQ(made->spec().mac_address(), std::string("\x02\x58\x50\0\0\x01", 6)) << "the gateways' own";
  EXPECT_EQ(made->spec().gw_ip_prefix_size(), 2);
  auto got = opi().GetSvi("svis/blue");
  ASSERT_EQ(got.status(), absl::OkStatus());
  EXPECT_EQ(got->spec().SerializeAsString(), made->spec().SerializeAsString());
  EXPECT_EQ(opi().ListSvis().value().size(), 1u);
  for (const absl::Status& status :
       {opi().DeleteVrf("vrfs/tenant"), opi().DeleteLogicalBridge("logicalBridges/blue")}) {
    EXPECT_CODE(status, kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("svis/blue"));
  }
  EXPECT_EQ(opi().DeleteSvi("svis/blue"), absl::OkStatus());
  EXPECT_EQ(opi().DeleteSvi("svis/blue"), absl::OkStatus());
  EXPECT_CODE(opi().GetSvi("svis/blue").status(), kNotFound);
  EXPECT_EQ(opi().DeleteVrf("vrfs/tenant"), absl::OkStatus());
}

TEST_P(OpiClientRoutingContract, AnSviCanBeChangedAsAWhole) {
  MakeDomain();
  const auto before = SviSpec("vrfs/tenant", "logicalBridges/blue", {"10.0.0.1/24", "10.0.1.1/24"});
  ASSERT_TRUE(opi().CreateSvi("blue", before).ok());
  EXPECT_EQ(opi().CreateSvi("blue", before).status(), absl::OkStatus());
  evpn::SviSpec after = SviSpec("vrfs/tenant", "logicalBridges/red", {"10.0.2.1/24"});
  after.set_mac_address(Mac(1));
  EXPECT_CODE(opi().CreateSvi("blue", after).status(), kAlreadyExists);
  auto changed = opi().UpdateSvi("svis/blue", after);
  ASSERT_EQ(changed.status(), absl::OkStatus());
  EXPECT_EQ(changed->spec().SerializeAsString(), after.SerializeAsString());
  EXPECT_CODE(opi().UpdateSvi("svis/none", after).status(), kNotFound);
}

TEST_P(OpiClientRoutingContract, BadSvisAreRefusedWithTheField) {
  MakeDomain();
  auto refused = [this](const evpn::SviSpec& spec, absl::StatusCode code, const char* field) {
    auto status = opi().CreateSvi("blue", spec).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr(field));
  };
  const std::string vrf = "vrfs/tenant", bridge = "logicalBridges/blue";
  refused(SviSpec(vrf, bridge, {}), absl::StatusCode::kInvalidArgument, "svi.spec.gw_ip_prefix");
  refused(SviSpec("logicalBridges/x", bridge, {"10.0.0.1/24"}), absl::StatusCode::kInvalidArgument,
          "svi.spec.vrf");
  refused(SviSpec(vrf, "", {"10.0.0.1/24"}), absl::StatusCode::kInvalidArgument, "svi.spec.logical_bridge");
  refused(SviSpec("vrfs/none", bridge, {"10.0.0.1/24"}), absl::StatusCode::kFailedPrecondition,
          "svi.spec.vrf");
  refused(SviSpec(vrf, "logicalBridges/none", {"10.0.0.1/24"}), absl::StatusCode::kFailedPrecondition,
          "svi.spec.logical_bridge");
  evpn::SviSpec bad_mac = SviSpec(vrf, bridge, {"10.0.0.1/24"});
  bad_mac.set_mac_address("short");
  refused(bad_mac, absl::StatusCode::kInvalidArgument, "svi.spec.mac_address");
  evpn::SviSpec bad_v6 = SviSpec(vrf, bridge, {"10.0.0.1/24", "2001:db8::1/64"});
  bad_v6.mutable_gw_ip_prefix(1)->mutable_addr()->set_v6_addr("4444");
  refused(bad_v6, absl::StatusCode::kInvalidArgument, "svi.spec.gw_ip_prefix[1]");
  EXPECT_THAT(opi().ListSvis().value(), ::testing::IsEmpty());
}

TEST_P(OpiClientRoutingContract, GatewaysDoNotGetInEachOthersWay) {
  MakeDomain();
  ASSERT_TRUE(opi().CreateVrf("other", VrfSpec(0)).ok());
  ASSERT_TRUE(opi().CreateSvi("blue", SviSpec("tenant", "blue", {"10.0.0.1/24"})).ok());
  EXPECT_CODE(opi().CreateSvi("again", SviSpec("other", "blue", {"10.9.0.1/24"})).status(), kAlreadyExists);
  EXPECT_CODE(opi().CreateSvi("red", SviSpec("tenant", "red", {"10.0.0.1/16"})).status(), kAlreadyExists);
  EXPECT_EQ(opi().CreateSvi("red", SviSpec("other", "red", {"10.0.0.1/16"})).status(), absl::OkStatus());
}

#undef EXPECT_CODE

}  // namespace xpu
