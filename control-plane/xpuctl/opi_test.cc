#include "control-plane/xpuctl/opi.h"

#include <memory>
#include <sstream>

#include "absl/strings/match.h"
#include "common/sys/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "opi/network/evpn_gw/v1alpha1/evpn_gw.grpc.pb.h"

namespace xpu {
namespace {

namespace evpn = ::opi_api::network::evpn_gw::v1alpha1;
using ::testing::AllOf;
using ::testing::HasSubstr;

// Has one SVI that is down, two bridges on two pages, and takes a VRF.
class SomeBridge : public evpn::SviService::Service,
                   public evpn::LogicalBridgeService::Service,
                   public evpn::VrfService::Service {
 public:
  grpc::Status ListSvis(grpc::ServerContext*, const evpn::ListSvisRequest*,
                        evpn::ListSvisResponse* answer) override {
    evpn::Svi* svi = answer->add_svis();
    svi->set_name("svis/blue");
    svi->mutable_spec()->set_vrf("vrfs/tenant");
    svi->mutable_spec()->set_logical_bridge("logicalBridges/blue");
    svi->mutable_spec()->set_mac_address(std::string("\x02\x58\x50\0\0\x01", 6));
    svi->mutable_spec()->add_gw_ip_prefix()->set_len(24);
    svi->mutable_spec()->mutable_gw_ip_prefix(0)->mutable_addr()->set_v4_addr(0x0a000001);
    svi->mutable_status()->set_oper_status(evpn::SVI_OPER_STATUS_DOWN);
    evpn::Component* component = svi->mutable_status()->add_components();
    component->set_name("switch");
    component->set_status(evpn::COMP_STATUS_PENDING);
    component->set_details("on the way");
    return grpc::Status::OK;
  }
  grpc::Status ListLogicalBridges(grpc::ServerContext*, const evpn::ListLogicalBridgesRequest* request,
                                  evpn::ListLogicalBridgesResponse* answer) override {
    evpn::LogicalBridge* bridge = answer->add_logical_bridges();
    const bool first = request->page_token().empty();
    bridge->set_name(first ? "logicalBridges/blue" : "logicalBridges/red");
    bridge->mutable_spec()->set_vlan_id(first ? 10 : 11);
    if (!first) bridge->mutable_spec()->set_vni(5000);
    bridge->mutable_status()->set_oper_status(evpn::LB_OPER_STATUS_UP);
    if (first) answer->set_next_page_token("more");
    return grpc::Status::OK;
  }
  grpc::Status CreateVrf(grpc::ServerContext*, const evpn::CreateVrfRequest* request,
                         evpn::Vrf* answer) override {
    if (request->vrf_id().empty()) return {grpc::StatusCode::INVALID_ARGUMENT, "vrf_id: is missing"};
    answer->set_name("vrfs/" + request->vrf_id());
    answer->mutable_spec()->CopyFrom(request->vrf().spec());
    return grpc::Status::OK;
  }
};

class XpuctlOpi : public ::testing::Test {
 protected:
  XpuctlOpi() {
    options_.agent = "unix:" + folder_.path() + "/agent.sock";
    server_ = RpcServer::Start({options_.agent}, {static_cast<evpn::SviService::Service*>(&bridge_),
                                                  static_cast<evpn::LogicalBridgeService::Service*>(&bridge_),
                                                  static_cast<evpn::VrfService::Service*>(&bridge_)})
                  .value();
  }
  std::string Show(const std::string& what, const std::string& output) {
    options_.what = what;
    options_.output = output;
    std::ostringstream out;
    EXPECT_EQ(ShowOpi(options_, out), absl::OkStatus());
    return out.str();
  }

  TemporaryDirectory folder_ = TemporaryDirectory::Make().value();
  OpiOptions options_;
  SomeBridge bridge_;
  std::unique_ptr<RpcServer> server_;
};

TEST_F(XpuctlOpi, ShowsObjectsWithWhatKeepsThemDown) {
  EXPECT_THAT(Show("svis", "table"),
              AllOf(HasSubstr("GATEWAYS"), HasSubstr("svis/blue"), HasSubstr("02:58:50:00:00:01"),
                    HasSubstr("10.0.0.1/24"), HasSubstr("down"), HasSubstr("switch: on the way")));
}

TEST_F(XpuctlOpi, ShowsAllPages) {
  EXPECT_THAT(Show("bridges", "table"),
              AllOf(HasSubstr("logicalBridges/blue"), HasSubstr("logicalBridges/red"), HasSubstr("5000")));
}

TEST_F(XpuctlOpi, ShowsJsonForPrograms) {
  EXPECT_THAT(Show("bridges", "json"),
              AllOf(HasSubstr("{\"items\":[{\"name\":\"logicalBridges/blue\""), HasSubstr("\"vlanId\":10")));
}

TEST_F(XpuctlOpi, MakesACallOfAnyMethod) {
  options_.method = "VrfService/CreateVrf";
  options_.request = R"({"vrf_id": "tenant", "vrf": {"spec": {"vni": 5}}})";
  std::ostringstream out;
  ASSERT_EQ(CallOpi(options_, out), absl::OkStatus());
  EXPECT_THAT(out.str(), AllOf(HasSubstr("\"vrfs/tenant\""), HasSubstr("\"vni\": 5")));
  options_.request = "{}";
  EXPECT_EQ(CallOpi(options_, out), absl::InvalidArgumentError("vrf_id: is missing"));
}

TEST_F(XpuctlOpi, SaysWhatIsWrongWithACall) {
  std::ostringstream out;
  for (const char* method : {"", "VrfService", "VrfService/Paint", "NoService/ListVrfs", "a/b/c"}) {
    options_.method = method;
    EXPECT_EQ(CallOpi(options_, out).code(), absl::StatusCode::kNotFound) << method;
  }
  options_.method = "opi_api.network.evpn_gw.v1alpha1.VrfService/CreateVrf";
  options_.request = R"({"color": 1})";
  EXPECT_EQ(CallOpi(options_, out).code(), absl::StatusCode::kInvalidArgument);
  server_.reset();
  options_.request = "{}";
  const absl::Status status = CallOpi(options_, out);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(absl::StrContains(status.message(), "XPU_AGENT")) << status;
}

}  // namespace
}  // namespace xpu
