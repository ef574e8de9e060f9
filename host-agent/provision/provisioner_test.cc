#include "host-agent/provision/provisioner.h"

#include <optional>

#include "absl/synchronization/notification.h"
#include "common/sys/fake/fake_kernel.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/alloc/allocator.h"
#include "host-agent/alloc/fake_journal.h"

namespace xpu {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

const PciAddress kPf{0, 3, 0, 0};
const MacAddress kMac = *MacAddress::Parse("02:00:00:00:77:00");

class ProvisionerTest : public ::testing::Test {
 protected:
  ProvisionerTest() {
    kernel_.AddCard(kPf, "p0", 8);
    allocator_ = *Allocator::Open(gate_);
  }

  void Start(const PfSetup& setup) {
    provisioner_.reset();
    {
      absl::MutexLock lock(&mu_);
      last_.reset();
    }
    provisioner_ = std::make_unique<Provisioner>(
        std::vector<CardConfig>{{"card0", kPf, "unix:/x", setup}},
        Provisioner::Parts{.bus = bus_,
                           .devlink = &devlink_,
                           .gate = gate_,
                           .read = [this] { return Share(ReadBus(bus_, {kPf})); },
                           .rows = [this] { return allocator_->Rows(); },
                           .changed =
                               [this](const PfState& state) {
                                 absl::MutexLock lock(&mu_);
                                 last_ = state;
                               },
                           .backoff = {.initial = absl::Milliseconds(1), .max = absl::Milliseconds(10)}});
    provisioner_->Start();
  }
  // Waits for a state that has been told.
  template <class Predicate>
  bool WaitFor(Predicate predicate) {
    absl::MutexLock lock(&mu_);
    const auto reached = [&] {
      mu_.AssertReaderHeld();
      return last_ && predicate(*last_);
    };
    return mu_.AwaitWithTimeout(absl::Condition(&reached), absl::Seconds(20));
  }
  bool WaitUntilDone() {
    return WaitFor([](const PfState& state) { return state.reason.empty(); });
  }
  std::string WaitForReason() {
    EXPECT_TRUE(WaitFor([](const PfState& state) { return !state.reason.empty(); }));
    return provisioner_->States().at(0).reason;
  }

  PciAddress Vf(int i) const { return VirtualFunctionAddress(kPf, 2, 1, i); }
  ClaimRow Claim(const FunctionId& function, const std::string& pod) {
    Attachment attachment{
        .container_id = "c-" + pod, .ifname = "net1", .pod_namespace = "default", .pod_name = pod};
    return *allocator_->Begin({.function = function, .attachment = attachment});
  }
  void Free(const ClaimRow& row) {
    ASSERT_TRUE(allocator_->Undo(row.function, row.claim).ok());
    ASSERT_TRUE(allocator_->Undone(row.function, row.claim, {.host = true, .dpu = true}).ok());
    provisioner_->Freed();
  }
  std::string DriverOf(const PciAddress& address) {
    const auto function = bus_.Get(address);
    return function.ok() ? function->driver : "gone";
  }
  std::vector<uint32_t> Subfunctions() {
    std::vector<uint32_t> numbers;
    const auto found = bus_.Subfunctions(kPf);
    for (const Subfunction& sf : *found) numbers.push_back(sf.number);
    return numbers;
  }

