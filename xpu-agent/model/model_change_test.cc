#include "xpu-agent/model/model_change.h"

#include <random>

#include "common/base/test_seed.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

Model RandomModel(std::mt19937_64* random) {
  const auto below = [&](int n) { return static_cast<int>((*random)() % n); };
  Model model;
  for (const std::string id : {"a", "b", "c", "d"}) {
    if (below(2) == 0) model.bridges[id] = {.id = id, .network_key = 1u + below(2)};
    if (below(2) == 0) model.ports[id] = {.id = id, .bound = below(2) == 0};
    if (below(2) == 0) model.vrfs[id] = {.id = id, .vrf_key = 1u + below(2)};
    if (below(2) == 0) model.svis[id] = {.id = id, .remote_as = 1u + below(2)};
    if (below(2) == 0) model.remote_ports[id] = {.id = id, .logical_bridge = below(2) == 0 ? "a" : "b"};
    if (below(2) == 0) model.representors[id] = {.interface = id, .ofport = 1u + below(2)};
  }
  if (below(2) == 0) model.tunnel = Tunnel{.ofport = 1u + below(2)};
  if (below(2) == 0) model.uplink = Representor{.interface = "p0", .ofport = 1u + below(2)};
  return model;
}

TEST(ModelChange, LeadsFromOneModelToTheOtherAndTwoToAThird) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 500; ++round) {
    const Model one = RandomModel(&random), two = RandomModel(&random), three = RandomModel(&random);
    Model model = one;
    ModelChange change = Difference(one, two);
    EXPECT_EQ(change.empty(), one == two);
    Apply(change, &model);
    ASSERT_EQ(model, two);
    change.Append(Difference(two, three));
    model = one;
    Apply(change, &model);
    ASSERT_EQ(model, three);
  }
}

TEST(ModelChange, OfNothingIsEmpty) {
  std::mt19937_64 random(1);
  const Model model = RandomModel(&random);
  EXPECT_TRUE(Difference(model, model).empty());
}

}  // namespace
}  // namespace xpu
