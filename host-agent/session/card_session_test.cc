#include "host-agent/session/card_session.h"

#include <memory>
#include <string>
#include <vector>

#include "common/opi/fake_opi_client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/alloc/fake_journal.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

FunctionId Function(int n) { return PciAddress{0, 3, 0, static_cast<uint8_t>(n)}; }

class CardSessionTest : public ::testing::Test {
 protected:
  CardSessionTest() {
    evpn::LogicalBridgeSpec spec;
    spec.set_vlan_id(10);
    spec.set_vni(10);
    EXPECT_TRUE(opi_.CreateLogicalBridge("default.blue", spec).ok());
    agent::v1::Subnets subnets;
    subnets.set_logical_bridge("logicalBridges/default.blue");
    subnets.add_prefixes("10.0.0.0/24");
    subnets.add_gateways("10.0.0.1");
    EXPECT_TRUE(opi_.SetSubnets(subnets).ok());
    allocator_ = *Allocator::Open(journal_);
    session_ = std::make_unique<CardSession>(
        CardSession::Options{.card = "card0",
                             .backoff = {.initial = absl::Milliseconds(1), .max = absl::Milliseconds(5)}},
        opi_, *allocator_, [this](const FunctionId& function) {
          absl::MutexLock lock(&mu_);
          settled_.push_back(function);
        });
  }
  ~CardSessionTest() override { session_.reset(); }

  ClaimRow Draft(int n) {
    ClaimRow row;
    row.function = Function(n);
    row.card = "card0";
    row.port = "host0-" + std::to_string(n);
    row.mac = *MacAddress::FromBytes(std::string("\x02\0\0\0\0", 5) + static_cast<char>(n));
    return row;
  }
  ClaimRow Attached(int n) {
    ClaimRow draft = Draft(n);
    draft.attachment = Attachment{.container_id = "c" + std::to_string(n),
                                  .ifname = "net1",
                                  .network_namespace = "default",
                                  .network = "blue"};
    return *allocator_->Begin(draft);
  }
  // Waits until every function of the list was given to settle.
  bool WaitForSettled(const std::vector<FunctionId>& functions) {
    absl::MutexLock lock(&mu_);
    const auto all = [&] {
      mu_.AssertReaderHeld();
      return std::all_of(functions.begin(), functions.end(), [&](const FunctionId& function) {
        mu_.AssertReaderHeld();
        return std::find(settled_.begin(), settled_.end(), function) != settled_.end();
      });
    };
    return mu_.AwaitWithTimeout(absl::Condition(&all), absl::Seconds(10));
  }
  std::vector<FunctionId> TakeSettled() {
    absl::MutexLock lock(&mu_);
    return std::exchange(settled_, {});
  }

  FakeOpiClient opi_;
  FakeJournal journal_;
  std::unique_ptr<Allocator> allocator_;
  absl::Mutex mu_;
  std::vector<FunctionId> settled_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<CardSession> session_;
};

TEST_F(CardSessionTest, PreparesAPortThatIsIsolated) {
  const ClaimRow row = *allocator_->Begin(Draft(1));
  ASSERT_TRUE(session_->Prepare(row).ok());
  ASSERT_TRUE(session_->Prepare(row).ok());
  const auto port = opi_.GetBridgePort("bridgePorts/host0-1");
  ASSERT_TRUE(port.ok()) << port.status();
  EXPECT_EQ(port->spec().mac_address(), row.mac.ToBytes());
  EXPECT_EQ(port->spec().logical_bridges_size(), 0);
}

TEST_F(CardSessionTest, BindAnswersWhatTheCardGave) {
  const ClaimRow row = Attached(1);
  const auto bound = session_->Bind(row);
  ASSERT_TRUE(bound.ok()) << bound.status();
  EXPECT_THAT(bound->addresses, ElementsAre(*InterfaceAddress::Parse("10.0.0.2/24")));
  EXPECT_THAT(bound->gateways, ElementsAre(*IpAddress::Parse("10.0.0.1")));
  EXPECT_EQ(bound->mtu, 1500u);
}

