#include "host-agent/attach/attacher.h"

#include <memory>
#include <string>
#include <thread>

#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-agent/cni/cni_error.h"
#include "host-agent/testing/world.h"

namespace xpu {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class AttacherTest : public ::testing::TestWithParam<bool> {
 protected:
  AttacherTest() { Restart(); }
  void Restart() { agent_ = std::make_unique<Incarnation>(world_); }

  void ExpectError(const absl::Status& status, CniCode code, const std::string& words) {
    ASSERT_FALSE(status.ok());
    const CniFailure failure = ToCniFailure(status);
    EXPECT_EQ(failure.code, code) << status;
    EXPECT_THAT(failure.msg + "\n" + failure.details, HasSubstr(words));
  }
  void ExpectFree(int vf) {
    EXPECT_FALSE(agent_->allocator->Find(world_.vf(vf)).has_value());
    EXPECT_TRUE(world_.AtHome(vf).has_value());
    EXPECT_THAT(world_.Ports(), IsEmpty());
  }

  FakeWorld world_{GetParam()};
  std::unique_ptr<Incarnation> agent_;
};

INSTANTIATE_TEST_SUITE_P(Cards, AttacherTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Emulated" : "Hardware"; });

TEST_P(AttacherTest, AddPutsTheFunctionIntoThePodAndItsNetwork) {
  const std::string pod = world_.MakePod("web");
  const Link home = *world_.AtHome(0);
  const auto row = agent_->Add(0, pod);
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_THAT(row->addresses, ElementsAre(*InterfaceAddress::Parse("10.0.0.2/24"),
                                          *InterfaceAddress::Parse("2001:db8::2/64")));

  EXPECT_FALSE(world_.AtHome(0).has_value());
  const std::optional<Link> link = world_.InPod(pod, "net1");
  ASSERT_TRUE(link.has_value());
  EXPECT_TRUE(link->up);
  EXPECT_EQ(link->mtu, 1400u);
  EXPECT_EQ(link->mac, home.mac);
  EXPECT_THAT(world_.AddressesInPod(pod, "net1"), ::testing::UnorderedElementsAreArray(row->addresses));
  const auto ns = *world_.namespaces().Open(pod);
  std::vector<std::string> gateways;
  for (const Route& route : world_.kernel.Routes(ns, "net1")) {
    EXPECT_EQ(route.destination.length(), 0);
    gateways.push_back(route.gateway->ToString());
  }
  EXPECT_THAT(gateways, UnorderedElementsAre("10.0.0.1", "2001:db8::1"));
  EXPECT_THAT(agent_->announced,
              ElementsAre(home.mac.ToString() + " 10.0.0.2", home.mac.ToString() + " 2001:db8::2"));

  ASSERT_EQ(world_.Bindings().size(), 1u);
  EXPECT_EQ(world_.Bindings()[0].bridge_port(), "bridgePorts/host0-0");
  EXPECT_EQ(world_.Bindings()[0].claim(), row->claim);
}

TEST_P(AttacherTest, DelGivesTheFunctionBackAsItWas) {
  const std::string pod = world_.MakePod("web");
  const Link home = *world_.AtHome(0);
  AttachRequest request = agent_->Request(0, pod);
  request.mac = *MacAddress::Parse("02:00:00:00:00:99");
  const auto row = agent_->attacher->Add(request);
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_EQ(world_.InPod(pod, "net1")->mac, *request.mac);
  EXPECT_EQ(world_.Bindings()[0].mac_address(), request.mac->ToBytes());

  ASSERT_TRUE(agent_->Del(0, pod).ok());
  const std::optional<Link> back = world_.AtHome(0);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->name, home.name);
  EXPECT_EQ(back->mac, home.mac);
  EXPECT_EQ(back->mtu, home.mtu);
  EXPECT_EQ(back->alias, home.alias);
  ExpectFree(0);
  EXPECT_THAT(*world_.journal.Load(), IsEmpty());
}

TEST_P(AttacherTest, DelAsOftenAsOneLikes) {
  const std::string pod = world_.MakePod("web");
  EXPECT_TRUE(agent_->Del(0, pod).ok());
  ASSERT_TRUE(agent_->Add(0, pod).ok());
  EXPECT_TRUE(agent_->Del(0, pod).ok());
  EXPECT_TRUE(agent_->Del(0, pod).ok());
  ExpectFree(0);
}

TEST_P(AttacherTest, DelOfAnotherAttachmentTouchesNothing) {
  const std::string pod = world_.MakePod("web");
  ASSERT_TRUE(agent_->Add(0, pod).ok());
  EXPECT_TRUE(agent_->attacher->Del(world_.vf(0), "c-other", "net1").ok());
  EXPECT_TRUE(agent_->attacher->Del(world_.vf(0), "c-web", "net2").ok());
  EXPECT_TRUE(world_.InPod(pod, "net1").has_value());
  EXPECT_EQ(world_.Bindings().size(), 1u);
}

TEST_P(AttacherTest, AddAsksForWhatWasAskedFor) {
  const std::string pod = world_.MakePod("web");
  AttachRequest request = agent_->Request(0, pod);
  request.addresses = {*IpAddress::Parse("2001:db8::77"), *IpAddress::Parse("10.0.0.77")};
  const auto row = agent_->attacher->Add(request);
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_THAT(row->addresses, UnorderedElementsAre(*InterfaceAddress::Parse("10.0.0.77/24"),
                                                   *InterfaceAddress::Parse("2001:db8::77/64")));
}

TEST_P(AttacherTest, AddOfAFunctionThatAnotherPodHasNamesIt) {
  ASSERT_TRUE(agent_->Add(0, world_.MakePod("web")).ok());
  const std::string other = world_.MakePod("db");
  ExpectError(agent_->Add(0, other).status(), CniCode::kFunctionBusy, "pod default/c-web-pod");
  EXPECT_THAT(world_.InterfacesOf(other), IsEmpty());
  EXPECT_EQ(agent_->allocator->Find(world_.vf(0))->attachment->container_id, "c-web");
}

TEST_P(AttacherTest, AddOfASecondFunctionForAnInterfaceIsRefused) {
  const std::string pod = world_.MakePod("web");
  ASSERT_TRUE(agent_->Add(0, pod).ok());
  ExpectError(agent_->Add(1, pod).status(), CniCode::kFunctionBusy, world_.vf(0).ToString());
}

TEST_P(AttacherTest, AddAgainAnswersTheSameAndChangesNothing) {
  const std::string pod = world_.MakePod("web");
  const auto first = agent_->Add(0, pod);
  ASSERT_TRUE(first.ok());
  const int writes = world_.journal.calls();
  const auto again = agent_->Add(0, pod);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*again, *first);
  EXPECT_EQ(world_.journal.calls(), writes);
}

