#include "host-agent/podresources/claim_auditor.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const FunctionId kFunction = PciAddress{0, 3, 0, 2};
const FunctionId kSubfunction{PciAddress{0, 3, 0, 0}, 88};
const DeviceIds kIds = {{"0000:03:00.2", kFunction}, {"mlx5_core.sf.4", kSubfunction}};
const PodName kWeb{"default", "web"};
constexpr absl::Duration kBooking = absl::Seconds(10);

ClaimRow Claimed(int64_t claim, const FunctionId& function = kFunction) {
  return {.function = function, .state = ClaimState::kClaimed, .claim = claim};
}

ClaimRow AttachedTo(const PodName& pod, int64_t claim) {
  ClaimRow row = Claimed(claim);
  row.state = ClaimState::kAttached;
  row.attachment = Attachment{
      .container_id = "c", .ifname = "net1", .netns = "/n", .pod_namespace = pod.ns, .pod_name = pod.name};
  row.confirmed = true;
  return row;
}

PodList Held(const std::string& id, const PodName& pod = kWeb) {
  return {.pods = {pod}, .devices = {{"xpu.opiproject.org/vf", id, pod, "main"}}};
}

class ClaimAuditorTest : public ::testing::Test {
 protected:
  ClaimAuditor::Findings List(const PodList& list, const std::vector<ClaimRow>& rows) {
    return ListBy(auditor_, list, rows);
  }
  ClaimAuditor::Findings ListBy(ClaimAuditor& auditor, const PodList& list,
                                const std::vector<ClaimRow>& rows) {
    return auditor.Listed(auditor.ListBegins(now_), now_, list, rows, HoldersIn(list, kIds));
  }
  absl::Time now_ = absl::UnixEpoch();
  ClaimAuditor auditor_{{}, kBooking};
};

TEST_F(ClaimAuditorTest, AClaimThatWasHeldAndIsNoMoreIsUnused) {
  auditor_.Allocated(kFunction, 7);
  EXPECT_THAT(List(Held("0000:03:00.2"), {Claimed(7)}).unused, IsEmpty());
  EXPECT_FALSE(auditor_.StillUnused(kFunction, 7));
  EXPECT_THAT(List({}, {Claimed(7)}).unused, ElementsAre(ClaimAuditor::Claim{kFunction, 7}));
  EXPECT_TRUE(auditor_.StillUnused(kFunction, 7));
  EXPECT_FALSE(auditor_.StillUnused(kFunction, 6));
}

TEST_F(ClaimAuditorTest, AClaimThatIsNotBookedYetIsLeftAlone) {
  auditor_.CheckpointWritten();
  auditor_.Allocated(kFunction, 7);
  // It may be booked in the next moment, and the checkpoint before it was another's.
  EXPECT_THAT(List({}, {Claimed(7)}).unused, IsEmpty());
  EXPECT_EQ(auditor_.NextList(), absl::InfiniteFuture());
  const ClaimAuditor::Asked asked = auditor_.ListBegins(now_);
  auditor_.CheckpointWritten();
  // Asked for before that.
  EXPECT_THAT(auditor_.Listed(asked, now_, {}, {Claimed(7)}, {}).unused, IsEmpty());
  EXPECT_EQ(auditor_.NextList(), absl::InfiniteFuture());
  // That checkpoint may be another's, too: there is time to book it.
  EXPECT_THAT(List({}, {Claimed(7)}).unused, IsEmpty());
  EXPECT_EQ(auditor_.NextList(), now_ + kBooking);
  now_ += kBooking - absl::Nanoseconds(1);
  EXPECT_THAT(List({}, {Claimed(7)}).unused, IsEmpty());
  now_ += absl::Nanoseconds(1);
  EXPECT_THAT(List({}, {Claimed(7)}).unused, ElementsAre(ClaimAuditor::Claim{kFunction, 7}));
  EXPECT_EQ(auditor_.NextList(), absl::InfiniteFuture());
}

TEST_F(ClaimAuditorTest, AClaimThatIsBookedAfterACheckpointOfAnotherKeepsItsFunction) {
  auditor_.Allocated(kFunction, 7);
  auditor_.CheckpointWritten();
  EXPECT_THAT(List({}, {Claimed(7)}).unused, IsEmpty());
  now_ += kBooking / 2;
  EXPECT_THAT(List(Held("0000:03:00.2"), {Claimed(7)}).unused, IsEmpty());
  EXPECT_EQ(auditor_.NextList(), absl::InfiniteFuture());
  now_ += kBooking;
  EXPECT_THAT(List(Held("0000:03:00.2"), {Claimed(7)}).unused, IsEmpty());
  EXPECT_THAT(List({}, {Claimed(7)}).unused, ElementsAre(ClaimAuditor::Claim{kFunction, 7}));
}

TEST_F(ClaimAuditorTest, AKubeletThatDoesNotAnswerHasTheTimeOnceMore) {
  auditor_.Allocated(kFunction, 7);
  auditor_.CheckpointWritten();
  List({}, {Claimed(7)});
  auditor_.ListFailed();
  EXPECT_EQ(auditor_.NextList(), absl::InfiniteFuture());
  now_ += kBooking;
  EXPECT_THAT(List({}, {Claimed(7)}).unused, IsEmpty());
  EXPECT_EQ(auditor_.NextList(), now_ + kBooking);
}

