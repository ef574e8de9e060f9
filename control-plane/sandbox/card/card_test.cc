// The card's functions as interfaces of the kernel; no sysfs here.

#include "control-plane/sandbox/card/card.h"

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "common/sys/net_namespaces_real.h"
#include "common/sys/netlink_real.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

class CardTest : public ::testing::Test {
 protected:
  void SetUp() override {
    host_ = *NewNetNamespace();
    dpu_ = *NewNetNamespace();
    host_netlink_ = *NetlinkFactoryReal().Open(host_);
    dpu_netlink_ = *NetlinkFactoryReal().Open(dpu_);
    card_ = Start();
  }

  std::unique_ptr<Card> Start() {
    auto card = Card::Start({0, 8, host_, dpu_}, loop_);
    EXPECT_TRUE(card.ok()) << card.status();
    return *std::move(card);
  }
  CardView View() { return View(*card_); }
  static CardView View(Card& card) {
    EXPECT_TRUE(card.Refresh().ok());
    auto view = card.View();
    EXPECT_TRUE(view.ok()) << view.status();
    return *std::move(view);
  }
  static std::vector<std::string> Names(Netlink& netlink) {
    std::vector<std::string> names;
    const auto links = netlink.ListLinks();
    for (const Link& link : *links) {
      if (link.name != "lo") names.push_back(link.name);
    }
    return names;
  }
  // The namespace to which function `name` has been moved.
  std::shared_ptr<NetNamespace> MoveToPod(const std::string& name) {
    auto pod = *NewNetNamespace();
    LinkChange move;
    move.net_namespace = pod;
    move.name = "eth0";
    EXPECT_TRUE(host_netlink_->ChangeLink(host_netlink_->GetLink(name)->ifindex, move).ok());
    return pod;
  }
  // Runs the loop until `name` has come back.
  void AwaitReturn(const std::string& name) {
    auto monitor = host_netlink_->MonitorLinks(loop_, [&](const Link& link, bool gone) {
      if (!gone && link.name == name) loop_.Stop();
    });
    bool timed_out = false;
    const EventLoop::Handle deadline = loop_.After(absl::Seconds(20), [&] {
      timed_out = true;
      loop_.Stop();
    });
    loop_.Run();
    EXPECT_FALSE(timed_out) << name << " has not come back";
  }

  EventLoop loop_;
  std::shared_ptr<NetNamespace> host_;
  std::shared_ptr<NetNamespace> dpu_;
  std::unique_ptr<Netlink> host_netlink_;
  std::unique_ptr<Netlink> dpu_netlink_;
  std::unique_ptr<Card> card_;
};

TEST_F(CardTest, BeginsWithAPhysicalFunctionThatHasCarrier) {
  EXPECT_EQ(card_->num_vfs(), 0);
  const CardView view = View();
  ASSERT_EQ(view.ports.size(), 1u);
  EXPECT_EQ(view.ports[0].netdev->name, "p0");
  EXPECT_EQ(view.ports[0].representor->name, "pf0hpf");
  EXPECT_TRUE(host_netlink_->GetLink("p0")->carrier);
}

TEST_F(CardTest, MakesVirtualFunctionsWithRepresentors) {
  EXPECT_EQ(card_->WriteNumVfs("2\n"), 0);
  EXPECT_EQ(card_->num_vfs(), 2);
  EXPECT_THAT(Names(*host_netlink_), ::testing::UnorderedElementsAre("p0", "p0v0", "p0v1"));
  EXPECT_THAT(Names(*dpu_netlink_), ::testing::UnorderedElementsAre("pf0hpf", "pf0vf0", "pf0vf1"));
  EXPECT_EQ(host_netlink_->GetLink("p0v1")->mac, MakeCardPort(0, 1).mac);
  const CardView view = View();
  EXPECT_EQ(view.ports[2].netdev->name, "p0v1");
  EXPECT_EQ(view.ports[2].representor->name, "pf0vf1");
}

TEST_F(CardTest, AnswersWritesAsTheKernelDoes) {
  EXPECT_EQ(card_->WriteNumVfs("9"), ERANGE);
  EXPECT_EQ(card_->WriteNumVfs("-1"), EINVAL);
  EXPECT_EQ(card_->WriteNumVfs("many"), EINVAL);
  EXPECT_EQ(card_->WriteNumVfs(""), EINVAL);
  EXPECT_EQ(card_->WriteNumVfs("70000"), EINVAL);
  EXPECT_EQ(card_->WriteNumVfs("0"), 0);
  EXPECT_EQ(card_->WriteNumVfs("3"), 0);
  EXPECT_EQ(card_->WriteNumVfs("3"), 0);
  EXPECT_EQ(card_->WriteNumVfs("4"), EBUSY);
  EXPECT_EQ(card_->WriteNumVfs("2"), EBUSY);
  EXPECT_EQ(card_->num_vfs(), 3);
  EXPECT_EQ(card_->WriteNumVfs("0"), 0);
  EXPECT_THAT(Names(*host_netlink_), ::testing::ElementsAre("p0"));
  EXPECT_EQ(card_->WriteNumVfs("8"), 0);
}