TEST_P(AttacherTest, AddAgainAfterTheInterfaceWasTakenAwayBeginsAfresh) {
  const std::string pod = world_.MakePod("web");
  const auto first = agent_->Add(0, pod);
  ASSERT_TRUE(first.ok());
  LinkChange home;
  home.net_namespace = *world_.namespaces().Current();
  const auto netlink = *world_.netlinks().Open(*world_.namespaces().Open(pod));
  ASSERT_TRUE(netlink->ChangeLink(netlink->GetLink("net1")->ifindex, home).ok());
  const auto again = agent_->Add(0, pod);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_GT(again->claim, first->claim);
  EXPECT_TRUE(world_.InPod(pod, "net1").has_value());
}

TEST_P(AttacherTest, AddAgainForAnotherNetworkMovesIt) {
  const std::string pod = world_.MakePod("web");
  ASSERT_TRUE(agent_->Add(0, pod, "blue").ok());
  const auto red = agent_->Add(0, pod, "red");
  ASSERT_TRUE(red.ok()) << red.status();
  ASSERT_EQ(world_.Bindings().size(), 1u);
  EXPECT_EQ(world_.Bindings()[0].logical_bridge(), "logicalBridges/default.red");
}

TEST_P(AttacherTest, UnknownThingsAreRefusedAndNothingIsClaimed) {
  const std::string pod = world_.MakePod("web");
  ExpectError(agent_->Add(7, pod).status(), CniCode::kFunctionUnknown, "card0");
  ExpectError(agent_->Add(0, "/run/netns/none").status(), CniCode::kInvalidEnvironment, "CNI_NETNS");
  world_.kernel.AddOtherFile("/etc/passwd");
  ExpectError(agent_->Add(0, "/etc/passwd").status(), CniCode::kInvalidEnvironment, "CNI_NETNS");
  EXPECT_EQ(world_.journal.calls(), 0);
  ExpectError(agent_->Add(0, pod, "green").status(), CniCode::kNetworkUnknown,
              "create the Network default/green");
  ExpectFree(0);
}

