#include "xpu-agent/access/access_policy.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Role = Caller::Role;

constexpr char kBind[] = "/xpu.agent.v1.PortService/BindPort";
constexpr char kMakeBridge[] = "/opi_api.network.evpn_gw.v1alpha1.LogicalBridgeService/CreateLogicalBridge";
constexpr char kHost[] = "spiffe://site/card/card0/host";
constexpr char kOperator[] = "spiffe://site/operator/ann";

class SetClock : public Clock {
 public:
  absl::Time Now() override { return now; }
  absl::Time now = absl::FromUnixSeconds(1000);
};

Role RoleOf(const std::vector<std::string>& uris, const std::string& domain = "") {
  return IdentifyCaller(uris, domain).role;
}

TEST(CallerTest, IsWhoTheCertificateNames) {
  const Caller host = IdentifyCaller({kHost}, "");
  EXPECT_EQ(host, (Caller{.role = Role::kHost, .identity = kHost, .card = "card0"}));
  EXPECT_EQ(IdentifyCaller({std::string(kHost) + "/pf/1"}, "").pf, 1);
  EXPECT_EQ(RoleOf({kOperator}), Role::kOperator);
  EXPECT_EQ(RoleOf({"spiffe://site/card/card0/agent"}), Role::kAgent);
  EXPECT_EQ(RoleOf({"https://example.org", kHost}), Role::kHost);
}

TEST(CallerTest, AnythingElseIsAStranger) {
  for (const char* uri : {"",
                          "spiffe://",
                          "spiffe://site",
                          "spiffe://site/",
                          "spiffe://site/card",
                          "spiffe://site/card/card0",
                          "spiffe://site/card//host",
                          "spiffe://site/card/card0/host/",
                          "spiffe://site/card/card0/hosts",
                          "spiffe://site/card/card0/host/pf",
                          "spiffe://site/card/card0/host/pf/",
                          "spiffe://site/card/card0/host/pf/x",
                          "spiffe://site/card/card0/host/pf/-1",
                          "spiffe://site/card/card0/host/pf/1/2",
                          "spiffe://site/operator",
                          "spiffe://site/operator/",
                          "spiffe://site/operator/ann/bob",
                          "spiffe:///operator/ann",
                          "SPIFFE://site/operator/ann",
                          "https://site/operator/ann",
                          "spiffe://site/card/card0/agent/x"}) {
    EXPECT_EQ(RoleOf({uri}), Role::kStranger) << uri;
  }
  EXPECT_EQ(RoleOf({}), Role::kStranger);
  // Who is two is nobody.
  EXPECT_EQ(RoleOf({kHost, kOperator}), Role::kStranger);
  EXPECT_EQ(RoleOf({kHost, kHost}), Role::kStranger);
}

TEST(CallerTest, OfAnotherTrustDomainIsAStranger) {
  EXPECT_EQ(RoleOf({kHost}, "site"), Role::kHost);
  EXPECT_EQ(RoleOf({kHost}, "other"), Role::kStranger);
  EXPECT_EQ(RoleOf({"spiffe://other/operator/eve", kHost}, "site"), Role::kHost);
}

class AccessPolicyTest : public ::testing::Test {
 protected:
  absl::StatusCode Admit(const std::string& uri, const char* method = kBind) {
    return policy_.Admit({uri}, method).code();
  }
  std::vector<std::string> Counted() {
    std::vector<std::string> lines;
    for (const Refusals::Entry& entry : policy_.refusals()) {
      lines.push_back(entry.identity + " " + std::string(RefusalWord(entry.reason)) + " " +
                      std::to_string(entry.count));
    }
    return lines;
  }

  SetClock clock_;
  AccessPolicy policy_{{.card = "card0", .trust_domain = "", .calls_per_second = 10, .burst = 20}, clock_};
  AgentState state_;
};

TEST_F(AccessPolicyTest, AHostMayBindAndAnOperatorMayMakeNetworks) {
  EXPECT_EQ(Admit(kHost), absl::StatusCode::kOk);
  EXPECT_EQ(Admit(kOperator, kMakeBridge), absl::StatusCode::kOk);
  EXPECT_EQ(Admit("spiffe://site/card/card0/agent", kMakeBridge), absl::StatusCode::kOk);
  EXPECT_THAT(Counted(), IsEmpty());
}

