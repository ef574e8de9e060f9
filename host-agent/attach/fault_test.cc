// Everything that can fail or be cut short in the life of an attachment does so once here: each call that an
// operation makes over a seam fails in turn, before or after its effect, or the process dies there. Whatever
// happened, a restart and a DEL leave nothing behind.

#include <functional>
#include <memory>
#include <string>
#include <tuple>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/testing/world.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int kVf = 1;
constexpr int kNever = 1000;

struct Operation {
  const char* name;
  // What has been done before, without a fault.
  std::function<void(Incarnation&, const std::string& pod)> before;
  // What is done with one.
  std::function<absl::Status(Incarnation&, const std::string& pod)> run;
  friend void PrintTo(const Operation& operation, std::ostream* out) { *out << operation.name; }
};

struct Fault {
  const char* name;
  FaultPoint::Mode mode;
  absl::Status status;
  bool kills() const { return mode == FaultPoint::Mode::kKillBefore || mode == FaultPoint::Mode::kKillAfter; }
  friend void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.name; }
};

absl::Status Nothing(Incarnation&, const std::string&) { return absl::OkStatus(); }

const Operation kOperations[] = {
    {"AddOfAFreeFunction", Nothing,
     [](Incarnation& agent, const std::string& pod) { return agent.Add(kVf, pod).status(); }},
    {"ClaimAndAdd", Nothing,
     [](Incarnation& agent, const std::string& pod) {
       const absl::Status claimed = agent.attacher->Claim(agent.world.vf(kVf), nullptr).status();
       return claimed.ok() ? agent.Add(kVf, pod).status() : claimed;
     }},
    {"AddAgain", [](Incarnation& agent, const std::string& pod) { ASSERT_TRUE(agent.Add(kVf, pod).ok()); },
     [](Incarnation& agent, const std::string& pod) { return agent.Add(kVf, pod).status(); }},
    {"AddToAnotherNetwork",
     [](Incarnation& agent, const std::string& pod) { ASSERT_TRUE(agent.Add(kVf, pod, "red").ok()); },
     [](Incarnation& agent, const std::string& pod) { return agent.Add(kVf, pod).status(); }},
    {"Del", [](Incarnation& agent, const std::string& pod) { ASSERT_TRUE(agent.Add(kVf, pod).ok()); },
     [](Incarnation& agent, const std::string& pod) { return agent.Del(kVf, pod); }},
    {"DelOfARenamedInterface",
     [](Incarnation& agent, const std::string& pod) {
       ASSERT_TRUE(agent.Add(kVf, pod).ok());
       const auto netlink = *agent.world.netlinks().Open(*agent.world.namespaces().Open(pod));
       LinkChange rename;
       rename.name = "renamed";
       ASSERT_TRUE(netlink->ChangeLink(netlink->GetLink("net1")->ifindex, rename).ok());
     },
     [](Incarnation& agent, const std::string& pod) { return agent.Del(kVf, pod); }},
    {"Recovery", [](Incarnation& agent, const std::string& pod) { ASSERT_TRUE(agent.Add(kVf, pod).ok()); },
     [](Incarnation& agent, const std::string&) {
       agent.Recover();
       return absl::OkStatus();
     }},
};

const Fault kFaults[] = {
    {"Error", FaultPoint::Mode::kErrorBefore, absl::InternalError("fault")},
    {"NotFound", FaultPoint::Mode::kErrorBefore, absl::NotFoundError("fault")},
    {"AlreadyExists", FaultPoint::Mode::kErrorBefore, absl::AlreadyExistsError("fault")},
    {"Unavailable", FaultPoint::Mode::kErrorBefore, absl::UnavailableError("fault")},
    {"ErrorAfterEffect", FaultPoint::Mode::kErrorAfter, absl::InternalError("fault")},
    {"DeadlineAfterEffect", FaultPoint::Mode::kErrorAfter, absl::DeadlineExceededError("fault")},
    {"KilledBefore", FaultPoint::Mode::kKillBefore, absl::OkStatus()},
    {"KilledAfter", FaultPoint::Mode::kKillAfter, absl::OkStatus()},
};

class FaultTest : public ::testing::TestWithParam<std::tuple<Operation, Fault, bool>> {
 protected:
  const Operation& operation() const { return std::get<0>(GetParam()); }
  const Fault& fault() const { return std::get<1>(GetParam()); }
  bool emulated() const { return std::get<2>(GetParam()); }