TEST_P(AttacherTest, AnAddressThatIsTakenIsRefused) {
  AttachRequest web = agent_->Request(0, world_.MakePod("web"));
  web.addresses = {*IpAddress::Parse("10.0.0.9")};
  ASSERT_TRUE(agent_->attacher->Add(web).ok());
  const std::string other = world_.MakePod("db");
  AttachRequest db = agent_->Request(1, other);
  db.addresses = web.addresses;
  ExpectError(agent_->attacher->Add(db).status(), CniCode::kAddressRefused, "10.0.0.9");
  EXPECT_THAT(world_.InterfacesOf(other), IsEmpty());
  EXPECT_TRUE(world_.AtHome(1).has_value());
  EXPECT_EQ(world_.Ports().size(), 1u);
}

TEST_P(AttacherTest, ANameThatIsTakenInThePodIsRefused) {
  const std::string pod = world_.MakePod("web");
  world_.kernel.AddLink(*world_.namespaces().Open(pod), "net1", *MacAddress::Parse("02:00:00:00:00:42"));
  ExpectError(agent_->Add(0, pod).status(), CniCode::kInvalidEnvironment, "CNI_IFNAME");
  EXPECT_THAT(world_.InterfacesOf(pod), ElementsAre("net1"));
  ExpectFree(0);
}

TEST_P(AttacherTest, WithoutTheCardAddAsksToComeBackLater) {
  world_.opi.SetConnected(false);
  const std::string pod = world_.MakePod("web");
  EXPECT_EQ(ToCniFailure(agent_->Add(0, pod).status()).code, CniCode::kTryAgainLater);
  EXPECT_THAT(world_.InterfacesOf(pod), IsEmpty());
  EXPECT_TRUE(world_.AtHome(0).has_value());
  // The card may have heard of it, so it has to be told before the function is free.
  EXPECT_EQ(ToCniFailure(agent_->Add(0, pod).status()).code, CniCode::kTryAgainLater);
  EXPECT_THAT(agent_->attacher->StuckReason(world_.vf(0)), HasSubstr("card"));
  world_.opi.SetConnected(true);
  EXPECT_TRUE(agent_->Add(0, pod).ok());
  EXPECT_EQ(agent_->attacher->StuckReason(world_.vf(0)), "");
}

TEST_P(AttacherTest, DelSucceedsWithoutTheCardWhichIsToldLater) {
  const std::string pod = world_.MakePod("web");
  ASSERT_TRUE(agent_->Add(0, pod).ok());
  world_.opi.SetConnected(false);
  ASSERT_TRUE(agent_->Del(0, pod).ok());
  EXPECT_TRUE(world_.AtHome(0).has_value());
  const auto row = agent_->allocator->Find(world_.vf(0));
  ASSERT_TRUE(row.has_value());
  EXPECT_FALSE(row->host_pending);
  EXPECT_TRUE(row->dpu_pending);
  EXPECT_TRUE(agent_->Del(0, pod).ok());

  Restart();
  world_.opi.SetConnected(true);
  agent_->Recover();
  ExpectFree(0);
}

