#include "device-plugin/preferred_allocation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xpu {
namespace {

using ::testing::ElementsAre;

// Physical functions "p" (3 functions, node 0), "q" (4, node 1) and "r" (2, node 1).
PoolMembers Members() {
  PoolMembers members;
  const auto add = [&](const std::string& parent, int count, int node) {
    for (int i = 0; i < count; ++i) {
      members.push_back(
          {.function = {
               .id = parent + std::to_string(i), .pf_address = parent, .numa_node = node, .healthy = true}});
    }
  };
  add("p", 3, 0);
  add("q", 4, 1);
  add("r", 2, 1);
  return members;
}

std::vector<std::string> All() {
  std::vector<std::string> ids;
  for (const PoolMember& member : Members()) ids.push_back(member.function.id);
  return ids;
}

std::vector<std::string> Prefer(AllocatePolicy policy, const std::vector<std::string>& available,
                                const std::vector<std::string>& must_include, int count) {
  auto preferred = PreferAllocation(Members(), policy, available, must_include, count);
  EXPECT_TRUE(preferred.ok()) << preferred.status();
  return preferred.ok() ? *preferred : std::vector<std::string>();
}
std::vector<std::string> Packed(const std::vector<std::string>& available,
                                const std::vector<std::string>& must_include, int count) {
  return Prefer(AllocatePolicy::kPacked, available, must_include, count);
}
std::vector<std::string> Spread(const std::vector<std::string>& available,
                                const std::vector<std::string>& must_include, int count) {
  return Prefer(AllocatePolicy::kSpread, available, must_include, count);
}

TEST(PreferAllocationTest, PackedFillsWhatIsFullest) {
  EXPECT_THAT(Packed(All(), {}, 1), ElementsAre("p0"));
  EXPECT_THAT(Packed({"p0", "p1", "p2", "q0", "r0"}, {}, 1), ElementsAre("q0"));
  EXPECT_THAT(Packed({"p0", "p1", "q3", "r1"}, {}, 2), ElementsAre("p0", "p1"));
  EXPECT_THAT(Packed(All(), {}, 4), ElementsAre("q0", "q1", "q2", "q3"));
}

TEST(PreferAllocationTest, SpreadTakesTurnsWithinANode) {
  EXPECT_THAT(Spread(All(), {}, 1), ElementsAre("q0"));
  EXPECT_THAT(Spread(All(), {}, 2), ElementsAre("q0", "r0"));
  EXPECT_THAT(Spread(All(), {}, 4), ElementsAre("q0", "q1", "r0", "r1"));
  EXPECT_THAT(Spread(All(), {}, 5), ElementsAre("q0", "q1", "q2", "r0", "r1"));
  EXPECT_THAT(Spread(All(), {"q1"}, 2), ElementsAre("q1", "r0"));
}

TEST(PreferAllocationTest, OneNodeGoesBeforeThePolicy) {
  // A node that suffices, though both policies would like another mixture.
  EXPECT_THAT(Packed({"p0", "q0", "r0"}, {}, 2), ElementsAre("q0", "r0"));
  EXPECT_THAT(Spread({"p0", "p1", "p2", "q0", "r0"}, {}, 3), ElementsAre("p0", "p1", "p2"));
  EXPECT_THAT(Packed(All(), {}, 6), ElementsAre("q0", "q1", "q2", "q3", "r0", "r1"));
  EXPECT_EQ(Spread(All(), {}, 7).size(), 7u);
}

TEST(PreferAllocationTest, WhatMustBeIncludedDecidesTheNodeAndTheParent) {
  EXPECT_THAT(Packed(All(), {"r1"}, 2), ElementsAre("r0", "r1"));
  EXPECT_THAT(Packed({"p0", "p1", "q0", "r0", "r1"}, {"q0"}, 3), ElementsAre("q0", "r0", "r1"));
  EXPECT_THAT(Spread(All(), {"p0"}, 2), ElementsAre("p0", "p1"));
}

TEST(PreferAllocationTest, AllMayBeAskedFor) {
  for (const AllocatePolicy policy : {AllocatePolicy::kPacked, AllocatePolicy::kSpread}) {
    EXPECT_EQ(Prefer(policy, All(), {"p0"}, 9).size(), 9u);
    EXPECT_TRUE(Prefer(policy, {}, {}, 0).empty());
  }
}

TEST(PreferAllocationTest, ADeviceThatIsNotKnownAnyMoreComesLast) {
  for (const AllocatePolicy policy : {AllocatePolicy::kPacked, AllocatePolicy::kSpread}) {
    EXPECT_THAT(Prefer(policy, {"gone0", "gone1", "p2"}, {}, 1), ElementsAre("p2"));
    EXPECT_THAT(Prefer(policy, {"gone0", "p2"}, {}, 2), ElementsAre("gone0", "p2"));
  }
}

TEST(PreferAllocationTest, WhatCannotBeIsRefused) {
  const auto refused = [](const std::vector<std::string>& available,
                          const std::vector<std::string>& must_include, int count) {
    return PreferAllocation(Members(), AllocatePolicy::kPacked, available, must_include, count)
               .status()
               .code() == absl::StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused({"p0"}, {}, 2));
  EXPECT_TRUE(refused({"p0"}, {}, -1));
  EXPECT_TRUE(refused({"p0", "p1"}, {"p0", "p1"}, 1));
  EXPECT_TRUE(refused({"p0", "p1"}, {"q0"}, 1));
}

}  // namespace
}  // namespace xpu