  void ExpectNothingLeft(World& world, const Link& at_first, const std::string& pod) {
    EXPECT_THAT(*world.journal.Load(), IsEmpty());
    EXPECT_THAT(world.Ports(), IsEmpty());
    EXPECT_THAT(world.Bindings(), IsEmpty());
    EXPECT_THAT(world.InterfacesOf(pod), IsEmpty());
    const std::optional<Link> now = world.AtHome(kVf);
    ASSERT_TRUE(now.has_value()) << "the function is not at home";
    EXPECT_EQ(now->name, at_first.name);
    EXPECT_EQ(now->mac, at_first.mac);
    EXPECT_EQ(now->mtu, at_first.mtu);
    EXPECT_EQ(now->alias, at_first.alias);
  }

  void ExpectAttached(World& world, const std::string& pod) {
    EXPECT_THAT(world.InterfacesOf(pod), ElementsAre("net1"));
    const auto rows = world.journal.Load();
    ASSERT_EQ(rows->size(), 1u);
    const ClaimRow& row = rows->front();
    EXPECT_TRUE(row.confirmed);
    EXPECT_EQ(row.state, ClaimState::kAttached);
    EXPECT_THAT(world.AddressesInPod(pod, "net1"), ::testing::UnorderedElementsAreArray(row.addresses));
    const std::optional<Link> link = world.InPod(pod, "net1");
    EXPECT_TRUE(link && link->up && link->mac == row.mac && link->mtu == row.mtu);
    ASSERT_EQ(world.Bindings().size(), 1u);
    EXPECT_EQ(world.Bindings()[0].claim(), row.claim);
    EXPECT_EQ(world.Bindings()[0].logical_bridge(), "logicalBridges/default." + row.attachment->network);
  }

  // Runs the operation with the n-th call failing; returns whether there was one.
  bool RunWithFault(int n) {
    FakeWorld world(emulated());
    const std::string pod = world.MakePod("web");
    const Link at_first = *world.AtHome(kVf);
    auto agent = std::make_unique<Incarnation>(world);
    operation().before(*agent, pod);

    agent->faults.Arm(n, fault().mode, fault().status);
    const absl::Status status = operation().run(*agent, pod);
    const bool fired = agent->faults.fired();
    SCOPED_TRACE(testing::Message() << "call " << n << ", " << agent->faults.where() << ", answered "
                                    << status);
    agent->faults.Disarm();
    if (!fired) {
      EXPECT_TRUE(status.ok()) << status;
    }
    const bool attaches = std::string(operation().name).find("Add") != std::string::npos;
    // The runtime was told that the pod has its interface, so it has.
    if (attaches && status.ok()) ExpectAttached(world, pod);

    if (fault().kills()) {
      agent = std::make_unique<Incarnation>(world);
      agent->Recover();
      if (attaches && status.ok()) ExpectAttached(world, pod);
    }
    // Told that its namespace or interface is not there, the agent must believe that the pod is gone.
    const bool told_gone = absl::IsNotFound(fault().status);
    if (std::string(operation().name) == "Recovery" && !told_gone) ExpectAttached(world, pod);
    EXPECT_TRUE(agent->Del(kVf, pod).ok());
    // What is only claimed is for the kubelet to give to another pod.
    agent->SettleAll();
    for (const ClaimRow& row : agent->allocator->Rows()) {
      EXPECT_EQ(row.state, ClaimState::kClaimed);
      EXPECT_TRUE(agent->attacher->Unclaim(row.function, row.claim).ok());
    }
    ExpectNothingLeft(world, at_first, pod);

    // And all works as if nothing had been.
    EXPECT_TRUE(agent->Add(kVf, pod).ok());
    ExpectAttached(world, pod);
    EXPECT_TRUE(agent->Del(kVf, pod).ok());
    ExpectNothingLeft(world, at_first, pod);
    return fired;
  }
};

TEST_P(FaultTest, LeavesNothingBehind) {
  int n = 1;
  while (n < kNever && RunWithFault(n) && !HasFailure()) ++n;
  EXPECT_LT(n, kNever) << "the operation never came to its end";
  // The loop must have tried something, or it proves nothing.
  EXPECT_GT(n, 2);
}

std::string NameOf(const ::testing::TestParamInfo<FaultTest::ParamType>& info) {
  return std::string(std::get<0>(info.param).name) + "_" + std::get<1>(info.param).name + "_" +
         (std::get<2>(info.param) ? "EmulatedCard" : "Card");
}

INSTANTIATE_TEST_SUITE_P(All, FaultTest,
                         ::testing::Combine(::testing::ValuesIn(kOperations), ::testing::ValuesIn(kFaults),
                                            ::testing::Bool()),
                         NameOf);

}  // namespace
}  // namespace xpu