TEST_P(AttacherTest, DelSucceedsWhenTheNamespaceIsGone) {
  const std::string pod = world_.MakePod("web");
  const Link home = *world_.AtHome(0);
  ASSERT_TRUE(agent_->Add(0, pod).ok());
  world_.RemovePod(pod);
  ASSERT_TRUE(agent_->Del(0, pod).ok());
  EXPECT_EQ(world_.AtHome(0)->name, home.name);
  EXPECT_EQ(world_.AtHome(0)->mtu, home.mtu);
  ExpectFree(0);
}

TEST_P(AttacherTest, AnInterfaceThatIsNotBackYetIsPutRightWhenItIs) {
  const std::string pod = world_.MakePod("web");
  const Link home = *world_.AtHome(0);
  ASSERT_TRUE(agent_->Add(0, pod).ok());
  // Somebody in the pod has taken it elsewhere.
  const auto elsewhere = world_.kernel.AddNamespace("/elsewhere");
  LinkChange move;
  move.net_namespace = elsewhere;
  const auto netlink = *world_.netlinks().Open(*world_.namespaces().Open(pod));
  ASSERT_TRUE(netlink->ChangeLink(netlink->GetLink("net1")->ifindex, move).ok());

  ASSERT_TRUE(agent_->Del(0, pod).ok());
  EXPECT_THAT(world_.Ports(), IsEmpty());
  EXPECT_THAT(agent_->attacher->StuckReason(world_.vf(0)), HasSubstr("still somewhere"));
  ExpectError(agent_->Add(0, world_.MakePod("db")).status(), CniCode::kTryAgainLater, "c-web");

  const auto there = *world_.netlinks().Open(elsewhere);
  LinkChange back;
  back.net_namespace = *world_.namespaces().Current();
  ASSERT_TRUE(there->ChangeLink(there->GetLink("net1")->ifindex, back).ok());
  agent_->attacher->Settle(world_.vf(0));
  ExpectFree(0);
  EXPECT_EQ(world_.AtHome(0)->name, home.name);
  EXPECT_EQ(world_.AtHome(0)->mtu, home.mtu);
}

TEST_P(AttacherTest, AFunctionWhoseNameIsTakenComesHomeUnderAnother) {
  const std::string pod = world_.MakePod("web");
  const Link home = *world_.AtHome(0);
  ASSERT_TRUE(agent_->Add(0, pod).ok());
  world_.kernel.AddLink(world_.kernel.root(), home.name, *MacAddress::Parse("02:00:00:00:00:42"));
  ASSERT_TRUE(agent_->Del(0, pod).ok());
  EXPECT_FALSE(agent_->allocator->Find(world_.vf(0)).has_value());
  EXPECT_EQ(world_.AtHome(0)->name, "x000003002");
  EXPECT_EQ(world_.AtHome(0)->mac, home.mac);
}

TEST_P(AttacherTest, ClaimPreparesAnIsolatedPortAndAddUsesIt) {
  bool begun = false;
  const auto claimed = agent_->attacher->Claim(world_.vf(0), &begun);
  ASSERT_TRUE(claimed.ok()) << claimed.status();
  EXPECT_TRUE(begun);
  EXPECT_EQ(world_.Ports().size(), 1u);
  EXPECT_THAT(world_.Bindings(), IsEmpty());
  EXPECT_EQ(agent_->attacher->Claim(world_.vf(0), &begun)->claim, claimed->claim);
  EXPECT_FALSE(begun);

  const auto attached = agent_->Add(0, world_.MakePod("web"));
  ASSERT_TRUE(attached.ok()) << attached.status();
  EXPECT_EQ(attached->claim, claimed->claim);
  EXPECT_EQ(agent_->attacher->Claim(world_.vf(0), &begun).status().code(),
            absl::StatusCode::kFailedPrecondition);
  // Too late for that.
  EXPECT_TRUE(agent_->attacher->Unclaim(world_.vf(0), claimed->claim).ok());
  EXPECT_EQ(world_.Bindings().size(), 1u);
}

