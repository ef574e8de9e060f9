#include "host-agent/session/plain_nic.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/alloc/fake_journal.h"
#include "host-agent/session/card_session.h"

namespace xpu {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

ClaimRow Row(std::optional<uint16_t> vlan) {
  ClaimRow row;
  row.function = PciAddress{0, 3, 0, 2};
  row.card = "nic0";
  row.port = "host0-0";
  row.claim = 7;
  row.mac = MacAddress({2, 0, 0, 0, 0, 7});
  row.addresses = {*InterfaceAddress::Parse("10.0.0.5/24")};
  row.state = ClaimState::kAttached;
  row.confirmed = true;
  row.attachment = Attachment{.container_id = "c", .ifname = "net1", .vlan = vlan};
  if (!vlan) row.attachment->network = "blue";
  return row;
}

class PlainNicTest : public ::testing::Test {
 protected:
  PlainNic nic_{"nic0"};
  FakeJournal journal_;
  std::unique_ptr<Allocator> allocator_ = *Allocator::Open(journal_);
  CardSession session_{CardSession::Options{.card = "nic0"}, nic_, *allocator_, [](const FunctionId&) {}};
};

TEST_F(PlainNicTest, AFunctionIsInTheNetworkOfAVlanWithTheAddressesThatItHas) {
  EXPECT_TRUE(session_.Prepare(Row(100)).ok());
  const auto bound = session_.Bind(Row(100));
  ASSERT_TRUE(bound.ok()) << bound.status();
  EXPECT_EQ(bound->addresses, Row(100).addresses);
  EXPECT_THAT(bound->gateways, IsEmpty());
  EXPECT_TRUE(session_.CheckBinding(Row(100)).ok());
  EXPECT_FALSE(session_.CheckBinding(Row(101)).ok());
  EXPECT_TRUE(session_.Release(Row(100)).ok());
  EXPECT_FALSE(session_.CheckBinding(Row(100)).ok());
  EXPECT_TRUE(session_.Release(Row(100)).ok()) << "as often as it is called";
}

TEST_F(PlainNicTest, ALateReleaseLeavesANewerClaimAlone) {
  ASSERT_TRUE(session_.Bind(Row(100)).ok());
  ClaimRow older = Row(100);
  older.claim = 6;
  EXPECT_TRUE(session_.Release(older).ok());
  EXPECT_THAT(*nic_.ListPortBindings(), SizeIs(1));
}

TEST_F(PlainNicTest, ANetworkIsRefused) {
  const absl::Status status = session_.Bind(Row(std::nullopt)).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("nic0 has no xPU agent"));
}

TEST_F(PlainNicTest, CanBeReachedAndSaysNothingOfRepresentors) {
  bool connected = false;
  nic_.ObserveConnection([&](bool now) { connected = now; });
  EXPECT_TRUE(connected);
  absl::Status states;
  nic_.WatchPorts([&](const auto& told) { states = told.status(); });
  EXPECT_TRUE(absl::IsUnimplemented(states)) << states;
  nic_.ObserveConnection(nullptr);
  nic_.WatchPorts(nullptr);
}

}  // namespace
}  // namespace xpu