TEST_F(CardSessionTest, WhatAPodAsksForIsTheCardsToKeep) {
  ClaimRow draft = Draft(1);
  draft.attachment = Attachment{.container_id = "c1",
                                .ifname = "net1",
                                .network_namespace = "default",
                                .network = "blue",
                                .bandwidth = {.ingress = {.rate = 5, .burst = 6}, .egress = {.rate = 7}}};
  ClaimRow row = *allocator_->Begin(draft);
  const auto confirmation = session_->Bind(row);
  ASSERT_TRUE(confirmation.ok()) << confirmation.status();
  row = *allocator_->Confirm(row.function, row.claim, *confirmation);
  EXPECT_EQ(session_->CheckBinding(row), absl::OkStatus());
  const auto bindings = opi_.ListPortBindings();
  ASSERT_TRUE(bindings.ok() && bindings->size() == 1u);
  EXPECT_EQ(bindings->front().pod_bandwidth().ingress_burst(), 6u);

  // A card that has lost it is told again.
  agent::v1::BindPortRequest lost;
  lost.set_bridge_port("bridgePorts/host0-1");
  lost.set_logical_bridge("logicalBridges/default.blue");
  lost.set_mac_address(row.mac.ToBytes());
  lost.set_claim(row.claim);
  lost.mutable_pod_bandwidth();
  ASSERT_TRUE(opi_.BindPort(lost).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(session_->CheckBinding(row)));
  ASSERT_TRUE(session_->Bind(row).ok());
  EXPECT_EQ(session_->CheckBinding(row), absl::OkStatus());
}

TEST_F(CardSessionTest, BindTellsAMissingNetworkFromAMissingFunction) {
  ClaimRow row = Attached(1);
  opi_.RemoveFunction("host0-1");
  EXPECT_EQ(session_->Bind(row).status().code(), absl::StatusCode::kFailedPrecondition);
  row.attachment->network = "green";
  const absl::Status status = session_->Bind(row).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("card card0"));
}

TEST_F(CardSessionTest, ReleaseTakesThePortAwayAndIsOkAfterwards) {
  const ClaimRow row = Attached(1);
  ASSERT_TRUE(session_->Bind(row).ok());
  EXPECT_TRUE(session_->Release(row).ok());
  EXPECT_THAT(*opi_.ListBridgePorts(), IsEmpty());
  EXPECT_TRUE(session_->Release(row).ok());
}

TEST_F(CardSessionTest, ReleaseOfAnOlderClaimLeavesTheNewerAlone) {
  const ClaimRow old = Attached(1);
  ClaimRow newer = old;
  newer.claim += 1;
  ASSERT_TRUE(session_->Bind(newer).ok());
  EXPECT_TRUE(session_->Release(old).ok());
  EXPECT_EQ(opi_.ListPortBindings()->size(), 1u);
}

TEST_F(CardSessionTest, GivesWhatDiffersToBeSettledOnceConnected) {
  const ClaimRow complete = Attached(1);
  const auto bound = session_->Bind(complete);
  ASSERT_TRUE(bound.ok());
  ASSERT_TRUE(allocator_->Confirm(complete.function, complete.claim, *bound).ok());
  const ClaimRow incomplete = Attached(2);
  ASSERT_TRUE(allocator_->Begin(Draft(3)).ok());
  session_->Start();
  EXPECT_TRUE(WaitForSettled({Function(2), Function(3)}));
  EXPECT_THAT(TakeSettled(), ElementsAre(Function(2), Function(3)));
}

