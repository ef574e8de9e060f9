// Everything that can fail or be cut short in the life of an attachment does so once here: each call that an
// operation makes over a seam fails in turn, before or after its effect, or the process dies there. Whatever
// happened, a restart and a DEL leave nothing behind.

#include <memory>
#include <string>
#include <tuple>

#include "gtest/gtest.h"
#include "host-agent/testing/fault_run.h"
#include "host-agent/testing/world.h"

namespace xpu {
namespace {

constexpr int kNever = 1000;

void Nothing(Incarnation&, const std::string&) {}

const FaultOperation kOperations[] = {
    {"AddOfAFreeFunction", true, Nothing,
     [](Incarnation& agent, const std::string& pod) { return agent.Add(kFaultVf, pod).status(); }},
    {"ClaimAndAdd", true, Nothing,
     [](Incarnation& agent, const std::string& pod) {
       const absl::Status claimed = agent.attacher->Claim(agent.world.vf(kFaultVf), nullptr).status();
       return claimed.ok() ? agent.Add(kFaultVf, pod).status() : claimed;
     }},
    {"AddAgain", true,
     [](Incarnation& agent, const std::string& pod) { ASSERT_TRUE(agent.Add(kFaultVf, pod).ok()); },
     [](Incarnation& agent, const std::string& pod) { return agent.Add(kFaultVf, pod).status(); }},
    {"AddToAnotherNetwork", true,
     [](Incarnation& agent, const std::string& pod) { ASSERT_TRUE(agent.Add(kFaultVf, pod, "red").ok()); },
     [](Incarnation& agent, const std::string& pod) { return agent.Add(kFaultVf, pod).status(); }},
    {"Del", false,
     [](Incarnation& agent, const std::string& pod) { ASSERT_TRUE(agent.Add(kFaultVf, pod).ok()); },
     [](Incarnation& agent, const std::string& pod) { return agent.Del(kFaultVf, pod); }},
    {"DelOfARenamedInterface", false,
     [](Incarnation& agent, const std::string& pod) {
       ASSERT_TRUE(agent.Add(kFaultVf, pod).ok());
       const auto netlink = *agent.world.netlinks().Open(*agent.world.namespaces().Open(pod));
       LinkChange rename;
       rename.name = "renamed";
       ASSERT_TRUE(netlink->ChangeLink(netlink->GetLink("net1")->ifindex, rename).ok());
     },
     [](Incarnation& agent, const std::string& pod) { return agent.Del(kFaultVf, pod); }},
    {"Recovery", false,
     [](Incarnation& agent, const std::string& pod) { ASSERT_TRUE(agent.Add(kFaultVf, pod).ok()); },
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

class FaultTest : public ::testing::TestWithParam<std::tuple<FaultOperation, Fault, bool>> {};

TEST_P(FaultTest, LeavesNothingBehind) {
  const auto& [operation, fault, emulated] = GetParam();
  bool fired = true;
  int n = 0;
  while (fired && n < kNever && !HasFailure()) {
    FakeWorld world(emulated);
    fired = RunWithFault(world, world.MakePod("web"), operation, fault, ++n);
  }
  EXPECT_LT(n, kNever) << "the operation never came to its end";
  EXPECT_GT(n, 2) << "nothing was tried";
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