TEST_P(AttacherTest, AddOfAClaimedFunctionFindsItsInterfaceWithoutWaiting) {
  ASSERT_TRUE(agent_->attacher->Claim(world_.vf(0), nullptr).ok());
  const bool emulated = GetParam();
  const std::string pod = world_.MakePod("web");
  const int waits = world_.kernel.faults().Calls("GetLink");
  const int looks = world_.kernel.faults().Calls("Netdevs");
  ASSERT_TRUE(agent_->Add(0, pod).ok());
  // For those who move other interfaces.
  EXPECT_EQ(world_.kernel.faults().Calls("GetLink"), waits);
  // For the process that emulates the card.
  EXPECT_EQ(world_.kernel.faults().Calls("Netdevs"), looks + (emulated ? 0 : 1));
  EXPECT_TRUE(world_.InPod(pod, "net1").has_value());
}

TEST_P(AttacherTest, AnInterfaceThatIsCalledOtherwiseSinceTheClaimIsFound) {
  ASSERT_TRUE(agent_->attacher->Claim(world_.vf(0), nullptr).ok());
  const Link home = *world_.AtHome(0);
  const auto netlink = *world_.netlinks().Open(nullptr);
  LinkChange rename;
  rename.name = "elsewhere";
  ASSERT_TRUE(netlink->ChangeLink(home.ifindex, rename).ok());
  // And what has its name now is none of the card's.
  const MacAddress other({2, 0, 0, 0, 0, 9}), peer({2, 0, 0, 0, 0, 10});
  ASSERT_TRUE(netlink->CreateVeth(home.name, other, "other-end", peer, nullptr).ok());
  const std::string pod = world_.MakePod("web");
  const auto row = agent_->Add(0, pod);
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_EQ(row->host_ifname, "elsewhere");
  EXPECT_EQ(world_.InPod(pod, "net1")->mac, home.mac);
  EXPECT_EQ(netlink->GetLink(home.name)->mac, other);
  ASSERT_TRUE(agent_->Del(0, pod).ok());
  EXPECT_EQ(world_.AtHome(0)->name, "elsewhere");
}

TEST_P(AttacherTest, AnInterfaceWithAnotherMacSinceTheClaimIsFound) {
  ASSERT_TRUE(agent_->attacher->Claim(world_.vf(0), nullptr).ok());
  const MacAddress changed({2, 0, 0, 0, 0, 9});
  LinkChange change;
  change.mac = changed;
  ASSERT_TRUE((*world_.netlinks().Open(nullptr))->ChangeLink(world_.AtHome(0)->ifindex, change).ok());
  const std::string pod = world_.MakePod("web");
  const auto row = agent_->Add(0, pod);
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_EQ(row->host_mac, changed);
  EXPECT_EQ(world_.InPod(pod, "net1")->mac, changed);
}