TEST_F(CardSessionTest, ReleasesABindingThatNoRowHolds) {
  ClaimRow lost = Draft(4);
  lost.claim = 77;
  lost.attachment = Attachment{.network_namespace = "default", .network = "blue"};
  ASSERT_TRUE(session_->Bind(lost).ok());
  // Somebody else's, without a claim.
  ClaimRow foreign = Draft(5);
  foreign.attachment = lost.attachment;
  ASSERT_TRUE(session_->Bind(foreign).ok());
  // For the test to know when all is done.
  ASSERT_TRUE(allocator_->Begin(Draft(6)).ok());
  session_->Start();
  ASSERT_TRUE(WaitForSettled({Function(6)}));
  const auto bindings = opi_.ListPortBindings();
  ASSERT_EQ(bindings->size(), 1u);
  EXPECT_EQ(bindings->front().bridge_port(), "bridgePorts/host0-5");
}

TEST_F(CardSessionTest, ComparesAgainWhenTheConnectionIsBack) {
  ASSERT_TRUE(allocator_->Begin(Draft(1)).ok());
  opi_.SetConnected(false);
  session_->Start();
  opi_.SetConnected(true);
  ASSERT_TRUE(WaitForSettled({Function(1)}));
  TakeSettled();
  opi_.SetConnected(false);
  opi_.SetConnected(true);
  EXPECT_TRUE(WaitForSettled({Function(1)}));
}

TEST_F(CardSessionTest, ComparesAgainAfterAnError) {
  ASSERT_TRUE(allocator_->Begin(Draft(1)).ok());
  opi_.FailCall("ListPortBindings", 1, absl::InternalError("fault"));
  opi_.FailCall("ListPortBindings", 1, absl::InternalError("fault"));
  session_->Start();
  EXPECT_TRUE(WaitForSettled({Function(1)}));
  EXPECT_EQ(opi_.Calls("ListPortBindings"), 3);
}

TEST_F(CardSessionTest, ComparesAgainWhenToldTo) {
  session_->Start();
  ASSERT_TRUE(allocator_->Begin(Draft(1)).ok());
  session_->TryAgainLater();
  EXPECT_TRUE(WaitForSettled({Function(1)}));
}

TEST_F(CardSessionTest, ChecksABindingAndChangesNothing) {
  const ClaimRow attached = Attached(1);
  EXPECT_THAT(std::string(session_->CheckBinding(attached).message()), HasSubstr("is in no network"));
  const auto bound = session_->Bind(attached);
  ASSERT_TRUE(bound.ok());
  ClaimRow row = *allocator_->Confirm(attached.function, attached.claim, *bound);
  EXPECT_EQ(session_->CheckBinding(row), absl::OkStatus());
  row.mac = *MacAddress::Parse("02:00:00:00:00:77");
  const absl::Status other = session_->CheckBinding(row);
  EXPECT_EQ(other.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(other.message()), HasSubstr("is bound otherwise"));
  opi_.SetConnected(false);
  EXPECT_EQ(session_->CheckBinding(row).code(), absl::StatusCode::kUnavailable);
}

TEST_F(CardSessionTest, TellsHowThePortsAreUntilItStops) {
  absl::Mutex mu;
  std::vector<absl::StatusOr<CardPorts>> told;
  CardSession session(CardSession::Options{.card = "card0",
                                           .ports_changed =
                                               [&](const absl::StatusOr<CardPorts>& ports) {
                                                 absl::MutexLock lock(&mu);
                                                 told.push_back(ports);
                                               }},
                      opi_, *allocator_, [](const FunctionId&) {});
  const auto wait_for = [&](const absl::StatusOr<CardPorts>& wanted) {
    absl::MutexLock lock(&mu);
    const auto came = [&] { return !told.empty() && told.back() == wanted; };
    return mu.AwaitWithTimeout(absl::Condition(&came), absl::Seconds(10));
  };
  agent::v1::PortStates states;
  states.add_ports()->set_port("host0-1");
  states.mutable_ports(0)->set_healthy(true);
  states.add_ports()->set_port("host0-2");
  states.mutable_ports(1)->set_reason("no carrier");
  opi_.SetPortStates(states);
  session.Start();
  EXPECT_TRUE(wait_for(CardPorts{.healthy = {"host0-1"}, .unhealthy = {{"host0-2", "no carrier"}}}));
  opi_.SetConnected(false);
  {
    absl::MutexLock lock(&mu);
    const auto gone = [&] { return absl::IsUnavailable(told.back().status()); };
    EXPECT_TRUE(mu.AwaitWithTimeout(absl::Condition(&gone), absl::Seconds(10)));
  }
  opi_.SetConnected(true);
  EXPECT_TRUE(wait_for(CardPorts{.healthy = {"host0-1"}, .unhealthy = {{"host0-2", "no carrier"}}}));
  session.Stop();
  size_t count;
  {
    absl::MutexLock lock(&mu);
    count = told.size();
  }
  opi_.SetPortStates({});
  absl::MutexLock lock(&mu);
  EXPECT_EQ(told.size(), count);
}

