// Pods come and go at random over a few functions, with processes killed and calls failing at random places;
// after every step the rules of an allocation hold, and at the end nothing is left.

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "common/base/test_seed.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/testing/world.h"

namespace xpu {
namespace {

using ::testing::IsEmpty;

constexpr int kVfs = 3;
constexpr int kPods = 4;
constexpr int kSteps = 400;

class RandomTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  int Draw(int bound) { return std::uniform_int_distribution<int>(0, bound - 1)(random_); }

  void MaybeArm() {
    if (Draw(3) != 0) return;
    using Mode = FaultPoint::Mode;
    const Mode mode = std::vector<Mode>{Mode::kErrorBefore, Mode::kErrorAfter, Mode::kKillBefore,
                                        Mode::kKillAfter}[Draw(4)];
    kills_ = mode == Mode::kKillBefore || mode == Mode::kKillAfter;
    agent_->faults.Arm(1 + Draw(30), mode, absl::InternalError("fault"));
  }

  // Some with another MAC, settings of the physical function and a plugin's addresses.
  AttachRequest DrawRequest(int vf, const std::string& pod) {
    AttachRequest request = agent_->Request(vf, pod, Draw(2) == 0 ? "blue" : "red");
    if (Draw(3) == 0) request = agent_->RequestWithIpam(vf, pod);
    if (Draw(3) == 0) request = agent_->RequestInVlan(vf, pod, Draw(2) == 0 ? "dhcp" : "host-local");
    if (Draw(3) == 0) request.mac = MacAddress({2, 0, 0, 0, 9, static_cast<uint8_t>(vf)});
    if (Draw(3) == 0) request.settings = {.vlan = VfSettings::Vlan{.id = 7}, .trust = true};
    return request;
  }

  void Step(World& world) {
    const int vf = Draw(kVfs);
    const int pod = Draw(kPods);
    MaybeArm();
    switch (Draw(5)) {
      case 0:
      case 1: {
        const auto row = agent_->attacher->Add(DrawRequest(vf, pods_[pod]));
        // The runtime believes it; and it is asked to undo what it was not told.
        if (row.ok()) {
          attached_[pod] = vf;
        } else {
          attached_.erase(pod);
        }
        break;
      }
      case 2: {
        const auto it = attached_.find(pod);
        const absl::Status status = agent_->Del(it == attached_.end() ? vf : it->second, pods_[pod]);
        // After an error the pod may have it or not.
        attached_.erase(pod);
        status.IgnoreError();
        break;
      }
      case 3:
        agent_->attacher->Claim(world.vf(vf), nullptr).status().IgnoreError();
        break;
      case 4:
        world.opi.SetConnected(Draw(4) != 0);
        break;
    }
    if (agent_->faults.fired() && kills_) {
      agent_ = std::make_unique<Incarnation>(world);
      agent_->Recover();
    }
    agent_->faults.Disarm();
  }

  void Check(World& world) {
    const auto rows = world.journal.Load();
    EXPECT_EQ(agent_->allocator->Rows(), *rows);
    // What the runtime was told is so.
    for (const auto& [pod, vf] : attached_) {
      const auto row = agent_->allocator->Find(world.vf(vf));
      ASSERT_TRUE(row && row->attachment) << "pod " << pod << " has lost function " << vf;
      EXPECT_EQ(row->attachment->netns, pods_[pod]);
      EXPECT_EQ(world.InPod(pods_[pod], "net1").has_value(), !row->vfio) << "pod " << pod;
    }
    // Each function is in one place.
    int interfaces = 0;
    for (const std::string& pod : pods_) interfaces += static_cast<int>(world.InterfacesOf(pod).size());
    for (int i = 0; i < kVfs; ++i) interfaces += world.AtHome(i).has_value();
    EXPECT_EQ(interfaces, kVfs - 1) << "all but the one of vfio-pci";
    // An address that is given is known to the journal, so that it is given back.
    for (const auto& [address, holder] : world.ipam.Given()) {
      const auto is_holder = [&holder = holder](const ClaimRow& row) {
        return row.ipam && row.attachment->container_id == holder.first;
      };
      EXPECT_TRUE(std::any_of(rows->begin(), rows->end(), is_holder)) << address.ToString();
    }
  }

  std::mt19937_64 random_;
  std::unique_ptr<FakeWorld> world_;
  std::vector<std::string> pods_;
  std::unique_ptr<Incarnation> agent_;
  // What the runtime was told: which function a pod has.
  std::map<int, int> attached_;
  bool kills_ = false;
};

TEST_P(RandomTest, NothingIsEverInTwoPlacesAndNothingIsLeft) {
  const uint64_t seed = GetParam() != 0 ? GetParam() : TestSeed();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  random_.seed(seed);
  world_ = std::make_unique<FakeWorld>(seed % 2 == 0, kVfs);
  FakeWorld& world = *world_;
  if (Draw(2) == 0) world.endpoint = "";
  world.BindVfio(kVfs - 1);
  std::vector<std::optional<Link>> homes;
  std::vector<VfSettings> kept;
  for (int i = 0; i < kVfs; ++i) {
    homes.push_back(world.AtHome(i));
    kept.push_back(world.Kept(i));
  }
  for (int i = 0; i < kPods; ++i) pods_.push_back(world.MakePod("p" + std::to_string(i)));
  agent_ = std::make_unique<Incarnation>(world);
  for (int i = 0; i < kSteps && !HasFailure(); ++i) {
    SCOPED_TRACE(testing::Message() << "step " << i);
    Step(world);
    Check(world);
  }

  world.opi.SetConnected(true);
  agent_ = std::make_unique<Incarnation>(world);
  agent_->Recover();
  for (const ClaimRow& row : agent_->allocator->Rows()) {
    if (row.attachment) {
      EXPECT_TRUE(
          agent_->attacher->Del(row.function, row.attachment->container_id, row.attachment->ifname).ok());
    } else {
      EXPECT_TRUE(agent_->attacher->Unclaim(row.function, row.claim).ok());
    }
  }
  EXPECT_THAT(*world.journal.Load(), IsEmpty());
  EXPECT_THAT(world.Ports(), IsEmpty());
  EXPECT_THAT(world.ipam.Given(), IsEmpty());
  for (const std::string& pod : pods_) EXPECT_THAT(world.InterfacesOf(pod), IsEmpty());
  for (int i = 0; i < kVfs; ++i) {
    const std::optional<Link> now = world.AtHome(i);
    EXPECT_TRUE(world.Kept(i) == kept[i]) << i;
    ASSERT_EQ(now.has_value(), homes[i].has_value());
    if (!now) continue;
    EXPECT_EQ(now->name, homes[i]->name);
    EXPECT_EQ(now->mac, homes[i]->mac);
    EXPECT_EQ(now->mtu, homes[i]->mtu);
    EXPECT_EQ(now->alias, homes[i]->alias);
  }
}

// Seeds that never change, and one that always does (0).
INSTANTIATE_TEST_SUITE_P(Seeds, RandomTest, ::testing::Values(1, 2, 3, 4, 5, 6, 0));

}  // namespace
}  // namespace xpu
