#include "xpu-agent/model/shared_map.h"

#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/test_seed.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using Change = std::tuple<std::string, std::optional<int>, std::optional<int>>;

std::vector<Change> Differences(const SharedMap<int>& before, const SharedMap<int>& after) {
  std::vector<Change> changes;
  SharedMap<int>::Compare(before, after, [&](const std::string& id, const int* was, const int* is) {
    changes.emplace_back(id, was == nullptr ? std::nullopt : std::optional(*was),
                         is == nullptr ? std::nullopt : std::optional(*is));
  });
  return changes;
}

TEST(SharedMap, HasWhatWasPutInInOrder) {
  SharedMap<int> map = {{"b", 2}, {"a", 1}};
  map["c"] = 3;
  EXPECT_THAT(map, ElementsAre(Pair("a", 1), Pair("b", 2), Pair("c", 3)));
  EXPECT_FALSE(map.emplace("c", 4));
  EXPECT_EQ(map.at("c"), 3);
  EXPECT_EQ(map.Mutable("d"), nullptr);
  EXPECT_EQ(map.erase("d"), 0);
  EXPECT_EQ(map.erase("b"), 1);
  EXPECT_THAT(map, ElementsAre(Pair("a", 1), Pair("c", 3)));
  EXPECT_EQ(map.find("b"), map.end());
  EXPECT_EQ(map.lower_bound("b")->first, "c");
  EXPECT_EQ(map.upper_bound("c"), map.end());
}

TEST(SharedMap, CopyStaysAsItWas) {
  SharedMap<int> map = {{"a", 1}, {"b", 2}};
  const SharedMap<int> copy = map;
  *map.Mutable("a") = 10;
  map.erase("b");
  EXPECT_THAT(copy, ElementsAre(Pair("a", 1), Pair("b", 2)));
  EXPECT_THAT(Differences(copy, map), ElementsAre(Change("a", 1, 10), Change("b", 2, std::nullopt)));
  map.clear();
  EXPECT_THAT(map, IsEmpty());
}

// An object that counts how often one is compared with another.
struct Counted {
  int value = 0;
  static inline int comparisons = 0;
  friend bool operator==(const Counted& a, const Counted& b) {
    ++comparisons;
    return a.value == b.value;
  }
};

TEST(SharedMap, LooksOnlyAtWhatIsNotShared) {
  SharedMap<Counted> map;
  for (int i = 0; i < 100'000; ++i) map.emplace(absl::StrCat("id", i), {i});
  SharedMap<Counted> changed = map;
  changed["id77"].value = -1;
  changed.erase("id5");
  changed.emplace("new", {});
  Counted::comparisons = 0;
  std::vector<std::string> ids;
  SharedMap<Counted>::Compare(map, changed, [&](const std::string& id, auto...) { ids.push_back(id); });
  EXPECT_THAT(ids, ElementsAre("id5", "id77", "new"));
  EXPECT_EQ(Counted::comparisons, 1);
}

// What std::map does, for random sequences of changes of many copies.
TEST(SharedMap, DoesAsStdMap) {
  const uint64_t seed = TestSeed();
  std::mt19937_64 random(seed);
  const auto below = [&](uint64_t n) { return std::uniform_int_distribution<uint64_t>(0, n - 1)(random); };
  struct Pair {
    SharedMap<int> ours;
    std::map<std::string, int> theirs;
  };
  std::vector<Pair> copies(4);
  for (int step = 0; step < 5'000; ++step) {
    Pair& one = copies[below(copies.size())];
    const std::string id = absl::StrCat(below(60));
    switch (below(6)) {
      case 0:
      case 1:
        one.theirs[id] = one.ours[id] = step;
        break;
      case 2:
        ASSERT_EQ(one.ours.erase(id), one.theirs.erase(id));
        break;
      case 3:
        ASSERT_EQ(one.ours.emplace(id, step), one.theirs.emplace(id, step).second);
        break;
      case 4: {
        const std::string last = absl::StrCat(id, below(10));
        one.ours.EraseRange(id, last);
        one.theirs.erase(one.theirs.lower_bound(id), one.theirs.lower_bound(last));
        break;
      }
      default:
        copies[below(copies.size())] = one;
    }
    ASSERT_EQ(one.ours.size(), one.theirs.size());
    ASSERT_EQ((std::map<std::string, int>(one.ours.begin(), one.ours.end())), one.theirs) << "step " << step;
    const auto found = one.ours.find(id);
    ASSERT_EQ(found != one.ours.end(), one.theirs.contains(id));
    const auto next = one.ours.upper_bound(id);
    const auto their_next = one.theirs.upper_bound(id);
    ASSERT_EQ(next == one.ours.end(), their_next == one.theirs.end());
    if (next != one.ours.end()) {
      ASSERT_EQ(next->first, their_next->first);
    }
    const Pair& other = copies[below(copies.size())];
    ASSERT_EQ(one.ours == other.ours, one.theirs == other.theirs);
    std::vector<Change> expected;
    std::map<std::string, int> all = one.theirs;
    all.insert(other.theirs.begin(), other.theirs.end());
    for (const auto& entry : all) {
      std::optional<int> was, is;
      if (const auto it = one.theirs.find(entry.first); it != one.theirs.end()) was = it->second;
      if (const auto it = other.theirs.find(entry.first); it != other.theirs.end()) is = it->second;
      if (was != is) expected.emplace_back(entry.first, was, is);
    }
    ASSERT_EQ(Differences(one.ours, other.ours), expected);
  }
}

}  // namespace
}  // namespace xpu
