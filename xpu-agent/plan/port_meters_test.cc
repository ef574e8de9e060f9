#include "xpu-agent/plan/port_meters.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const Meter kSlow{Meter::Unit::kKilobits, 1, 1};
const Meter kFast{Meter::Unit::kKilobits, 9, 9};

TEST(MetersOf, AreThreeAtMostWithIdsOfOurs) {
  const MeterTable meters =
      MetersOf(0xfeff, {.ingress = {1'000'000'001, 0}, .egress = {4'000'000'000'000, 4'000'000'000'000}});
  ASSERT_EQ(meters.size(), 3u);
  for (const auto& [id, meter] : meters) EXPECT_TRUE(id >= kFirstMeter && id <= kLastMeter) << id;
  // Rounded up, a tenth of a second's at once.
  EXPECT_EQ(meters.at(MeterId(MeterUse::kIngress, 0xfeff)),
            (Meter{Meter::Unit::kKilobits, 1'000'001, 100'000}));
  EXPECT_EQ(meters.at(MeterId(MeterUse::kEgress, 0xfeff)),
            (Meter{Meter::Unit::kKilobits, 4'000'000'000, 4'000'000'000}));
  EXPECT_EQ(meters.at(MeterId(MeterUse::kToAgent, 0xfeff)).unit, Meter::Unit::kPackets);
}

TEST(MetersOf, LeaveRoomForAFewPacketsHoweverSlow) {
  EXPECT_EQ(MetersOf(1, {.egress = {1, 0}}).at(MeterId(MeterUse::kEgress, 1)),
            (Meter{Meter::Unit::kKilobits, 1, 200}));
  EXPECT_EQ(MetersOf(1, {.egress = {1, 1}}).at(MeterId(MeterUse::kEgress, 1)),
            (Meter{Meter::Unit::kKilobits, 1, 1}));
  EXPECT_EQ(MetersOf(1, {}).size(), 1u);
}

TEST(PortMeters, TellsWhatChangedAndNotWhatCameBack) {
  PortMeters meters;
  meters.Put("a", {{1, kSlow}, {2, kSlow}});
  MeterChange change = meters.TakeChanges();
  EXPECT_EQ(change.puts, (MeterTable{{1, kSlow}, {2, kSlow}}));
  EXPECT_THAT(change.deletes, IsEmpty());
  meters.Put("a", {{1, kFast}});
  meters.Put("b", {});
  change = meters.TakeChanges();
  EXPECT_EQ(change.puts, (MeterTable{{1, kFast}}));
  EXPECT_THAT(change.deletes, ElementsAre(2));
  meters.Put("a", {});
  meters.Put("a", {{1, kFast}});
  change = meters.TakeChanges();
  EXPECT_THAT(change.puts, IsEmpty());
  EXPECT_THAT(change.deletes, IsEmpty());
}

TEST(PortMeters, ANumberThatPassesToAnotherPortKeepsItsMeter) {
  PortMeters meters;
  meters.Put("b", {{1, kSlow}});
  meters.TakeChanges();
  // The new owner first, as it may come.
  meters.Put("a", {{1, kFast}});
  EXPECT_EQ(meters.OwnerOf(1), "a");
  meters.Put("b", {});
  EXPECT_EQ(meters.TakeChanges().puts, (MeterTable{{1, kFast}}));
  EXPECT_EQ(meters.Table(), (MeterTable{{1, kFast}}));
  EXPECT_EQ(meters.OwnerOf(7), "");
}

TEST(PortMeters, ComparesWithWhatIsThere) {
  PortMeters meters;
  meters.Put("a", {{1, kSlow}, {2, kSlow}});
  const MeterChange change = meters.Compare({{2, kFast}, {3, kFast}});
  EXPECT_EQ(change.puts, (MeterTable{{1, kSlow}, {2, kSlow}}));
  EXPECT_THAT(change.deletes, ElementsAre(3));
  EXPECT_THAT(meters.Compare(meters.Table()).puts, IsEmpty());
}

}  // namespace
}  // namespace xpu::pipeline
