// OPI as any client speaks it, beyond what OpiClient uses: pages, masks, names, ids, and what is malformed.

#include <memory>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/base/ip_address.h"
#include "common/rpc/bad_request.h"
#include "common/rpc/rpc.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "opi/network/evpn_gw/v1alpha1/evpn_gw.grpc.pb.h"
#include "test/component/agent/agent_testing.h"
#include "xpu/agent/v1/port_service.grpc.pb.h"

namespace xpu {
namespace {

using testing::AgentOnFakes;
using ::testing::HasSubstr;

class AgentOpi : public ::testing::Test {
 protected:
  AgentOpi()
      : channel_(MakeChannel(agent_.address()).value()),
        bridges_(evpn::LogicalBridgeService::NewStub(channel_)),
        ports_(evpn::BridgePortService::NewStub(channel_)) {}

  absl::StatusOr<evpn::LogicalBridge> UpdateBridge(const evpn::UpdateLogicalBridgeRequest& request) {
    grpc::ClientContext context;
    evpn::LogicalBridge answer;
    grpc::Status status = bridges_->UpdateLogicalBridge(&context, request, &answer);
    if (!status.ok()) return FromGrpc(status);
    return answer;
  }
  absl::StatusOr<evpn::ListLogicalBridgesResponse> ListBridges(int size, const std::string& token) {
    grpc::ClientContext context;
    evpn::ListLogicalBridgesRequest request;
    request.set_page_size(size);
    request.set_page_token(token);
    evpn::ListLogicalBridgesResponse answer;
    grpc::Status status = bridges_->ListLogicalBridges(&context, request, &answer);
    if (!status.ok()) return FromGrpc(status);
    return answer;
  }
  absl::StatusOr<evpn::BridgePort> CreatePort(const evpn::CreateBridgePortRequest& request,
                                              const std::string& claim = "") {
    grpc::ClientContext context;
    if (!claim.empty()) context.AddMetadata("xpu-claim", claim);
    evpn::BridgePort answer;
    grpc::Status status = ports_->CreateBridgePort(&context, request, &answer);
    if (!status.ok()) return FromGrpc(status);
    return answer;
  }