// Two tenants with the same names on one card: a broker has put each into a namespace of its own there.
TEST_F(CardSessionTest, TenantsWithTheSameNamesAreInTheNetworksOfTheirOwnNamespaces) {
  for (const char* bridge : {"a-default.blue", "b-default.blue"}) {
    evpn::LogicalBridgeSpec spec;
    spec.set_vlan_id(bridge[0] == 'a' ? 11 : 12);
    spec.set_vni(bridge[0] == 'a' ? 11 : 12);
    ASSERT_TRUE(opi_.CreateLogicalBridge(bridge, spec).ok());
    agent::v1::Subnets subnets;
    subnets.set_logical_bridge(absl::StrCat("logicalBridges/", bridge));
    subnets.add_prefixes("10.0.0.0/24");
    ASSERT_TRUE(opi_.SetSubnets(subnets).ok());
  }
  const auto session_of = [&](const std::string& tenant) {
    return std::make_unique<CardSession>(
        CardSession::Options{.card = "card0", .namespaces = {{"default", tenant + "-default"}}}, opi_,
        *allocator_, [](const FunctionId&) {});
  };
  const auto bridge_of = [&](const ClaimRow& row) -> std::string {
    const auto bindings = opi_.ListPortBindings();
    for (const agent::v1::PortBinding& binding : *bindings) {
      if (binding.bridge_port() == "bridgePorts/" + row.port) return binding.logical_bridge();
    }
    return "";
  };
  const auto a = session_of("a"), b = session_of("b");
  ClaimRow row_a = Attached(1), row_b = Attached(2);
  ASSERT_TRUE(a->Prepare(row_a).ok() && b->Prepare(row_b).ok());
  const auto bound_a = a->Bind(row_a), bound_b = b->Bind(row_b);
  ASSERT_TRUE(bound_a.ok()) << bound_a.status();
  ASSERT_TRUE(bound_b.ok()) << bound_b.status();
  EXPECT_EQ(bridge_of(row_a), "logicalBridges/a-default.blue");
  EXPECT_EQ(bridge_of(row_b), "logicalBridges/b-default.blue");
  EXPECT_EQ(bound_a->addresses, bound_b->addresses) << "each network gives its own first";
  row_a.addresses = bound_a->addresses;
  row_a.confirmed = true;
  EXPECT_EQ(a->CheckBinding(row_a), absl::OkStatus());
  EXPECT_TRUE(absl::IsFailedPrecondition(b->CheckBinding(row_a)));

  // A namespace that happens to be called as another tenant's is on the card.
  ClaimRow stray = Attached(3);
  stray.attachment->network_namespace = "b-default";
  ASSERT_TRUE(a->Prepare(stray).ok());
  const absl::Status refused = a->Bind(stray).status();
  EXPECT_TRUE(absl::IsNotFound(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("namespaces do not name b-default"));
  EXPECT_EQ(bridge_of(stray), "");
}

}  // namespace
}  // namespace xpu
