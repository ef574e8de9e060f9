// Everything that can fail or be cut short in the life of an attachment does so once here: each call that an
// operation makes over a seam fails in turn, before or after its effect, or the process dies there. Whatever
// happened, a restart and a DEL, or a GC, leave nothing behind.

#include <memory>
#include <set>
#include <string>
#include <tuple>

#include "gtest/gtest.h"
#include "host-agent/testing/fault_run.h"
#include "host-agent/testing/world.h"

namespace xpu {
namespace {

constexpr int kNever = 1000;

void Nothing(Incarnation&, const std::string&) {}

// Everything at once that a physical function may be told, another MAC, and addresses by a plugin.
absl::Status AddWithAll(Incarnation& agent, const std::string& pod) {
  AttachRequest request = agent.RequestWithIpam(kFaultVf, pod);
  // Nobody keeps these for an emulated function or a subfunction.
  if (!agent.world.Kept(kFaultVf).empty() && !request.function.sf) {
    request.settings = {.vlan = VfSettings::Vlan{.id = 7, .qos = 3},
                        .spoof_check = false,
                        .trust = true,
                        .max_tx_rate = 1000};
  }
  request.mac = *MacAddress::Parse("02:00:00:00:00:99");
  const absl::StatusOr<ClaimRow> row = agent.attacher->Add(request);
  if (row.ok() && !request.settings.empty()) {
    const VfSettings kept = agent.world.Kept(kFaultVf);
    EXPECT_EQ(kept.vlan, request.settings.vlan);
    EXPECT_EQ(kept.mac, request.mac);
    EXPECT_EQ(kept.trust, true);
  }
  return row.status();
}

// In the network of a VLAN, which the physical function tags if it can, with addresses by `plugin`.
absl::Status AddInVlan(Incarnation& agent, const std::string& pod, const std::string& plugin) {
  AttachRequest request = agent.RequestInVlan(kFaultVf, pod, plugin);
  if (!agent.world.Kept(kFaultVf).empty() && !request.function.sf) {
    request.settings.vlan = VfSettings::Vlan{.id = 7};
  }
  return agent.attacher->Add(request).status();
}

FaultOperation AddIn(const char* name, const char* plugin) {
  return {name, true, Nothing,
          [plugin](Incarnation& agent, const std::string& pod) { return AddInVlan(agent, pod, plugin); }};
}
FaultOperation DelIn(const char* name, const char* plugin) {
  return {name, false,
          [plugin](Incarnation& agent, const std::string& pod) {
            ASSERT_TRUE(AddInVlan(agent, pod, plugin).ok());
          },
          [](Incarnation& agent, const std::string& pod) { return agent.Del(kFaultVf, pod); }};
}

const FaultOperation kOperations[] = {
    AddIn("AddInVlan", "host-local"),
    DelIn("DelInVlan", "host-local"),
    // Which is asked through the interface, after the card.
    AddIn("AddWithDhcp", "dhcp"),
    DelIn("DelWithDhcp", "dhcp"),
    {"AddInVlanInPlaceOfANetwork", true,
     [](Incarnation& agent, const std::string& pod) { ASSERT_TRUE(agent.Add(kFaultVf, pod).ok()); },
     [](Incarnation& agent, const std::string& pod) { return AddInVlan(agent, pod, "host-local"); }},
    {"AddOfAFreeFunction", true, Nothing,
     [](Incarnation& agent, const std::string& pod) { return agent.Add(kFaultVf, pod).status(); }},
    {"ClaimAndAdd", true, Nothing,
     [](Incarnation& agent, const std::string& pod) {
       const absl::Status claimed = agent.attacher->Claim(agent.world.function(kFaultVf), nullptr).status();
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
    {"AddWithAll", true, Nothing, AddWithAll},
    {"AddWithAllAgain", true,
     [](Incarnation& agent, const std::string& pod) { ASSERT_TRUE(AddWithAll(agent, pod).ok()); },
     AddWithAll},
    {"AddWithoutWhatWasThere", true,
     [](Incarnation& agent, const std::string& pod) { ASSERT_TRUE(AddWithAll(agent, pod).ok()); },
     [](Incarnation& agent, const std::string& pod) { return agent.Add(kFaultVf, pod).status(); }},
    {"DelWithAll", false,
     [](Incarnation& agent, const std::string& pod) { ASSERT_TRUE(AddWithAll(agent, pod).ok()); },
     [](Incarnation& agent, const std::string& pod) { return agent.Del(kFaultVf, pod); }},
    {"Release", false,
     [](Incarnation& agent, const std::string& pod) { ASSERT_TRUE(AddWithAll(agent, pod).ok()); },
     [](Incarnation& agent, const std::string& pod) {
       const AttachRequest request = agent.Request(kFaultVf, pod);
       return agent.attacher->Release(request.function, request.attachment);
     }},
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

enum class Kind { kVf, kEmulated, kVfio, kSf };

class FaultTest : public ::testing::TestWithParam<std::tuple<FaultOperation, Fault, Kind>> {
 protected:
  static std::unique_ptr<FakeWorld> MakeWorld(Kind kind) {
    auto world = std::make_unique<FakeWorld>(kind == Kind::kEmulated);
    // So that the physical function is told the VLAN, too.
    world->endpoint = "";
    if (kind == Kind::kVfio) world->BindVfio(kFaultVf);
    if (kind == Kind::kSf) world->SubstituteSf(kFaultVf, 88);
    return world;
  }
};

TEST_P(FaultTest, LeavesNothingBehind) {
  const auto& [operation, fault, kind] = GetParam();
  // These are about an interface.
  const std::set<std::string> with_interface = {"DelOfARenamedInterface", "AddWithDhcp", "DelWithDhcp"};
  if (kind == Kind::kVfio && with_interface.contains(operation.name)) return;
  for (const TakenBackBy taken_back_by : {TakenBackBy::kDel, TakenBackBy::kGc}) {
    SCOPED_TRACE(taken_back_by == TakenBackBy::kDel ? "then DEL" : "then GC");
    bool fired = true;
    int n = 0;
    while (fired && n < kNever && !HasFailure()) {
      const std::unique_ptr<FakeWorld> world = MakeWorld(kind);
      fired = RunWithFault(*world, world->MakePod("web"), operation, fault, ++n, taken_back_by);
    }
    EXPECT_LT(n, kNever) << "the operation never came to its end";
    EXPECT_GT(n, 2) << "nothing was tried";
  }
}

std::string NameOf(const ::testing::TestParamInfo<FaultTest::ParamType>& info) {
  const char* const kinds[] = {"Card", "EmulatedCard", "Vfio", "Subfunction"};
  return std::string(std::get<0>(info.param).name) + "_" + std::get<1>(info.param).name + "_" +
         kinds[static_cast<int>(std::get<2>(info.param))];
}

INSTANTIATE_TEST_SUITE_P(All, FaultTest,
                         ::testing::Combine(::testing::ValuesIn(kOperations), ::testing::ValuesIn(kFaults),
                                            ::testing::Values(Kind::kVf, Kind::kEmulated, Kind::kVfio,
                                                              Kind::kSf)),
                         NameOf);

}  // namespace
}  // namespace xpu