  AgentOnFakes agent_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<evpn::LogicalBridgeService::Stub> bridges_;
  std::unique_ptr<evpn::BridgePortService::Stub> ports_;
};

TEST_F(AgentOpi, PagesListEverythingOnceAlsoWhileObjectsComeAndGo) {
  for (int i = 10; i < 20; ++i) {
    ASSERT_TRUE(agent_.client().CreateLogicalBridge(absl::StrCat("b", i), BridgeSpecOf(i)).ok());
  }
  std::multiset<std::string> seen;
  std::string token;
  int pages = 0;
  do {
    auto page = ListBridges(3, token);
    ASSERT_EQ(page.status(), absl::OkStatus());
    EXPECT_LE(page->logical_bridges_size(), 3);
    for (const auto& bridge : page->logical_bridges()) seen.insert(bridge.name());
    token = page->next_page_token();
    if (++pages == 1) {
      // One that was listed goes, one comes before and one after the place where the next page begins.
      ASSERT_EQ(agent_.client().DeleteLogicalBridge("logicalBridges/b12"), absl::OkStatus());
      ASSERT_TRUE(agent_.client().CreateLogicalBridge("b00", BridgeSpecOf(100)).ok());
      ASSERT_TRUE(agent_.client().CreateLogicalBridge("b99", BridgeSpecOf(199)).ok());
    }
  } while (!token.empty());
  for (int i = 10; i < 20; ++i) EXPECT_EQ(seen.count(absl::StrCat("logicalBridges/b", i)), 1u) << i;
  EXPECT_EQ(seen.count("logicalBridges/b99"), 1u);
}

TEST_F(AgentOpi, TheLastPageHasNoTokenEvenIfItIsFull) {
  for (int i = 1; i <= 4; ++i) {
    ASSERT_TRUE(agent_.client().CreateLogicalBridge(absl::StrCat("b", i), BridgeSpecOf(i)).ok());
  }
  auto page = ListBridges(2, "");
  ASSERT_EQ(page.status(), absl::OkStatus());
  page = ListBridges(2, page->next_page_token());
  ASSERT_EQ(page.status(), absl::OkStatus());
  EXPECT_EQ(page->logical_bridges_size(), 2);
  EXPECT_EQ(page->next_page_token(), "");
}

TEST_F(AgentOpi, BadPagesAreRefused) {
  EXPECT_EQ(ListBridges(-1, "").status().code(), absl::StatusCode::kInvalidArgument);
  absl::Status status = ListBridges(1, "rubbish").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("page_token"));
}

TEST_F(AgentOpi, UpdateChangesTheFieldsOfTheMaskOnly) {
  ASSERT_TRUE(agent_.client().CreateLogicalBridge("blue", BridgeSpecOf(10)).ok());
  evpn::UpdateLogicalBridgeRequest request;
  request.mutable_logical_bridge()->set_name("logicalBridges/blue");
  request.mutable_logical_bridge()->mutable_spec()->set_vlan_id(11);
  request.mutable_logical_bridge()->mutable_spec()->set_vni(77);
  request.mutable_update_mask()->add_paths("spec.vlan_id");
  auto updated = UpdateBridge(request);
  ASSERT_EQ(updated.status(), absl::OkStatus());
  EXPECT_EQ(updated->spec().vlan_id(), 11u);
  EXPECT_EQ(updated->spec().vni(), 10u);
  EXPECT_EQ(updated->status().oper_status(), evpn::LB_OPER_STATUS_UP);
  // A field of the mask that is not set is cleared.
  request.mutable_logical_bridge()->mutable_spec()->clear_vni();
  request.mutable_update_mask()->set_paths(0, "spec.vni");
  updated = UpdateBridge(request);
  ASSERT_EQ(updated.status(), absl::OkStatus());
  EXPECT_FALSE(updated->spec().has_vni());
}

TEST_F(AgentOpi, UpdateWithoutAMaskChangesWhatIsSet) {
  ASSERT_TRUE(agent_.client().CreateLogicalBridge("blue", BridgeSpecOf(10)).ok());
  evpn::UpdateLogicalBridgeRequest request;
  request.mutable_logical_bridge()->set_name("//network.opiproject.org/bridges/blue");
  request.mutable_logical_bridge()->mutable_spec()->set_vni(77);
  auto updated = UpdateBridge(request);
  ASSERT_EQ(updated.status(), absl::OkStatus());
  EXPECT_EQ(updated->name(), "//network.opiproject.org/bridges/blue");
  EXPECT_EQ(updated->spec().vlan_id(), 10u);
  EXPECT_EQ(updated->spec().vni(), 77u);
}

TEST_F(AgentOpi, UpdateOfWhatIsNotThere) {
  evpn::UpdateLogicalBridgeRequest request;
  request.mutable_logical_bridge()->set_name("logicalBridges/blue");
  *request.mutable_logical_bridge()->mutable_spec() = BridgeSpecOf(10);
  EXPECT_EQ(UpdateBridge(request).status().code(), absl::StatusCode::kNotFound);
  request.set_allow_missing(true);
  EXPECT_EQ(UpdateBridge(request).status(), absl::OkStatus());
  EXPECT_TRUE(agent_.client().GetLogicalBridge("logicalBridges/blue").ok());
}

TEST_F(AgentOpi, AMaskWithAnUnknownFieldIsRefused) {
  ASSERT_TRUE(agent_.client().CreateLogicalBridge("blue", BridgeSpecOf(10)).ok());
  evpn::UpdateLogicalBridgeRequest request;
  request.mutable_logical_bridge()->set_name("logicalBridges/blue");
  for (const char* path : {"colour", "spec.colour", "spec.vni.x", "spec.vtep_ip_prefix.length"}) {
    request.mutable_update_mask()->clear_paths();
    request.mutable_update_mask()->add_paths(path);
    absl::Status status = UpdateBridge(request).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << path;
    EXPECT_THAT(std::string(status.message()), HasSubstr(path));
  }
}

TEST_F(AgentOpi, AVtepIsCarriedAndChecked) {
  evpn::LogicalBridgeSpec spec = BridgeSpecOf(10);
  spec.mutable_vtep_ip_prefix()->set_len(32);
  spec.mutable_vtep_ip_prefix()->mutable_addr()->set_v4_addr(0xc0000201);
  auto made = agent_.client().CreateLogicalBridge("blue", spec);
  ASSERT_EQ(made.status(), absl::OkStatus());
  EXPECT_EQ(made->spec().vtep_ip_prefix().addr().v4_addr(), 0xc0000201u);
  spec.set_vlan_id(11);
  spec.set_vni(11);
  spec.mutable_vtep_ip_prefix()->set_len(33);
  absl::Status status = agent_.client().CreateLogicalBridge("red", spec).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("vtep_ip_prefix"));
  spec.mutable_vtep_ip_prefix()->mutable_addr()->set_v6_addr("short");
  EXPECT_EQ(agent_.client().CreateLogicalBridge("red", spec).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(AgentOpi, DeleteOfWhatIsNotThereIsNotFoundUnlessAllowed) {
  grpc::ClientContext context;
  evpn::DeleteBridgePortRequest request;
  request.set_name("host0-0");
  google::protobuf::Empty empty;
  EXPECT_EQ(ports_->DeleteBridgePort(&context, request, &empty).error_code(), grpc::StatusCode::NOT_FOUND);
  grpc::ClientContext again;
  request.set_allow_missing(true);
  EXPECT_TRUE(ports_->DeleteBridgePort(&again, request, &empty).ok());
}

TEST_F(AgentOpi, AListOfNothingIsEmptyAndNoError) {
  EXPECT_THAT(*agent_.client().ListVrfs(), ::testing::IsEmpty());
  EXPECT_THAT(*agent_.client().ListLogicalBridges(), ::testing::IsEmpty());
  EXPECT_THAT(*agent_.client().ListBridgePorts(), ::testing::IsEmpty());
  EXPECT_THAT(*agent_.client().ListSvis(), ::testing::IsEmpty());
}

TEST_F(AgentOpi, AnIdMayBeLeftOutOrStandInTheName) {
  evpn::CreateBridgePortRequest request;
  *request.mutable_bridge_port()->mutable_spec() = PortSpecOf(1);
  request.mutable_bridge_port()->set_name("host0-2");
  auto named = CreatePort(request);
  ASSERT_EQ(named.status(), absl::OkStatus());
  EXPECT_EQ(named->name(), "bridgePorts/host0-2");
  request.mutable_bridge_port()->clear_name();
  auto first = CreatePort(request);
  auto second = CreatePort(request);
  ASSERT_EQ(first.status(), absl::OkStatus());
  ASSERT_EQ(second.status(), absl::OkStatus());
  EXPECT_NE(first->name(), second->name());
  // No function has such a name: it is kept, and said to be down.
  EXPECT_EQ(first->status().oper_status(), evpn::BP_OPER_STATUS_DOWN);
}

TEST_F(AgentOpi, AnswersInTheDialectOfTheRequest) {
  ASSERT_TRUE(agent_.client().CreateLogicalBridge("blue", BridgeSpecOf(10)).ok());
  evpn::CreateBridgePortRequest request;
  request.set_bridge_port_id("host0-2");
  *request.mutable_bridge_port()->mutable_spec() = PortSpecOf(1);
  request.mutable_bridge_port()->mutable_spec()->add_logical_bridges("//network.opiproject.org/bridges/blue");
  auto by_reference = CreatePort(request);
  ASSERT_EQ(by_reference.status(), absl::OkStatus());
  EXPECT_EQ(by_reference->name(), "//network.opiproject.org/ports/host0-2");
  EXPECT_EQ(by_reference->spec().logical_bridges(0), "//network.opiproject.org/bridges/blue");
  request.mutable_bridge_port()->set_name("bridgePorts/host0-2");
  auto by_name = CreatePort(request);
  ASSERT_EQ(by_name.status(), absl::OkStatus());
  EXPECT_EQ(by_name->name(), "bridgePorts/host0-2");
  EXPECT_EQ(by_name->spec().logical_bridges(0), "logicalBridges/blue");
  auto got = agent_.client().GetBridgePort("//network.opiproject.org/ports/host0-2");
  ASSERT_EQ(got.status(), absl::OkStatus());
  EXPECT_EQ(got->name(), "//network.opiproject.org/ports/host0-2");
  EXPECT_EQ(agent_.client().GetBridgePort("host0-2")->name(), "bridgePorts/host0-2");
}

// OpenShift's dpu-operator: the id in the name, no id, and a VLAN for a bridge.
TEST_F(AgentOpi, APortMayNameAVlanAsDpuOperatorDoes) {
  evpn::CreateBridgePortRequest request;
  request.mutable_bridge_port()->set_name("host0-1");
  *request.mutable_bridge_port()->mutable_spec() = PortSpecOf(1);
  request.mutable_bridge_port()->mutable_spec()->add_logical_bridges("0");
  auto made = CreatePort(request);
  ASSERT_EQ(made.status(), absl::OkStatus());
  EXPECT_EQ(made->name(), "bridgePorts/host0-1");
  EXPECT_THAT(made->spec().logical_bridges(), ::testing::ElementsAre("0"));
  EXPECT_EQ(made->status().oper_status(), evpn::BP_OPER_STATUS_UP);
  EXPECT_EQ(CreatePort(request).status(), absl::OkStatus()) << "the same again";
  // Its network has this port's flows.
  EXPECT_NE(agent_.the_switch().all_flows().size(), 0u);
  EXPECT_EQ(agent_.client().DeleteBridgePort("host0-1", 0), absl::OkStatus());
  EXPECT_EQ(agent_.client().GetBridgePort("host0-1").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(AgentOpi, AVlanIsTheBridgeOfThatVlanUnlessItHasAVni) {
  evpn::LogicalBridgeSpec local;
  local.set_vlan_id(20);
  ASSERT_TRUE(agent_.client().CreateLogicalBridge("local", local).ok());
  ASSERT_TRUE(agent_.client().CreateLogicalBridge("tenant", BridgeSpecOf(21)).ok());
  evpn::CreateBridgePortRequest request;
  request.mutable_bridge_port()->set_name("host0-1");
  *request.mutable_bridge_port()->mutable_spec() = PortSpecOf(1);
  request.mutable_bridge_port()->mutable_spec()->add_logical_bridges("20");
  auto in_local = CreatePort(request);
  ASSERT_EQ(in_local.status(), absl::OkStatus());
  EXPECT_THAT(in_local->spec().logical_bridges(), ::testing::ElementsAre("logicalBridges/local"));
  request.mutable_bridge_port()->set_name("host0-2");
  *request.mutable_bridge_port()->mutable_spec() = PortSpecOf(2);
  request.mutable_bridge_port()->mutable_spec()->add_logical_bridges("21");
  EXPECT_EQ(CreatePort(request).status().code(), absl::StatusCode::kFailedPrecondition)
      << "somebody else's network must not be found by a number that it has on this card only";
}

TEST_F(AgentOpi, ComponentsTellWhatIsAskedForAndNotDone) {
  evpn::VrfSpec spec;
  spec.set_vni(5000);
  for (auto* address : {spec.mutable_loopback_ip_prefix(), spec.mutable_vtep_ip_prefix()}) {
    address->set_len(32);
    address->mutable_addr()->set_v4_addr(0xc63364fe);
  }
  const auto vrf = agent_.client().CreateVrf("tenant", spec);
  ASSERT_EQ(vrf.status(), absl::OkStatus());
  EXPECT_EQ(vrf->status().oper_status(), evpn::VRF_OPER_STATUS_UP);
  std::set<std::string> missing;
  for (const evpn::Component& component : vrf->status().components()) {
    if (component.status() == evpn::COMP_STATUS_SUCCESS) continue;
    missing.insert(component.name());
    EXPECT_NE(component.details(), "") << component.name();
  }
  EXPECT_THAT(missing, ::testing::ElementsAre("loopback", "vni", "vtep"));
  // A gateway that speaks no BGP, and a network that is to be on other cards while this one has no tunnels.
  MakeNetwork(agent_.client(), "blue", 10);
  evpn::SviSpec svi;
  svi.set_vrf("vrfs/tenant");
  svi.set_logical_bridge("logicalBridges/blue");
  svi.set_enable_bgp(true);
  svi.set_remote_as(65000);
  svi.add_gw_ip_prefix()->set_len(24);
  svi.mutable_gw_ip_prefix(0)->mutable_addr()->set_v4_addr(0x0a0000fe);
  const auto gateway = agent_.client().CreateSvi("blue", svi);
  ASSERT_EQ(gateway.status(), absl::OkStatus());
  const auto bridge = agent_.client().GetLogicalBridge("logicalBridges/blue");
  ASSERT_EQ(bridge.status(), absl::OkStatus());
  for (const auto& [status, name] :
       {std::pair(gateway->status().components(), "bgp"), std::pair(bridge->status().components(), "vni")}) {
    ASSERT_EQ(status.size(), 2) << name;
    EXPECT_EQ(status[1].name(), name);
    EXPECT_EQ(status[1].status(), evpn::COMP_STATUS_ERROR);
    EXPECT_THAT(status[1].details(), ::testing::StartsWith("not realised: "));
  }
  const auto plain = agent_.client().CreateVrf("plain", {});
  ASSERT_EQ(plain.status(), absl::OkStatus());
  ASSERT_EQ(plain->status().components_size(), 1);
  EXPECT_EQ(plain->status().components(0).name(), "switch");
  EXPECT_EQ(plain->status().components(0).status(), evpn::COMP_STATUS_SUCCESS);
}

TEST_F(AgentOpi, AnObjectThatTheSwitchHasNotConfirmedIsDownAndSaysWhy) {
  agent_.the_switch().Disconnect();
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(500));
  evpn::CreateLogicalBridgeRequest request;
  request.set_logical_bridge_id("blue");
  *request.mutable_logical_bridge()->mutable_spec() = BridgeSpecOf(10);
  evpn::LogicalBridge answer;
  // The agent's answer may meet the caller's deadline.
  EXPECT_THAT(bridges_->CreateLogicalBridge(&context, request, &answer).error_code(),
              ::testing::AnyOf(grpc::StatusCode::UNAVAILABLE, grpc::StatusCode::DEADLINE_EXCEEDED));
  auto bridge = agent_.client().GetLogicalBridge("logicalBridges/blue");
  ASSERT_EQ(bridge.status(), absl::OkStatus()) << "it stays wanted";
  EXPECT_EQ(bridge->status().oper_status(), evpn::LB_OPER_STATUS_DOWN);
  EXPECT_EQ(bridge->status().components(0).status(), evpn::COMP_STATUS_PENDING);
  EXPECT_NE(bridge->status().components(0).details(), "");
  agent_.the_switch().Connect(/*keep_flows=*/true);
  EXPECT_EQ(agent_.client().CreateLogicalBridge("blue", BridgeSpecOf(10))->status().oper_status(),
            evpn::LB_OPER_STATUS_UP);
}

TEST_F(AgentOpi, AllWrongFieldsAreNamedAtOnce) {
  evpn::CreateBridgePortRequest request;
  request.mutable_bridge_port()->mutable_spec()->set_mac_address("short");
  request.mutable_bridge_port()->mutable_spec()->add_logical_bridges("a/b");
  const absl::Status status = CreatePort(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  for (const char* field : {"bridge_port.spec.mac_address: ", "bridge_port.spec.ptype: ",
                            "bridge_port.spec.logical_bridges[0]: "}) {
    EXPECT_THAT(std::string(status.message()), HasSubstr(field));
  }
}

TEST_F(AgentOpi, EachKindTellsInTheErrorsDetailsWhichFieldsAreWrong) {
  ASSERT_TRUE(agent_.client().CreateVrf("tenant", {}).ok());
  ASSERT_TRUE(agent_.client().CreateLogicalBridge("blue", BridgeSpecOf(10)).ok());
  const auto fields = [](const absl::Status& status) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    std::vector<std::string> fields;
    for (const FieldViolation& violation : ViolationsOf(status)) {
      EXPECT_NE(violation.why, "") << violation.field;
      fields.push_back(violation.field);
    }
    return fields;
  };
  using ::testing::ElementsAre;
  OpiClient& opi = agent_.client();
  EXPECT_THAT(fields(opi.CreateVrf("a/b", {}).status()), ElementsAre("vrf_id"));
  for (const uint32_t vni : {0u, 1u << 24}) {
    evpn::VrfSpec vrf;
    vrf.set_vni(vni);
    vrf.mutable_loopback_ip_prefix()->set_len(33);
    vrf.mutable_loopback_ip_prefix()->mutable_addr()->set_v4_addr(0x0a000001);
    vrf.mutable_vtep_ip_prefix()->mutable_addr()->set_v6_addr("too short");
    EXPECT_THAT(fields(opi.CreateVrf("v", vrf).status()),
                ::testing::UnorderedElementsAre("vrf.spec.vni", "vrf.spec.loopback_ip_prefix",
                                                "vrf.spec.vtep_ip_prefix"));
  }
  for (const uint32_t vlan : {0u, 4095u}) {
    evpn::LogicalBridgeSpec bridge;
    bridge.set_vlan_id(vlan);
    EXPECT_THAT(fields(opi.CreateLogicalBridge("b", bridge).status()),
                ElementsAre("logical_bridge.spec.vlan_id"));
  }
  evpn::CreateBridgePortRequest port;
  *port.mutable_bridge_port()->mutable_spec() = PortSpecOf(1);
  port.set_bridge_port_id("host0-0");
  // Of a group.
  port.mutable_bridge_port()->mutable_spec()->set_mac_address(std::string("\1\0\0\0\0\1", 6));
  EXPECT_THAT(fields(CreatePort(port).status()), ElementsAre("bridge_port.spec.mac_address"));
  evpn::SviSpec svi;
  svi.set_vrf("vrfs/tenant");
  svi.set_logical_bridge("logicalBridges/blue");
  svi.set_enable_bgp(true);
  for (const int length : {24, 129}) {
    auto& gateway = *svi.add_gw_ip_prefix();
    gateway.set_len(length);
    gateway.mutable_addr()->set_v6_addr(IpAddress::Parse("2001:db8::1")->ToBytes());
  }
  EXPECT_THAT(fields(opi.CreateSvi("s", svi).status()), ElementsAre("svi.spec.gw_ip_prefix[1]"));
  svi.mutable_gw_ip_prefix()->RemoveLast();
  EXPECT_THAT(fields(opi.CreateSvi("s", svi).status()), ElementsAre("svi.spec.remote_as"));
  EXPECT_THAT(fields(opi.GetVrf("vrfs/").status()), ElementsAre("name"));
  EXPECT_THAT(fields(opi.BindPort(BindOf("host0-0", "blue", 1, 1, {"10.0.0.256"})).status()),
              ElementsAre("addresses"));
}

TEST_F(AgentOpi, AMalformedClaimIsRefused) {
  evpn::CreateBridgePortRequest request;
  request.set_bridge_port_id("host0-0");
  *request.mutable_bridge_port()->mutable_spec() = PortSpecOf(1);
  for (const char* claim : {"x", "-1", "1.5", "99999999999999999999"}) {
    absl::Status status = CreatePort(request, claim).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << claim;
    EXPECT_THAT(std::string(status.message()), HasSubstr("xpu-claim"));
  }
  EXPECT_EQ(CreatePort(request, "12").status(), absl::OkStatus());
}

TEST_F(AgentOpi, ABoundPortIsNotUpdatedBehindItsBinding) {
  MakeNetwork(agent_.client(), "blue", 10);
  ASSERT_TRUE(agent_.client().BindPort(BindOf("host0-0", "blue", 1, 0)).ok());
  grpc::ClientContext context;
  evpn::UpdateBridgePortRequest request;
  request.mutable_bridge_port()->set_name("bridgePorts/host0-0");
  request.mutable_bridge_port()->mutable_spec()->set_mac_address(TestMac(9));
  evpn::BridgePort answer;
  EXPECT_EQ(ports_->UpdateBridgePort(&context, request, &answer).error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_F(AgentOpi, SubnetsCanBeRead) {
  MakeNetwork(agent_.client(), "blue", 10);
  auto stub = agent::v1::PortService::NewStub(channel_);
  grpc::ClientContext context;
  agent::v1::GetSubnetsRequest request;
  request.set_logical_bridge("blue");
  agent::v1::Subnets subnets;
  ASSERT_TRUE(stub->GetSubnets(&context, request, &subnets).ok());
  EXPECT_THAT(subnets.prefixes(), ::testing::ElementsAre("10.0.0.0/24", "2001:db8::/64"));
  grpc::ClientContext again;
  request.set_logical_bridge("none");
  EXPECT_EQ(stub->GetSubnets(&again, request, &subnets).error_code(), grpc::StatusCode::NOT_FOUND);
}

}  // namespace
}  // namespace xpu