TEST_F(ClaimAuditorTest, AClaimThatIsOverIsWaitedForNoMore) {
  auditor_.Allocated(kFunction, 7);
  auditor_.CheckpointWritten();
  List({}, {Claimed(7)});
  List({}, {});
  EXPECT_EQ(auditor_.NextList(), absl::InfiniteFuture());
}

TEST_F(ClaimAuditorTest, AClaimThatWasNotAnsweredYetIsLeftAlone) {
  auditor_.Allocating(kFunction);
  auditor_.CheckpointWritten();
  EXPECT_THAT(List({}, {Claimed(7)}).unused, IsEmpty());
  // Somebody has the device all the same, and gives it up: that was not this claim's container.
  EXPECT_THAT(List(Held("0000:03:00.2"), {Claimed(7)}).unused, IsEmpty());
  EXPECT_THAT(List({}, {Claimed(7)}).unused, IsEmpty());
}

TEST_F(ClaimAuditorTest, AClaimThatIsAllocatedAgainIsNewAgain) {
  auditor_.Allocated(kFunction, 7);
  List(Held("0000:03:00.2"), {Claimed(7)});
  List({}, {Claimed(7)});
  ASSERT_TRUE(auditor_.StillUnused(kFunction, 7));
  auditor_.Allocating(kFunction);
  EXPECT_FALSE(auditor_.StillUnused(kFunction, 7));
  auditor_.Allocated(kFunction, 7);
  EXPECT_THAT(List({}, {Claimed(7)}).unused, IsEmpty());
}

TEST_F(ClaimAuditorTest, RowsThatWereReadBeforeANewerClaimSayNothingOfIt) {
  auditor_.Allocated(kFunction, 8);
  auditor_.CheckpointWritten();
  EXPECT_THAT(List({}, {Claimed(7)}).unused, IsEmpty());
  EXPECT_THAT(List({}, {Claimed(8)}).unused, IsEmpty());
  now_ += kBooking;
  EXPECT_THAT(List({}, {Claimed(8)}).unused, ElementsAre(ClaimAuditor::Claim{kFunction, 8}));
}

TEST_F(ClaimAuditorTest, ClaimsOfAProcessBeforeWaitForACheckpointOrAList) {
  ClaimAuditor after_restart({Claimed(7), Claimed(9, kSubfunction)}, kBooking);
  const PodList held = Held("mlx5_core.sf.4");
  const std::vector<ClaimRow> rows = {Claimed(9, kSubfunction), Claimed(7)};
  EXPECT_THAT(ListBy(after_restart, held, rows).unused, IsEmpty());
  EXPECT_THAT(ListBy(after_restart, {}, rows).unused, ElementsAre(ClaimAuditor::Claim{kSubfunction, 9}));
  after_restart.CheckpointWritten();
  EXPECT_THAT(ListBy(after_restart, held, rows).unused, IsEmpty());
  now_ += kBooking;
  EXPECT_THAT(ListBy(after_restart, held, rows).unused, ElementsAre(ClaimAuditor::Claim{kFunction, 7}));
}

TEST_F(ClaimAuditorTest, AnAttachmentWhosePodIsGoneIsToBeLookedAt) {
  const ClaimRow row = AttachedTo(kWeb, 7);
  EXPECT_THAT(List({.pods = {kWeb}}, {row}).pod_gone, IsEmpty());
  const auto findings = List({.pods = {{"default", "other"}}}, {row});
  EXPECT_THAT(findings.pod_gone, ElementsAre(ClaimAuditor::Claim{kFunction, 7}));
  EXPECT_THAT(findings.unused, IsEmpty());
  EXPECT_THAT(findings.device_gone, IsEmpty());
}

TEST_F(ClaimAuditorTest, AnAttachmentOfNoPodOrUnderWayIsLeftAlone) {
  EXPECT_THAT(List({}, {AttachedTo({"", ""}, 7)}).pod_gone, IsEmpty());
  ClaimRow row = AttachedTo(kWeb, 7);
  row.confirmed = false;
  EXPECT_THAT(List({}, {row}).pod_gone, IsEmpty());
  row.state = ClaimState::kUndoing;
  EXPECT_THAT(List({}, {row}).pod_gone, IsEmpty());
}

TEST_F(ClaimAuditorTest, WithoutAnInterfaceThePodMustHaveBeenSeen) {
  ClaimRow row = AttachedTo(kWeb, 7);
  row.vfio = true;
  EXPECT_THAT(List({}, {row}).device_gone, IsEmpty());
  List({.pods = {kWeb}}, {row});
  const auto findings = List({}, {row});
  EXPECT_THAT(findings.device_gone, ElementsAre(ClaimAuditor::Claim{kFunction, 7}));
  EXPECT_THAT(findings.pod_gone, IsEmpty());
}

TEST(HoldersIn, KnowsFunctionsByAnyOfTheirNamesAndLeavesOutOthers) {
  PodList list = Held("mlx5_core.sf.4");
  list.devices.push_back({"nvidia.com/gpu", "GPU-1", kWeb, "main"});
  const Holders holders = HoldersIn(list, kIds);
  ASSERT_EQ(holders.size(), 1u);
  EXPECT_EQ(holders.at(kSubfunction).pod, kWeb);
}

}  // namespace
}  // namespace xpu