TEST_F(CardTest, MakesAllOrNone) {
  const MacAddress mac({2, 0, 0, 0, 0, 9});
  ASSERT_TRUE(host_netlink_->CreateVeth("p0v1", mac, "other", mac, nullptr).ok());
  EXPECT_EQ(card_->WriteNumVfs("3"), EIO);
  EXPECT_EQ(card_->num_vfs(), 0);
  EXPECT_THAT(Names(*dpu_netlink_), ::testing::ElementsAre("pf0hpf"));
}

TEST_F(CardTest, FollowsAnInterfaceByIdentityAndNotByName) {
  ASSERT_EQ(card_->WriteNumVfs("2"), 0);
  LinkChange rename;
  rename.name = "renamed";
  ASSERT_TRUE(host_netlink_->ChangeLink(host_netlink_->GetLink("p0v0")->ifindex, rename).ok());
  EXPECT_EQ(View().ports[1].netdev->name, "renamed");
  const auto pod = MoveToPod("renamed");
  EXPECT_FALSE(View().ports[1].netdev.has_value());
  EXPECT_TRUE(View().ports[1].representor.has_value());
  EXPECT_TRUE(View().ports[2].netdev.has_value());

  auto pod_netlink = *NetlinkFactoryReal().Open(pod);
  LinkChange back;
  back.net_namespace = host_;
  back.name = "p0v0";
  ASSERT_TRUE(pod_netlink->ChangeLink(pod_netlink->GetLink("eth0")->ifindex, back).ok());
  EXPECT_EQ(View().ports[1].netdev->name, "p0v0");
}

TEST_F(CardTest, AFunctionComesBackWhenItsNamespaceDies) {
  ASSERT_EQ(card_->WriteNumVfs("2"), 0);
  auto pod = MoveToPod("p0v1");
  pod.reset();
  AwaitReturn("p0v1");
  EXPECT_EQ(host_netlink_->GetLink("p0v1")->mac, MakeCardPort(0, 1).mac);
  const CardView view = View();
  EXPECT_EQ(view.ports[2].netdev->name, "p0v1");
  EXPECT_EQ(view.ports[2].representor->name, "pf0vf1");
  EXPECT_EQ(view.ports[2].representor->mac, MakeCardPort(0, 1).representor_mac);
  EXPECT_EQ(card_->num_vfs(), 2);
}

TEST_F(CardTest, AFunctionThatSomebodyDeletesComesBackToo) {
  ASSERT_EQ(card_->WriteNumVfs("1"), 0);
  ASSERT_TRUE(host_netlink_->DeleteLink(host_netlink_->GetLink("p0v0")->ifindex).ok());
  EXPECT_EQ(View().ports[1].netdev->name, "p0v0") << "without the loop having run";
}

TEST_F(CardTest, AFunctionWhoseNameIsTakenComesBackOnceItIsFree) {
  ASSERT_EQ(card_->WriteNumVfs("2"), 0);
  auto pod = MoveToPod("p0v0");
  const MacAddress mac({2, 0, 0, 0, 0, 9});
  ASSERT_TRUE(host_netlink_->CreateVeth("p0v0", mac, "other", mac, nullptr).ok());
  ASSERT_TRUE(dpu_netlink_->DeleteLink(dpu_netlink_->GetLink("pf0vf0")->ifindex).ok());
  EXPECT_FALSE(View().ports[1].netdev.has_value());
  EXPECT_EQ(View().ports[2].netdev->name, "p0v1") << "the others are not touched by it";
  ASSERT_TRUE(host_netlink_->DeleteLink(host_netlink_->GetLink("p0v0")->ifindex).ok());
  EXPECT_EQ(View().ports[1].netdev->name, "p0v0");
}

