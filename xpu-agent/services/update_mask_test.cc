#include "xpu-agent/services/update_mask.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "opi/network/evpn_gw/v1alpha1/evpn_gw.pb.h"

namespace xpu {
namespace {

namespace evpn = ::opi_api::network::evpn_gw::v1alpha1;
using ::testing::ElementsAre;

evpn::BridgePort Port(const std::string& mac, const std::vector<std::string>& bridges) {
  evpn::BridgePort port;
  port.set_name("bridgePorts/x");
  port.mutable_spec()->set_mac_address(mac);
  for (const std::string& bridge : bridges) port.mutable_spec()->add_logical_bridges(bridge);
  return port;
}

google::protobuf::FieldMask Mask(const std::vector<std::string>& paths) {
  google::protobuf::FieldMask mask;
  for (const std::string& path : paths) mask.add_paths(path);
  return mask;
}

TEST(UpdateMask, WithoutOneWhatIsSetIsCarriedOver) {
  evpn::BridgePort to = Port("old", {"a"});
  ASSERT_EQ(ApplyUpdateMask({}, Port("new", {}), &to), absl::OkStatus());
  EXPECT_EQ(to.spec().mac_address(), "new");
  EXPECT_THAT(to.spec().logical_bridges(), ElementsAre("a"));
}

TEST(UpdateMask, RepeatedFieldsAreReplacedNotAppended) {
  evpn::BridgePort to = Port("old", {"a", "b"});
  ASSERT_EQ(ApplyUpdateMask(Mask({"spec.logical_bridges"}), Port("new", {"c"}), &to), absl::OkStatus());
  EXPECT_EQ(to.spec().mac_address(), "old");
  EXPECT_THAT(to.spec().logical_bridges(), ElementsAre("c"));
}

TEST(UpdateMask, ANamedFieldThatIsNotSetIsCleared) {
  evpn::BridgePort to = Port("old", {"a"});
  ASSERT_EQ(ApplyUpdateMask(Mask({"spec.logical_bridges"}), Port("new", {}), &to), absl::OkStatus());
  EXPECT_EQ(to.spec().logical_bridges_size(), 0);
}

TEST(UpdateMask, TheWholeSpecReplacesTheWholeSpec) {
  for (const char* path : {"spec", "*"}) {
    evpn::BridgePort to = Port("old", {"a"});
    to.mutable_spec()->set_ptype(evpn::BRIDGE_PORT_TYPE_TRUNK);
    ASSERT_EQ(ApplyUpdateMask(Mask({path}), Port("new", {"c"}), &to), absl::OkStatus());
    EXPECT_EQ(to.spec().SerializeAsString(), Port("new", {"c"}).spec().SerializeAsString());
  }
}

TEST(UpdateMask, NestedFieldsAreChangedAlone) {
  evpn::Vrf to, from;
  to.mutable_spec()->mutable_vtep_ip_prefix()->set_len(24);
  to.mutable_spec()->mutable_vtep_ip_prefix()->mutable_addr()->set_v4_addr(1);
  from.mutable_spec()->mutable_vtep_ip_prefix()->mutable_addr()->set_v6_addr("six");
  ASSERT_EQ(ApplyUpdateMask(Mask({"spec.vtep_ip_prefix.addr.v6_addr"}), from, &to), absl::OkStatus());
  EXPECT_EQ(to.spec().vtep_ip_prefix().addr().v6_addr(), "six");
  EXPECT_FALSE(to.spec().vtep_ip_prefix().addr().has_v4_addr()) << "an address is one of the two";
  EXPECT_EQ(to.spec().vtep_ip_prefix().len(), 24);
  ASSERT_EQ(ApplyUpdateMask(Mask({"spec.vtep_ip_prefix.len"}), from, &to), absl::OkStatus());
  EXPECT_EQ(to.spec().vtep_ip_prefix().len(), 0);
}

TEST(UpdateMask, AMessageThatIsNamedIsReplacedOrCleared) {
  evpn::Vrf to, from;
  to.mutable_spec()->mutable_vtep_ip_prefix()->set_len(24);
  to.mutable_spec()->set_vni(7);
  from.mutable_spec()->mutable_vtep_ip_prefix()->mutable_addr()->set_v4_addr(1);
  ASSERT_EQ(ApplyUpdateMask(Mask({"spec.vtep_ip_prefix"}), from, &to), absl::OkStatus());
  EXPECT_EQ(to.spec().vtep_ip_prefix().SerializeAsString(), from.spec().vtep_ip_prefix().SerializeAsString());
  ASSERT_EQ(ApplyUpdateMask(Mask({"spec.vtep_ip_prefix"}), evpn::Vrf(), &to), absl::OkStatus());
  EXPECT_FALSE(to.spec().has_vtep_ip_prefix());
  ASSERT_EQ(ApplyUpdateMask(Mask({"spec.vni"}), from, &to), absl::OkStatus());
  EXPECT_FALSE(to.spec().has_vni());
}

TEST(UpdateMask, WhatOnlyTheAgentSetsStays) {
  for (const char* path : {"name", "status", "status.oper_status"}) {
    evpn::BridgePort to = Port("old", {"a"}), from = Port("new", {});
    from.set_name("bridgePorts/y");
    from.mutable_status()->set_oper_status(evpn::BP_OPER_STATUS_UP);
    EXPECT_EQ(ApplyUpdateMask(Mask({path}), from, &to), absl::OkStatus()) << path;
    EXPECT_EQ(to.SerializeAsString(), Port("old", {"a"}).SerializeAsString()) << path;
  }
}

TEST(UpdateMask, UnknownPathsAreRefused) {
  for (const char* path : {"", "spec.", "spec.mac", "mac_address", "spec.mac_address.x", "spec.*",
                           "spec.logical_bridges.x", "Spec"}) {
    evpn::BridgePort to = Port("old", {"a"});
    EXPECT_EQ(ApplyUpdateMask(Mask({"spec", path}), Port("new", {}), &to).code(),
              absl::StatusCode::kInvalidArgument)
        << path;
    EXPECT_EQ(to.spec().mac_address(), "old");
  }
}

}  // namespace
}  // namespace xpu