TEST_F(AccessPolicyTest, NoHostLiftsItsLimits) {
  const Caller host = IdentifyCaller({kHost}, ""), someone = IdentifyCaller({kOperator}, "");
  EXPECT_TRUE(absl::IsPermissionDenied(policy_.MayLimitPort(host, "BindPort")));
  EXPECT_EQ(policy_.MayLimitPort(someone, "BindPort"), absl::OkStatus());
  EXPECT_EQ(policy_.MayLimitPort({.role = Role::kLocal, .identity = "local"}, "BindPort"), absl::OkStatus());
  EXPECT_EQ(Admit(kHost, "/xpu.agent.v1.PortService/SetBandwidth"), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Admit(kHost, "/xpu.agent.v1.OffloadService/GetOffload"), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(Counted(), ElementsAre("spiffe://site/card/card0/host not-a-hosts 3"));
}

TEST_F(AccessPolicyTest, RefusesAndCounts) {
  EXPECT_EQ(Admit("spiffe://site/card/card1/host"), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Admit("spiffe://site/card/card1/agent"), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Admit(kHost, kMakeBridge), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Admit(kHost, "/xpu.agent.v1.AccessService/ListRefusals"), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Admit("https://example.org"), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(policy_.Admit({}, kBind).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(Counted(),
              ElementsAre("https://example.org stranger 1", "spiffe://site/card/card0/host not-a-hosts 2",
                          "spiffe://site/card/card1/agent other-card 1",
                          "spiffe://site/card/card1/host other-card 1", "unnamed stranger 1"));
}

TEST_F(AccessPolicyTest, AFloodIsRefusedUntilItEbbsAndOnlyWhoMakesIt) {
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Admit(kHost), absl::StatusCode::kOk) << i;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(Admit(kHost), absl::StatusCode::kResourceExhausted) << i;
  EXPECT_EQ(Admit(kOperator), absl::StatusCode::kOk);
  clock_.now += absl::Milliseconds(100);
  EXPECT_EQ(Admit(kHost), absl::StatusCode::kOk);
  EXPECT_EQ(Admit(kHost), absl::StatusCode::kResourceExhausted);
  clock_.now += absl::Hours(1);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Admit(kHost), absl::StatusCode::kOk) << i;
  EXPECT_THAT(Counted(), ElementsAre(std::string(kHost) + " flood 101"));
}

TEST_F(AccessPolicyTest, RefusedCallsCountAsCalls) {
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Admit(kHost, kMakeBridge), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Admit(kHost), absl::StatusCode::kResourceExhausted);
}

TEST_F(AccessPolicyTest, AHostUsesItsOwnPortsOnly) {
  state_.model.ports["host0-1"] = {.id = "host0-1", .claim = 7};
  state_.model.ports["host0-2"] = {.id = "host0-2"};
  const Caller host = IdentifyCaller({kHost}, "");
  const Caller first = IdentifyCaller({std::string(kHost) + "/pf/0"}, "");
  const Caller second = IdentifyCaller({std::string(kHost) + "/pf/1"}, "");
  const auto use = [&](const Caller& caller, const std::string& id, int64_t claim) {
    return policy_.MayUsePort(caller, state_, id, claim, kBind).code();
  };
  for (const Caller& caller : {host, first}) {
    EXPECT_EQ(use(caller, "host0-1", 7), absl::StatusCode::kOk);
    EXPECT_EQ(use(caller, "host0-3", 1), absl::StatusCode::kOk) << "not there yet";
    EXPECT_EQ(use(caller, "host0-2", 7), absl::StatusCode::kPermissionDenied) << "an operator's";
    EXPECT_EQ(use(caller, "host0-1", 0), absl::StatusCode::kPermissionDenied) << "without a claim";
    EXPECT_EQ(use(caller, "uplink", 7), absl::StatusCode::kPermissionDenied) << "no function";
  }
  EXPECT_EQ(use(second, "host0-1", 7), absl::StatusCode::kPermissionDenied) << "another host's function";
  EXPECT_EQ(use(second, "host1-1", 7), absl::StatusCode::kOk);
  EXPECT_THAT(Counted(),
              ElementsAre(std::string(kHost) + " not-its-own 3", std::string(kHost) + "/pf/0 not-its-own 3",
                          std::string(kHost) + "/pf/1 not-its-own 1"));
  for (const Caller& other :
       {IdentifyCaller({kOperator}, ""), Caller{.role = Role::kLocal, .identity = "local"}}) {
    EXPECT_EQ(use(other, "host0-2", 0), absl::StatusCode::kOk);
    EXPECT_EQ(use(other, "uplink", 0), absl::StatusCode::kOk);
  }
}

TEST_F(AccessPolicyTest, AHostMakesIsolatedPortsOnly) {
  const Caller host = IdentifyCaller({kHost}, "");
  EXPECT_EQ(policy_.MayMakePort(host, state_, "host0-1", 7, {}, kBind), absl::OkStatus());
  EXPECT_EQ(policy_.MayMakePort(host, state_, "host0-1", 7, {"blue"}, kBind).code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(policy_.MayMakePort(IdentifyCaller({kOperator}, ""), state_, "x", 0, {"blue"}, kBind),
            absl::OkStatus());
}

TEST(RefusalsTest, ManyIdentitiesShareACountInTheEnd) {
  SetClock clock;
  Refusals refusals(clock);
  for (int i = 0; i < 5000; ++i) refusals.Count(std::to_string(i), RefusalReason::kStranger, kBind);
  int64_t counted = 0;
  for (const Refusals::Entry& entry : refusals.List()) counted += entry.count;
  EXPECT_EQ(counted, 5000);
  EXPECT_LE(refusals.List().size(), 1030u);
}

}  // namespace
}  // namespace xpu