  FakeKernel kernel_;
  FakePciBus bus_{kernel_};
  FakeDevlink devlink_{kernel_};
  FakeJournal journal_;
  ClaimGate gate_{journal_};
  std::unique_ptr<Allocator> allocator_;
  absl::Mutex mu_;
  std::optional<PfState> last_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<Provisioner> provisioner_;
};

const PfSetup kAll{.vfs = 4, .drivers = {{2, "vfio-pci"}, {3, "vfio-pci"}}, .sfs = {{{88, kMac}, {89, {}}}}};

TEST_F(ProvisionerTest, MakesWhatIsConfiguredAtStart) {
  Start(kAll);
  ASSERT_TRUE(WaitUntilDone());
  EXPECT_EQ(bus_.Get(kPf)->num_vfs, 4);
  EXPECT_NE(DriverOf(Vf(1)), "vfio-pci");
  EXPECT_EQ(DriverOf(Vf(2)), "vfio-pci");
  EXPECT_EQ(DriverOf(Vf(3)), "vfio-pci");
  EXPECT_THAT(Subfunctions(), ElementsAre(88, 89));
  EXPECT_EQ(devlink_.ListSfs(kPf)->at(0).mac, kMac);
  const PfState state = provisioner_->States().at(0);
  EXPECT_TRUE(state.present);
  EXPECT_EQ(state.vfs, 4);
  EXPECT_EQ(state.total_vfs, 8);
  EXPECT_EQ(state.sfs, 2);
  EXPECT_EQ(state.card, "card0");
}

TEST_F(ProvisionerTest, AStartWithAllInPlaceChangesNothing) {
  Start(kAll);
  ASSERT_TRUE(WaitUntilDone());
  provisioner_.reset();
  kernel_.faults().Clear();
  Start(kAll);
  ASSERT_TRUE(WaitUntilDone());
  for (const char* method : {"SetNumVfs", "BindDriver", "AddSf", "ConfigureSf", "ActivateSf", "RemoveSf"}) {
    EXPECT_EQ(kernel_.faults().Calls(method), 0) << method;
  }
}

TEST_F(ProvisionerTest, ACardThatIsPluggedInLaterIsSetUp) {
  kernel_.RemovePciFunction(kPf);
  Start(kAll);
  EXPECT_THAT(WaitForReason(), HasSubstr("not on the PCI bus"));
  EXPECT_FALSE(provisioner_->States().at(0).present);
  kernel_.AddCard(kPf, "p0", 8);
  provisioner_->Look(kPf);
  ASSERT_TRUE(WaitUntilDone());
  EXPECT_EQ(DriverOf(Vf(3)), "vfio-pci");
}

TEST_F(ProvisionerTest, ACardThatVanishedAndIsBackIsSetUpAlthoughItsClaimsAreThereStill) {
  Start(kAll);
  ASSERT_TRUE(WaitUntilDone());
  Claim(Vf(0), "web");
  kernel_.RemovePciFunction(kPf);
  provisioner_->Look(kPf);
  EXPECT_THAT(WaitForReason(), HasSubstr("not on the PCI bus"));
  kernel_.AddCard(kPf, "p0", 8);
  provisioner_->Look(kPf);
  ASSERT_TRUE(WaitUntilDone());
  EXPECT_EQ(bus_.Get(kPf)->num_vfs, 4);
}

TEST_F(ProvisionerTest, FunctionsThatComeAndGoAllTheTimeDoNotKeepItLooking) {
  const PciAddress other{0, 9, 0, 0};
  kernel_.AddCard(other, "q0", 8);
  // Pods end while it reads; it would never come to the second card if each of them made it read the first
  // again.
  kernel_.faults().OnCall("List", [this] { provisioner_->Freed(); });
  absl::Notification second;
  provisioner_ = std::make_unique<Provisioner>(
      std::vector<CardConfig>{{"card0", kPf, "unix:/x", {.vfs = 2}}, {"card1", other, "unix:/y", {.vfs = 2}}},
      Provisioner::Parts{.bus = bus_,
                         .devlink = &devlink_,
                         .gate = gate_,
                         .read =
                             [&] {
                               return Share(ReadBus(bus_, {kPf, other}));
                             },
                         .rows = [this] { return allocator_->Rows(); },
                         .changed =
                             [&](const PfState& state) {
                               if (state.pf == other && state.vfs == 2 && !second.HasBeenNotified())
                                 second.Notify();
                             }});
  provisioner_->Start();
  EXPECT_TRUE(second.WaitForNotificationWithTimeout(absl::Seconds(20)));
  provisioner_.reset();
}

TEST_F(ProvisionerTest, ARefusalNamesThePodsAndEndsWithThem) {
  ASSERT_TRUE(bus_.SetNumVfs(kPf, 4).ok());
  const ClaimRow web = Claim(Vf(1), "web"), db = Claim(Vf(3), "db");
  Start({.vfs = 6});
  EXPECT_THAT(WaitForReason(), AllOf(HasSubstr("0000:03:00.3 by pod default/web"),
                                     HasSubstr("0000:03:00.5 by pod default/db")));
  EXPECT_EQ(bus_.Get(kPf)->num_vfs, 4);
  EXPECT_EQ(kernel_.faults().Calls("SetNumVfs"), 1) << "only the test's own";
  Free(web);
  ASSERT_TRUE(WaitFor([](const PfState& state) {
    return state.reason.find("web") == std::string::npos && state.reason.find("db") != std::string::npos;
  }));
  Free(db);
  ASSERT_TRUE(WaitUntilDone());
  EXPECT_EQ(bus_.Get(kPf)->num_vfs, 6);
}

TEST_F(ProvisionerTest, TheDriverOfAFunctionInUseIsChangedOnceItIsFree) {
  ASSERT_TRUE(bus_.SetNumVfs(kPf, 4).ok());
  const std::string before = DriverOf(Vf(2));
  const ClaimRow web = Claim(Vf(2), "web");
  Start({.vfs = 4, .drivers = {{2, "vfio-pci"}, {3, "vfio-pci"}}});
  EXPECT_THAT(WaitForReason(), HasSubstr("pod default/web"));
  EXPECT_EQ(DriverOf(Vf(2)), before);
  EXPECT_EQ(DriverOf(Vf(3)), "vfio-pci");
  const auto refusals = provisioner_->States().at(0).refusals;
  ASSERT_THAT(refusals, SizeIs(1));
  EXPECT_THAT(refusals.at(Vf(2)), HasSubstr("pod default/web"));
  Free(web);
  ASSERT_TRUE(WaitUntilDone());
  EXPECT_EQ(DriverOf(Vf(2)), "vfio-pci");
}

TEST_F(ProvisionerTest, AnInterfaceThatOthersMovedAwayIsInUse) {
  ASSERT_TRUE(bus_.SetNumVfs(kPf, 4).ok());
  FakeNetlinkFactory factory(kernel_);
  const auto netlink = *factory.Open(nullptr);
  LinkChange move;
  move.net_namespace = kernel_.AddNamespace("/run/netns/others");
  ASSERT_TRUE(netlink->ChangeLink(netlink->GetLink(bus_.Get(Vf(1))->netdevs.at(0))->ifindex, move).ok());
  Start({.vfs = 2});
  EXPECT_THAT(WaitForReason(), AllOf(HasSubstr("0000:03:00.3"), HasSubstr("not in this network namespace")));
  EXPECT_EQ(bus_.Get(kPf)->num_vfs, 4);
  // Where the journal knows whose it is, that is said.
  Claim(Vf(1), "web");
  provisioner_->Look(kPf);
  EXPECT_TRUE(WaitFor([](const PfState& state) {
    return state.reason.find("0000:03:00.3 by pod default/web") != std::string::npos;
  }));
}

TEST_F(ProvisionerTest, NobodyClaimsAFunctionWhileItIsChanged) {
  ASSERT_TRUE(bus_.SetNumVfs(kPf, 4).ok());
  absl::Status claimed;
  kernel_.faults().OnCall("BindDriver", [&] { claimed = allocator_->Begin({.function = Vf(2)}).status(); });
  Start({.vfs = 4, .drivers = {{2, "vfio-pci"}}});
  ASSERT_TRUE(WaitUntilDone());
  EXPECT_EQ(claimed.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(claimed.message()), HasSubstr("set up as configured"));
  EXPECT_TRUE(allocator_->Begin({.function = Vf(2)}).ok());
}

TEST_F(ProvisionerTest, AClaimThatComesJustBeforeTheChangePreventsIt) {
  ASSERT_TRUE(bus_.SetNumVfs(kPf, 4).ok());
  // After the rows were read and before the gate was closed.
  int lists = 0;
  provisioner_ =
      std::make_unique<Provisioner>(std::vector<CardConfig>{{"card0", kPf, "unix:/x", {.vfs = 2}}},
                                    Provisioner::Parts{.bus = bus_,
                                                       .gate = gate_,
                                                       .read = [this] { return Share(ReadBus(bus_, {kPf})); },
                                                       .rows =
                                                           [&] {
                                                             std::vector<ClaimRow> rows = allocator_->Rows();
                                                             if (++lists == 1) Claim(Vf(1), "web");
                                                             return rows;
                                                           },
                                                       .changed =
                                                           [this](const PfState& state) {
                                                             absl::MutexLock lock(&mu_);
                                                             last_ = state;
                                                           }});
  provisioner_->Start();
  EXPECT_THAT(WaitForReason(), HasSubstr("pod default/web"));
  EXPECT_EQ(bus_.Get(kPf)->num_vfs, 4);
}

TEST_F(ProvisionerTest, OneFunctionThatFailsDoesNotHoldUpTheOthers) {
  ASSERT_TRUE(bus_.SetNumVfs(kPf, 4).ok());
  kernel_.faults().FailCall("BindDriver", 1, absl::UnimplementedError("no driver_override"));
  Start({.vfs = 4, .drivers = {{1, "vfio-pci"}, {2, "vfio-pci"}}});
  EXPECT_THAT(WaitForReason(),
              AllOf(HasSubstr("bind 0000:03:00.3 to vfio-pci"), HasSubstr("no driver_override")));
  EXPECT_EQ(DriverOf(Vf(2)), "vfio-pci");
  EXPECT_NE(DriverOf(Vf(1)), "vfio-pci");
  EXPECT_THAT(provisioner_->States().at(0).refusals.at(Vf(1)), HasSubstr("no driver_override"));
}

TEST_F(ProvisionerTest, WhatFailedIsTriedAgainByItself) {
  kernel_.faults().FailCall("SetNumVfs", 1, absl::InternalError("I/O error"));
  kernel_.faults().FailCall("List", 3, absl::InternalError("I/O error"));
  kernel_.faults().FailCall("AddSf", 1, absl::ResourceExhaustedError("busy"));
  Start(kAll);
  ASSERT_TRUE(WaitUntilDone());
  EXPECT_THAT(Subfunctions(), ElementsAre(88, 89));
  EXPECT_EQ(DriverOf(Vf(3)), "vfio-pci");
}

TEST_F(ProvisionerTest, WhatTheConfigurationAsksTooMuchOfIsNotTriedForEver) {
  Start({.vfs = 9});
  EXPECT_THAT(WaitForReason(), HasSubstr("can have 8"));
  EXPECT_EQ(kernel_.faults().Calls("SetNumVfs"), 0);
}

TEST_F(ProvisionerTest, SubfunctionsComeAndGoWithTheConfiguration) {
  Start({.sfs = {{{88, {}}, {89, {}}}}});
  ASSERT_TRUE(WaitUntilDone());
  const ClaimRow web = Claim(FunctionId(kPf, 89), "web");
  Start({.sfs = {{{90, {}}}}});
  EXPECT_THAT(WaitForReason(), HasSubstr("0000:03:00.0-sf89 by pod default/web"));
  EXPECT_THAT(Subfunctions(), ElementsAre(89, 90));
  Free(web);
  ASSERT_TRUE(WaitUntilDone());
  EXPECT_THAT(Subfunctions(), ElementsAre(90));
}

TEST_F(ProvisionerTest, ASubfunctionsInterfaceThatOthersMovedAwayIsInUse) {
  Start({.sfs = {{{88, {}}}}});
  ASSERT_TRUE(WaitUntilDone());
  FakeNetlinkFactory factory(kernel_);
  const auto netlink = *factory.Open(nullptr);
  LinkChange move;
  move.net_namespace = kernel_.AddNamespace("/run/netns/others");
  const std::string name = bus_.Netdevs(FunctionId(kPf, 88))->at(0);
  ASSERT_TRUE(netlink->ChangeLink(netlink->GetLink(name)->ifindex, move).ok());
  Start({.sfs = std::vector<SubfunctionSetup>()});
  EXPECT_THAT(WaitForReason(), HasSubstr("0000:03:00.0-sf88 by somebody whom the journal does not know"));
  EXPECT_THAT(Subfunctions(), ElementsAre(88));
}

TEST_F(ProvisionerTest, ACardWithoutSubfunctionsSaysSo) {
  kernel_.SetMaxSubfunctions(kPf, 0);
  Start({.sfs = {{{88, {}}}}});
  EXPECT_THAT(WaitForReason(), HasSubstr("subfunctions"));
}

// A process that is killed after its n-th call of the kernel leaves something that the next one goes on from.
TEST_F(ProvisionerTest, AfterAKillBetweenAnyTwoCallsTheNextOneFinishes) {
  for (int calls = 0;; ++calls) {
    ASSERT_LT(calls, 100);
    kernel_.RemovePciFunction(kPf);
    kernel_.AddCard(kPf, "p0", 8);
    // From another setup, so that there is something to take away.
    ASSERT_TRUE(bus_.SetNumVfs(kPf, 2).ok());
    ASSERT_TRUE(devlink_.AddSf(kPf, 7).ok());
    kernel_.faults().Clear();
    kernel_.faults().FailAllAfter(calls, absl::InternalError("killed"));
    Start(kAll);
    ASSERT_TRUE(WaitFor([](const PfState&) { return true; }));
    const bool all_done = WaitFor([](const PfState& state) {
                            return state.reason.empty() || state.reason.find("killed") != std::string::npos;
                          }) &&
                          provisioner_->States().at(0).reason.empty();
    provisioner_.reset();
    kernel_.faults().Clear();
    Start(kAll);
    ASSERT_TRUE(WaitUntilDone()) << "killed after " << calls << " calls";
    EXPECT_EQ(bus_.Get(kPf)->num_vfs, 4);
    EXPECT_EQ(DriverOf(Vf(2)), "vfio-pci");
    EXPECT_EQ(DriverOf(Vf(3)), "vfio-pci");
    EXPECT_THAT(Subfunctions(), ElementsAre(88, 89));
    EXPECT_EQ(devlink_.ListSfs(kPf)->at(0).mac, kMac);
    if (all_done) break;
  }
}

// Asks for another number of functions and waits for the answer.
absl::StatusOr<int> AskForVfs(Provisioner& provisioner, const PciAddress& pf, int count) {
  absl::Notification answered;
  absl::StatusOr<int> answer = absl::UnknownError("no answer");
  provisioner.SetVfs(pf, count, [&](absl::StatusOr<int> got) {
    answer = std::move(got);
    answered.Notify();
  });
  EXPECT_TRUE(answered.WaitForNotificationWithTimeout(absl::Seconds(20)));
  return answer;
}

TEST_F(ProvisionerTest, ANumberThatIsAskedForIsSetAtOnceOrNotAtAll) {
  Start({});
  EXPECT_EQ(AskForVfs(*provisioner_, kPf, 4).value(), 4);
  EXPECT_EQ(bus_.Get(kPf)->num_vfs, 4);
  EXPECT_EQ(AskForVfs(*provisioner_, kPf, 4).value(), 4);
  EXPECT_EQ(AskForVfs(*provisioner_, kPf, 2).value(), 2);
  const ClaimRow row = Claim(Vf(1), "web");
  for (const int count : {0, 4}) {
    const absl::Status refused = AskForVfs(*provisioner_, kPf, count).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition) << refused;
    EXPECT_THAT(std::string(refused.message()), HasSubstr("default/web"));
  }
  EXPECT_EQ(AskForVfs(*provisioner_, kPf, 2).value(), 2) << "what there is";
  // It is not done later, when nobody asks any more.
  Free(row);
  EXPECT_EQ(AskForVfs(*provisioner_, kPf, 2).value(), 2);
  EXPECT_EQ(bus_.Get(kPf)->num_vfs, 2);
  EXPECT_EQ(AskForVfs(*provisioner_, kPf, 9).status().code(), absl::StatusCode::kFailedPrecondition)
      << "more than it can have";
  EXPECT_EQ(AskForVfs(*provisioner_, PciAddress{0, 9, 0, 0}, 1).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(ProvisionerTest, ANumberThatIsConfiguredIsNotAskedFor) {
  Start({.vfs = 3});
  EXPECT_TRUE(WaitUntilDone());
  EXPECT_EQ(AskForVfs(*provisioner_, kPf, 3).value(), 3);
  EXPECT_EQ(AskForVfs(*provisioner_, kPf, 4).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(bus_.Get(kPf)->num_vfs, 3);
}

}  // namespace
}  // namespace xpu
