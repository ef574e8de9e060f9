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

TEST(UpdateMask, UnknownPathsAreRefused) {
  for (const char* path : {"", "name", "status", "status.oper_status", "spec.", "spec.mac", "mac_address"}) {
    evpn::BridgePort to = Port("old", {"a"});
    EXPECT_EQ(ApplyUpdateMask(Mask({path}), Port("new", {}), &to).code(), absl::StatusCode::kInvalidArgument)
        << path;
    EXPECT_EQ(to.spec().mac_address(), "old");
  }
}

}  // namespace
}  // namespace xpu