TEST_P(AttacherTest, ClaimWithoutTheCardIsUnavailableAndUndoneLater) {
  world_.opi.SetConnected(false);
  EXPECT_EQ(agent_->attacher->Claim(world_.vf(0), nullptr).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(agent_->attacher->Claim(world_.vf(0), nullptr).status().code(),
            absl::StatusCode::kFailedPrecondition);
  world_.opi.SetConnected(true);
  agent_->SettleAll();
  ExpectFree(0);
}

TEST_P(AttacherTest, RecoverKeepsWhatIsCompleteWithoutTouchingIt) {
  const std::string pod = world_.MakePod("web");
  const auto row = agent_->Add(0, pod);
  ASSERT_TRUE(row.ok());
  ASSERT_TRUE(agent_->attacher->Claim(world_.vf(1), nullptr).ok());
  Restart();
  const int writes = world_.journal.calls();
  const int changes = world_.kernel.faults().Calls("ChangeLink");
  agent_->Recover();
  EXPECT_EQ(world_.journal.calls(), writes);
  EXPECT_EQ(world_.kernel.faults().Calls("ChangeLink"), changes);
  EXPECT_EQ(agent_->allocator->Find(world_.vf(0)), *row);
  EXPECT_EQ(agent_->allocator->Find(world_.vf(1))->state, ClaimState::kClaimed);
}

TEST_P(AttacherTest, RecoverTakesBackWhatItsPodHasLost) {
  const std::string pod = world_.MakePod("web");
  ASSERT_TRUE(agent_->Add(0, pod).ok());
  Restart();
  world_.RemovePod(pod);
  agent_->Recover();
  ExpectFree(0);
}

TEST_P(AttacherTest, RecoverKeepsAnAttachmentThatCannotBeLookedAt) {
  const std::string pod = world_.MakePod("web");
  ASSERT_TRUE(agent_->Add(0, pod).ok());
  Restart();
  world_.kernel.faults().FailCall("Open", 1, absl::PermissionDeniedError("seccomp"));
  agent_->Recover();
  EXPECT_TRUE(world_.InPod(pod, "net1").has_value());
  EXPECT_EQ(world_.Bindings().size(), 1u);
}

TEST_P(AttacherTest, SettleGivesACardThatHasForgottenTheSameAgain) {
  const std::string pod = world_.MakePod("web");
  AttachRequest request = agent_->Request(0, pod);
  request.addresses = {*IpAddress::Parse("10.0.0.50")};
  ASSERT_TRUE(agent_->attacher->Add(request).ok());
  world_.opi.ForgetAll();
  World::MakeNetworks(world_.opi);
  agent_->SettleAll();
  const std::vector<agent::v1::PortBinding> bindings = world_.Bindings();
  ASSERT_EQ(bindings.size(), 1u);
  EXPECT_THAT(bindings[0].addresses(), UnorderedElementsAre("10.0.0.50/24", "2001:db8::2/64"));
}

TEST_P(AttacherTest, FunctionsAreAttachedInParallel) {
  std::vector<std::string> pods;
  pods.reserve(3);
  for (int i = 0; i < 3; ++i) pods.push_back(world_.MakePod("p" + std::to_string(i)));
  world_.opi.BlockCalls("BindPort");
  std::vector<std::thread> threads;
  threads.reserve(3);
  std::vector<absl::Status> answers(3);
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] { answers[i] = agent_->Add(i, pods[i]).status(); });
  }
  // All three are at the card at the same time, or this never ends well.
  EXPECT_TRUE(world_.opi.WaitForBlocked("BindPort", 3));
  world_.opi.ReleaseCalls("BindPort");
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(answers, ::testing::Each(absl::OkStatus()));
}

TEST_P(AttacherTest, TheMoveDoesNotWaitForTheCard) {
  const std::string pod = world_.MakePod("web");
  world_.opi.BlockCalls("BindPort");
  absl::Notification moved;
  world_.kernel.faults().OnCall("ChangeLink", [&] {
    if (!moved.HasBeenNotified() && world_.opi.WaitForBlocked("BindPort", 1)) moved.Notify();
  });
  std::thread add([&] { EXPECT_TRUE(agent_->Add(0, pod).ok()); });
  EXPECT_TRUE(moved.WaitForNotificationWithTimeout(absl::Seconds(10)));
  world_.opi.ReleaseCalls("BindPort");
  add.join();
}

}  // namespace
}  // namespace xpu
