#include "common/opi/fake_opi_client.h"

#include <memory>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/opi/opi_client_contract.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

class FakeHarness : public OpiClientHarness {
 public:
  FakeHarness() {
    client_.RemoveFunction("host0-99");
    client_.ForbidVlan(300);
    for (int vf = 0; vf < 8; ++vf) {
      agent::v1::PortState& state = *states_.add_ports();
      state.set_port(absl::StrCat("host0-", vf));
      state.set_healthy(true);
    }
    client_.SetPortStates(states_);
  }
  OpiClient& client() override { return client_; }
  void Disconnect() override { client_.SetConnected(false); }
  void Reconnect() override { client_.SetConnected(true); }
  void RemoveRepresentor(const std::string& port_id) override { SetReason(port_id, "it is gone"); }
  void AddRepresentor(const std::string& port_id) override { SetReason(port_id, ""); }

 private:
  void SetReason(const std::string& port_id, const std::string& why) {
    for (agent::v1::PortState& state : *states_.mutable_ports()) {
      if (state.port() != port_id) continue;
      state.set_healthy(why.empty());
      state.set_reason(why);
    }
    client_.SetPortStates(states_);
  }

  agent::v1::PortStates states_;
  FakeOpiClient client_;
};

std::unique_ptr<OpiClientHarness> MakeFake() { return std::make_unique<FakeHarness>(); }
INSTANTIATE_TEST_SUITE_P(Fake, OpiClientContract, testing::Values(&MakeFake));
INSTANTIATE_TEST_SUITE_P(Fake, OpiClientRoutingContract, testing::Values(&MakeFake));

evpn::LogicalBridgeSpec Spec() {
  evpn::LogicalBridgeSpec spec;
  spec.set_vlan_id(10);
  return spec;
}

TEST(FakeOpiClient, FailsTheNthCallBeforeItsEffect) {
  FakeOpiClient opi;
  opi.FailCall("CreateLogicalBridge", 2, absl::InternalError("told to"));
  EXPECT_TRUE(opi.CreateLogicalBridge("a", Spec()).ok());
  EXPECT_EQ(opi.CreateLogicalBridge("b", Spec()).status(), absl::InternalError("told to"));
  EXPECT_EQ(opi.GetLogicalBridge("b").status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(opi.CreateLogicalBridge("a", Spec()).ok());
  EXPECT_EQ(opi.Calls("CreateLogicalBridge"), 3);
}

TEST(FakeOpiClient, FailsACallAfterItsEffect) {
  FakeOpiClient opi;
  opi.FailCall("CreateLogicalBridge", 1, absl::DeadlineExceededError("lost"), FakeOpiClient::When::kAfter);
  EXPECT_EQ(opi.CreateLogicalBridge("a", Spec()).status(), absl::DeadlineExceededError("lost"));
  EXPECT_TRUE(opi.GetLogicalBridge("a").ok());
}

TEST(FakeOpiClient, HoldsCallsUntilTheyAreReleased) {
  FakeOpiClient opi;
  opi.BlockCalls("CreateLogicalBridge");
  absl::Status status = absl::UnknownError("not called");
  std::thread thread([&] { status = opi.CreateLogicalBridge("a", Spec()).status(); });
  EXPECT_TRUE(opi.WaitForBlocked("CreateLogicalBridge", 1));
  EXPECT_EQ(opi.GetLogicalBridge("a").status().code(), absl::StatusCode::kNotFound);
  opi.ReleaseCalls("CreateLogicalBridge");
  thread.join();
  EXPECT_EQ(status, absl::OkStatus());
  EXPECT_TRUE(opi.GetLogicalBridge("a").ok());
}

TEST(FakeOpiClient, ForgetsEverythingWhenTold) {
  FakeOpiClient opi;
  ASSERT_TRUE(opi.CreateLogicalBridge("a", Spec()).ok());
  opi.ForgetAll();
  EXPECT_EQ(opi.GetLogicalBridge("a").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace xpu
