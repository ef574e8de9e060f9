// Any sequence of OPI's twenty calls is answered as the reference says: each step makes one call over gRPC
// with whatever a client could send, compares code and object, and then every list, page by page, with what
// the reference holds. In between the agent is stopped and started again.
//
// XPU_TEST_SEED repeats a run, XPU_OPI_STEPS makes it longer.
#include <cstdlib>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/base/test_seed.h"
#include "common/opi/port_news.h"
#include "common/rpc/rpc.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "opi/network/evpn_gw/v1alpha1/evpn_gw.grpc.pb.h"
#include "test/component/opi/opi_reference.h"
#include "test/lib/agent/agent_on_fakes.h"

namespace xpu::testing {
namespace {

using google::protobuf::util::MessageDifferencer;
using opi_api::network::opinetcommon::v1alpha1::IPPrefix;

enum class Dialect { kApi, kEvpn, kBare };

// What the five calls of a kind are called.
#define XPU_OPI_KIND(Kind, field, items, Collection, EvpnCollection)                                    \
  struct Kind##Calls {                                                                                  \
    using Message = evpn::Kind;                                                                         \
    using Spec = evpn::Kind##Spec;                                                                      \
    using Service = evpn::Kind##Service;                                                                \
    static constexpr char kOwn[] = Collection;                                                          \
    static constexpr char kEvpn[] = EvpnCollection;                                                     \
    static constexpr auto kCreate = &Service::Stub::Create##Kind;                                       \
    static constexpr auto kUpdate = &Service::Stub::Update##Kind;                                       \
    static constexpr auto kDelete = &Service::Stub::Delete##Kind;                                       \
    static constexpr auto kGet = &Service::Stub::Get##Kind;                                             \
    static constexpr auto kList = &Service::Stub::List##Kind##s;                                        \
    using CreateRequest = evpn::Create##Kind##Request;                                                  \
    using UpdateRequest = evpn::Update##Kind##Request;                                                  \
    using DeleteRequest = evpn::Delete##Kind##Request;                                                  \
    using GetRequest = evpn::Get##Kind##Request;                                                        \
    using ListRequest = evpn::List##Kind##sRequest;                                                     \
    using ListResponse = evpn::List##Kind##sResponse;                                                   \
    static void SetId(const std::string& id, CreateRequest* request) { request->set_##field##_id(id); } \
    static std::string Id(const CreateRequest& request) { return request.field##_id(); }                \
    static Message* Body(CreateRequest* request) { return request->mutable_##field(); }                 \
    static Message* Body(UpdateRequest* request) { return request->mutable_##field(); }                 \
    static const google::protobuf::RepeatedPtrField<Message>& Items(const ListResponse& r) {            \
      return r.items();                                                                                 \
    }                                                                                                   \
  }
XPU_OPI_KIND(Vrf, vrf, vrfs, "vrfs", "vrfs");
XPU_OPI_KIND(LogicalBridge, logical_bridge, logical_bridges, "logicalBridges", "bridges");
XPU_OPI_KIND(BridgePort, bridge_port, bridge_ports, "bridgePorts", "ports");
XPU_OPI_KIND(Svi, svi, svis, "svis", "svis");
#undef XPU_OPI_KIND

std::string NameIn(Dialect dialect, absl::string_view own, absl::string_view evpn, absl::string_view id) {
  switch (dialect) {
    case Dialect::kApi:
      return absl::StrCat(own, "/", id);
    case Dialect::kEvpn:
      return absl::StrCat("//network.opiproject.org/", evpn, "/", id);
    case Dialect::kBare:
      return std::string(id);
  }
  return "";
}

// Of an answer to a request with this name: an id alone is a name of the API's own.
Dialect DialectIn(absl::string_view name) {
  return absl::StartsWith(name, "//") ? Dialect::kEvpn : Dialect::kApi;
}

// References to other objects, in the order of the fields.
std::vector<std::string*> References(evpn::VrfSpec*) { return {}; }
std::vector<std::string*> References(evpn::LogicalBridgeSpec*) { return {}; }
std::vector<std::string*> References(evpn::BridgePortSpec* spec) {
  std::vector<std::string*> all;
  for (std::string& bridge : *spec->mutable_logical_bridges()) all.push_back(&bridge);
  return all;
}
std::vector<std::string*> References(evpn::SviSpec* spec) {
  return {spec->mutable_vrf(), spec->mutable_logical_bridge()};
}

class OpiRandom : public ::testing::Test {
 protected:
  OpiRandom() : random_(TestSeed()), channel_(MakeChannel(agent_.address()).value()) {}

  int Pick(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }
  bool OneIn(int n) { return Pick(n) == 0; }
  template <typename T>
  T OneOf(const std::vector<T>& choices) {
    return choices[static_cast<size_t>(Pick(static_cast<int>(choices.size())))];
  }

  std::string RandomId(absl::string_view own) {
    if (OneIn(40)) return OneOf<std::string>({"-x", "a/b", "a b", std::string(254, 'a'), "\xc3\xa4"});
    if (!made_up_.empty() && OneIn(10)) return OneOf(made_up_);
    if (own == "bridgePorts") return OneOf<std::string>({"host0-0", "host0-1", "host0-7", "host9-9", "x"});
    return OneOf<std::string>({"a", "b", "c", "d", "100", "7"});
  }
  std::string RandomName(absl::string_view own, absl::string_view evpn) {
    if (OneIn(40)) return OneOf<std::string>({"", "svis/", "vrfs/a/b", "//network.opiproject.org/a", "/a"});
    return NameIn(OneOf<Dialect>({Dialect::kApi, Dialect::kApi, Dialect::kEvpn, Dialect::kBare}), own, evpn,
                  RandomId(own));
  }
  uint32_t RandomVni() { return OneOf<uint32_t>({1, 2, 3, 4, 0xffffff, OneIn(5) ? 0u : 5u, 0x1000000}); }
  std::string RandomMac() {
    const auto last = static_cast<char>(1 + Pick(4));
    if (OneIn(20)) return OneOf<std::string>({"", "short", std::string(6, '\0'), std::string(6, '\xff')});
    if (OneIn(8)) return std::string("\x02\x58\x50\0\0\x01", 6);
    return std::string("\x02\0\0\0\0", 5) + last;
  }

  IPPrefix RandomPrefix() {
    IPPrefix prefix;
    if (OneIn(3)) {
      static const std::string v6 = std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0');
      prefix.mutable_addr()->set_v6_addr(OneIn(20) ? v6 : v6 + static_cast<char>(Pick(3)));
      prefix.set_len(OneOf<int>({64, 64, 128, 127, 0, 48, OneIn(10) ? 129 : 64}));
    } else if (!OneIn(30)) {
      prefix.mutable_addr()->set_v4_addr(
          OneOf<uint32_t>({0x0a000001, 0x0a000002, 0x0a000101, 0x0a010001, 0xc0000201, 0x0a0000ff,
                           OneIn(5) ? 0xe0000001 : 0x0a000201, OneIn(5) ? 0u : 0x0a000301}));
      prefix.set_len(OneOf<int>({24, 24, 24, 16, 32, 31, OneIn(10) ? 33 : 24, OneIn(10) ? -1 : 25}));
    }
    if (OneIn(2)) {
      prefix.mutable_addr()->set_af(OneIn(15) ? opi_api::network::opinetcommon::v1alpha1::IP_AF_INET
                                              : (prefix.addr().has_v6_addr()
                                                     ? opi_api::network::opinetcommon::v1alpha1::IP_AF_INET6
                                                     : opi_api::network::opinetcommon::v1alpha1::IP_AF_INET));
    }
    return prefix;
  }

  void Fill(evpn::VrfSpec* spec) {
    if (OneIn(2)) spec->set_vni(RandomVni());
    if (OneIn(3)) *spec->mutable_loopback_ip_prefix() = RandomPrefix();
    if (OneIn(3)) *spec->mutable_vtep_ip_prefix() = RandomPrefix();
  }
  void Fill(evpn::LogicalBridgeSpec* spec) {
    spec->set_vlan_id(
        OneOf<uint32_t>({1, 7, 100, 101, 102, 4094, OneIn(5) ? 4095u : 3u, OneIn(5) ? 0u : 4u}));
    if (OneIn(2)) spec->set_vni(RandomVni());
    if (OneIn(5)) *spec->mutable_vtep_ip_prefix() = RandomPrefix();
  }
  void Fill(evpn::BridgePortSpec* spec) {
    spec->set_mac_address(RandomMac());
    spec->set_ptype(OneIn(30)  ? evpn::BRIDGE_PORT_TYPE_UNSPECIFIED
                    : OneIn(3) ? evpn::BRIDGE_PORT_TYPE_TRUNK
                               : evpn::BRIDGE_PORT_TYPE_ACCESS);
    const int most = spec->ptype() == evpn::BRIDGE_PORT_TYPE_TRUNK || OneIn(20) ? 4 : 2;
    for (int n = Pick(most); n > 0; --n) {
      spec->add_logical_bridges(OneIn(3) ? OneOf<std::string>({"0", "7", "100", "300", "4095", "0100"})
                                         : RandomName("logicalBridges", "bridges"));
    }
  }
  void Fill(evpn::SviSpec* spec) {
    spec->set_vrf(RandomName("vrfs", "vrfs"));
    spec->set_logical_bridge(RandomName("logicalBridges", "bridges"));
    if (OneIn(2)) spec->set_mac_address(RandomMac());
    for (int n = OneIn(20) ? 0 : 1 + Pick(2); n > 0; --n) *spec->add_gw_ip_prefix() = RandomPrefix();
    if (OneIn(8)) spec->set_enable_bgp(true);
    if (OneIn(4)) spec->set_remote_as(65000);
  }

  template <typename Spec>
  std::vector<std::string> RandomMask() {
    std::vector<std::string> mask;
    if (OneIn(3)) return mask;
    const std::vector<std::string> known = OpiReference::KnownPaths<Spec>();
    for (int n = 1 + Pick(2); n > 0; --n) {
      mask.push_back(OneIn(6)    ? OneOf<std::string>({"*", "spec", "name", "status", "status.oper_status"})
                     : OneIn(20) ? OneOf<std::string>({"", "spec.", "spec.color", "vni", "spec.*"})
                                 : OneOf(known));
    }
    return mask;
  }

  std::unique_ptr<grpc::ClientContext> Context(int64_t claim = 0) {
    auto context = std::make_unique<grpc::ClientContext>();
    context->set_wait_for_ready(true);
    context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    if (claim != 0) context->AddMetadata("xpu-claim", absl::StrCat(claim));
    return context;
  }

  // What an answer must look like: `spec` in the dialect that the request is written in.
  template <typename Calls>
  void ExpectObject(const typename Calls::Message& answer, const std::string& id, typename Calls::Spec spec,
                    Dialect dialect) {
    EXPECT_EQ(answer.name(), NameIn(dialect, Calls::kOwn, Calls::kEvpn, id));
    for (std::string* name : References(&spec)) {
      absl::string_view rest = *name;
      if (absl::ConsumePrefix(&rest, "vrfs/")) {
        *name = NameIn(dialect, "vrfs", "vrfs", std::string(rest));
      } else if (absl::ConsumePrefix(&rest, "logicalBridges/")) {
        *name = NameIn(dialect, "logicalBridges", "bridges", std::string(rest));
      }
    }
    EXPECT_TRUE(MessageDifferencer::Equals(answer.spec(), spec))
        << answer.spec().DebugString() << "instead of\n"
        << spec.DebugString();
    ExpectStatus(answer, id);
  }
  static void ExpectStatus(const evpn::Vrf& vrf, const std::string&) {
    EXPECT_EQ(vrf.status().oper_status(), evpn::VRF_OPER_STATUS_UP) << vrf.status().DebugString();
  }
  static void ExpectStatus(const evpn::LogicalBridge& bridge, const std::string&) {
    EXPECT_EQ(bridge.status().oper_status(), evpn::LB_OPER_STATUS_UP) << bridge.status().DebugString();
  }
  static void ExpectStatus(const evpn::Svi& svi, const std::string&) {
    EXPECT_EQ(svi.status().oper_status(), evpn::SVI_OPER_STATUS_UP) << svi.status().DebugString();
  }
  static void ExpectStatus(const evpn::BridgePort& port, const std::string& id) {
    // The card has functions 0 to 7.
    const bool is_there = id == "host0-0" || id == "host0-1" || id == "host0-7";
    EXPECT_EQ(port.status().oper_status(), is_there ? evpn::BP_OPER_STATUS_UP : evpn::BP_OPER_STATUS_DOWN)
        << port.status().DebugString();
    ASSERT_EQ(port.status().components_size(), 2);
    EXPECT_EQ(port.status().components(0).status(),
              is_there ? evpn::COMP_STATUS_SUCCESS : evpn::COMP_STATUS_ERROR);
  }

  template <typename Message>
  static Dialect DialectOfRequest(Message asked) {
    if (!asked.name().empty()) return DialectIn(asked.name());
    for (const std::string* name : References(asked.mutable_spec())) {
      if (!name->empty()) return DialectIn(*name);
    }
    return Dialect::kApi;
  }

  template <typename Message>
  int64_t RandomClaim(const Message*) {
    return 0;
  }
  int64_t RandomClaim(const evpn::BridgePort*) { return OneIn(4) ? 1 + step_ / 50 + Pick(3) : 0; }

  static void ExpectCode(const grpc::Status& status, absl::StatusCode expected) {
    EXPECT_EQ(FromGrpc(status).code(), expected) << status.error_message();
    EXPECT_EQ(status.error_message().empty(), status.ok());
  }

  template <typename Calls>
  void Create(typename Calls::Service::Stub& stub) {
    typename Calls::CreateRequest request;
    typename Calls::Message* body = Calls::Body(&request);
    Fill(body->mutable_spec());
    const bool nameless = OneIn(25);
    if (!nameless && OneIn(2)) Calls::SetId(RandomId(Calls::kOwn), &request);
    if (!nameless && OneIn(2)) body->set_name(RandomName(Calls::kOwn, Calls::kEvpn));
    const int64_t claim = RandomClaim(body);
    what_ = absl::StrCat("Create (claim ", claim, ") ", request.DebugString());
    SCOPED_TRACE(what_);
    // The id that counts: its own field's, that in the name, or one that the agent makes up.
    std::string id = Calls::Id(request);
    std::optional<absl::StatusCode> refused;
    if (id.empty() && !body->name().empty()) {
      id = ReferenceId(body->name(), Calls::kOwn, Calls::kEvpn);
      if (id.empty()) refused = absl::StatusCode::kInvalidArgument;
    }
    typename Calls::Message answer;
    const grpc::Status status = (stub.*Calls::kCreate)(Context(claim).get(), request, &answer);
    if (id.empty() && !refused.has_value()) {
      id = status.ok() ? ReferenceId(answer.name(), Calls::kOwn, Calls::kEvpn) : "made-up";
      if (status.ok()) {
        EXPECT_EQ(id.size(), 32u) << answer.name();
        made_up_.push_back(id);
      }
    }
    if (!refused.has_value()) refused = reference_.Create(id, body->spec(), claim);
    ExpectCode(status, *refused);
    const auto& all = reference_.All(static_cast<const typename Calls::Spec*>(nullptr));
    if (status.ok() && all.contains(id)) {
      ExpectObject<Calls>(answer, id, all.at(id), DialectOfRequest(*body));
    }
  }

  template <typename Calls>
  void Update(typename Calls::Service::Stub& stub) {
    typename Calls::UpdateRequest request;
    typename Calls::Message* body = Calls::Body(&request);
    Fill(body->mutable_spec());
    body->set_name(RandomName(Calls::kOwn, Calls::kEvpn));
    const std::vector<std::string> mask = RandomMask<typename Calls::Spec>();
    for (const std::string& path : mask) request.mutable_update_mask()->add_paths(path);
    request.set_allow_missing(OneIn(3));
    const int64_t claim = RandomClaim(body);
    what_ = absl::StrCat("Update (claim ", claim, ") ", request.DebugString());
    SCOPED_TRACE(what_);
    typename Calls::Message answer;
    const grpc::Status status = (stub.*Calls::kUpdate)(Context(claim).get(), request, &answer);
    const std::string id = ReferenceId(body->name(), Calls::kOwn, Calls::kEvpn);
    ExpectCode(status, reference_.Update(id, body->spec(), mask, request.allow_missing(), claim));
    const auto& all = reference_.All(static_cast<const typename Calls::Spec*>(nullptr));
    if (status.ok() && all.contains(id)) {
      ExpectObject<Calls>(answer, id, all.at(id), DialectOfRequest(*body));
    }
  }

  template <typename Calls>
  void Delete(typename Calls::Service::Stub& stub) {
    typename Calls::DeleteRequest request;
    request.set_name(RandomName(Calls::kOwn, Calls::kEvpn));
    request.set_allow_missing(OneIn(3));
    const int64_t claim = RandomClaim(static_cast<const typename Calls::Message*>(nullptr));
    what_ = absl::StrCat("Delete (claim ", claim, ") ", request.DebugString());
    SCOPED_TRACE(what_);
    google::protobuf::Empty answer;
    const grpc::Status status = (stub.*Calls::kDelete)(Context(claim).get(), request, &answer);
    const std::string id = ReferenceId(request.name(), Calls::kOwn, Calls::kEvpn);
    absl::StatusCode expected = absl::StatusCode::kInvalidArgument;
    if (!id.empty()) {
      expected = reference_.Delete(id, static_cast<const typename Calls::Spec*>(nullptr), claim);
      if (expected == absl::StatusCode::kNotFound && request.allow_missing())
        expected = absl::StatusCode::kOk;
    }
    ExpectCode(status, expected);
  }

  template <typename Calls>
  void Get(typename Calls::Service::Stub& stub) {
    typename Calls::GetRequest request;
    request.set_name(RandomName(Calls::kOwn, Calls::kEvpn));
    SCOPED_TRACE(absl::StrCat("Get ", request.DebugString()));
    typename Calls::Message answer;
    const grpc::Status status = (stub.*Calls::kGet)(Context().get(), request, &answer);
    const std::string id = ReferenceId(request.name(), Calls::kOwn, Calls::kEvpn);
    const auto& all = reference_.All(static_cast<const typename Calls::Spec*>(nullptr));
    const auto there = all.find(id);
    ExpectCode(status, id.empty()           ? absl::StatusCode::kInvalidArgument
                       : there == all.end() ? absl::StatusCode::kNotFound
                                            : absl::StatusCode::kOk);
    if (status.ok() && there != all.end()) {
      ExpectObject<Calls>(answer, id, there->second, DialectIn(request.name()));
    }
  }

  template <typename Calls>
  void CompareList(typename Calls::Service::Stub& stub) {
    SCOPED_TRACE(absl::StrCat("List of ", Calls::kOwn, " after ", what_));
    auto expected = reference_.All(static_cast<const typename Calls::Spec*>(nullptr));
    typename Calls::ListRequest request;
    request.set_page_size(OneOf<int>({0, 1, 2, 3, 5000}));
    do {
      typename Calls::ListResponse page;
      ExpectCode((stub.*Calls::kList)(Context().get(), request, &page), absl::StatusCode::kOk);
      EXPECT_LE(Calls::Items(page).size(), request.page_size() > 0 ? request.page_size() : 100);
      for (const typename Calls::Message& object : Calls::Items(page)) {
        const std::string id = ReferenceId(object.name(), Calls::kOwn, Calls::kEvpn);
        ASSERT_TRUE(expected.contains(id)) << object.name() << " is not there, or was listed before";
        ExpectObject<Calls>(object, id, expected.at(id), Dialect::kApi);
        expected.erase(id);
      }
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    EXPECT_TRUE(expected.empty()) << expected.begin()->first << " is missing";
    request.set_page_size(OneIn(2) ? -1 : 0);
    if (request.page_size() == 0) request.set_page_token("bm9uZS9h");
    typename Calls::ListResponse none;
    if (OneIn(10)) {
      ExpectCode((stub.*Calls::kList)(Context().get(), request, &none), absl::StatusCode::kInvalidArgument);
    }
  }

  template <typename Calls>
  void Step(typename Calls::Service::Stub& stub) {
    switch (Pick(10)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return Create<Calls>(stub);
      case 4:
      case 5:
      case 6:
        return Update<Calls>(stub);
      case 7:
        return Get<Calls>(stub);
      default:
        return Delete<Calls>(stub);
    }
  }

  // Returns when the agent has looked at the switch.
  void Restart() {
    agent_.Stop();
    agent_.Start();
    PortNews news;
    agent_.client().WatchPorts(news.Observer());
    EXPECT_TRUE(news.AwaitPort("host0-0", true));
    agent_.client().WatchPorts(nullptr);
  }

  AgentOnFakes agent_;
  std::mt19937_64 random_;
  const std::shared_ptr<grpc::Channel> channel_;
  OpiReference reference_;
  // Ids that the agent made up.
  std::vector<std::string> made_up_;
  std::string what_;
  int step_ = 0;
};

TEST_F(OpiRandom, AnySequenceOfCallsIsAnsweredAsTheReferenceSays) {
  const auto vrfs = evpn::VrfService::NewStub(channel_);
  const auto bridges = evpn::LogicalBridgeService::NewStub(channel_);
  const auto ports = evpn::BridgePortService::NewStub(channel_);
  const auto svis = evpn::SviService::NewStub(channel_);
  int steps = 600;
  if (const char* text = std::getenv("XPU_OPI_STEPS"); text != nullptr) {
    ASSERT_TRUE(absl::SimpleAtoi(text, &steps));
  }
  for (; step_ < steps && !HasFailure(); ++step_) {
    SCOPED_TRACE(absl::StrCat("step ", step_));
    switch (Pick(4)) {
      case 0:
        Step<VrfCalls>(*vrfs);
        break;
      case 1:
        Step<LogicalBridgeCalls>(*bridges);
        break;
      case 2:
        Step<BridgePortCalls>(*ports);
        break;
      default:
        Step<SviCalls>(*svis);
        break;
    }
    if (OneIn(100)) {
      Restart();
    }
    CompareList<VrfCalls>(*vrfs);
    CompareList<LogicalBridgeCalls>(*bridges);
    CompareList<BridgePortCalls>(*ports);
    CompareList<SviCalls>(*svis);
  }
}

}  // namespace
}  // namespace xpu::testing