TEST_F(CardTest, ARepresentorThatWasInAnotherNamespaceIsItsFunctionsAgain) {
  ASSERT_EQ(card_->WriteNumVfs("2"), 0);
  const auto elsewhere = *NewNetNamespace();
  const auto elsewhere_netlink = *NetlinkFactoryReal().Open(elsewhere);
  const int ifindex = dpu_netlink_->GetLink("pf0vf1")->ifindex;
  const MacAddress mac({2, 0, 0, 0, 0, 9});
  // The second time its ifindex is somebody else's there, and it gets another.
  for (const bool taken : {false, true}) {
    while (taken && !elsewhere_netlink->GetLinkByIndex(ifindex).ok()) {
      ASSERT_TRUE(elsewhere_netlink->CreateVeth("a", mac, "b", mac, nullptr).ok());
      if (elsewhere_netlink->GetLinkByIndex(ifindex).ok()) break;
      ASSERT_TRUE(elsewhere_netlink->DeleteLink(elsewhere_netlink->GetLink("a")->ifindex).ok());
    }
    LinkChange move;
    move.net_namespace = elsewhere;
    ASSERT_TRUE(dpu_netlink_->ChangeLink(ifindex, move).ok());
    EXPECT_FALSE(View().ports[2].representor.has_value());
    EXPECT_THAT(Names(*host_netlink_), ::testing::UnorderedElementsAre("p0", "p0v0", "p0v1"))
        << "the function has not been made again";
    move.net_namespace = dpu_;
    move.name = "renamed";
    const int there = elsewhere_netlink->GetLink("pf0vf1")->ifindex;
    EXPECT_EQ(there != ifindex, taken);
    ASSERT_TRUE(elsewhere_netlink->ChangeLink(there, move).ok());
    const CardView view = View();
    ASSERT_TRUE(view.ports[2].representor.has_value());
    EXPECT_EQ(view.ports[2].representor->name, "renamed");
    ASSERT_TRUE(view.ports[2].netdev.has_value());
    EXPECT_EQ(view.ports[2].netdev->name, "p0v1");
    LinkChange name;
    name.name = "pf0vf1";
    ASSERT_TRUE(dpu_netlink_->ChangeLink(there, name).ok());
  }
}

TEST_F(CardTest, TheNumberOfARefreshChangesOnlyWithTheCard) {
  ASSERT_EQ(card_->WriteNumVfs("1"), 0);
  const uint64_t before = *card_->Refresh();
  EXPECT_EQ(*card_->Refresh(), before);
  const auto pod = MoveToPod("p0v0");
  const uint64_t moved = *card_->Refresh();
  EXPECT_NE(moved, before);
  EXPECT_EQ(*card_->Refresh(), moved);
}

TEST_F(CardTest, TakingFunctionsAwayTakesThemOutOfPods) {
  ASSERT_EQ(card_->WriteNumVfs("2"), 0);
  const auto pod = MoveToPod("p0v1");
  EXPECT_EQ(card_->WriteNumVfs("0"), 0);
  auto pod_netlink = *NetlinkFactoryReal().Open(pod);
  EXPECT_THAT(Names(*pod_netlink), ::testing::IsEmpty());
  EXPECT_THAT(Names(*dpu_netlink_), ::testing::ElementsAre("pf0hpf"));
  EXPECT_EQ(View().ports.size(), 1u);
}

TEST_F(CardTest, ANewEmulatorTakesOverWhatIsThere) {
  ASSERT_EQ(card_->WriteNumVfs("2"), 0);
  auto pod = MoveToPod("p0v0");
  card_.reset();
  card_ = Start();
  EXPECT_EQ(card_->num_vfs(), 2);
  EXPECT_FALSE(View().ports[1].netdev.has_value());
  EXPECT_EQ(View().ports[2].netdev->name, "p0v1");
  pod.reset();
  AwaitReturn("p0v0");
  EXPECT_EQ(View().ports[1].netdev->name, "p0v0");
}

TEST_F(CardTest, TwoCardsInOneHostAreKeptApart) {
  const auto other_dpu = *NewNetNamespace();
  auto other = Card::Start({1, 8, host_, other_dpu}, loop_);
  ASSERT_TRUE(other.ok()) << other.status();
  ASSERT_EQ(card_->WriteNumVfs("1"), 0);
  ASSERT_EQ((*other)->WriteNumVfs("1"), 0);
  EXPECT_EQ(View().ports[1].netdev->name, "p0v0");
  EXPECT_EQ(View(**other).ports[1].netdev->name, "p1v0");
}

TEST_F(CardTest, RefusesACardThatCannotBe) {
  EXPECT_TRUE(absl::IsInvalidArgument(Card::Start({kMaxCards, 8, host_, dpu_}, loop_).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Card::Start({1, kMaxVfs + 1, host_, dpu_}, loop_).status()));
}

}  // namespace
}  // namespace xpu
