#include "xpu-agent/controllers/block_controller.h"

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "common/kube/metadata.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/controllers/controllers.h"
#include "xpu-agent/controllers/controllers_testing.h"
#include "xpu/api/v1alpha1/address_block.pb.h"
#include "xpu/api/v1alpha1/card.pb.h"

namespace xpu {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

IpPrefix Prefix(const std::string& text) { return IpPrefix::Parse(text).value(); }

TEST(AddressBlockTest, BlocksAreSmallInSmallPrefixesAndNamedByWhatIsInThem) {
  EXPECT_EQ(BlockLengthOf(Prefix("10.0.0.0/16")), 28);
  EXPECT_EQ(BlockLengthOf(Prefix("10.0.0.0/24")), 30);
  EXPECT_EQ(BlockLengthOf(Prefix("10.0.0.0/30")), 32);
  EXPECT_EQ(BlockLengthOf(Prefix("2001:db8::/64")), 120);
  const IpPrefix block = BlockAround(Prefix("10.0.0.0/24"), IpAddress::Parse("10.0.0.77").value());
  EXPECT_EQ(block.ToString(), "10.0.0.76/30");
  EXPECT_EQ(BlockName("blue", block), "blue.0a00004c-30");
}

TEST(AddressBlockTest, AddressesAreCutOutOfBlocksWithAsFewPrefixesAsItTakes) {
  const auto without = [](const std::string& block, const std::vector<std::string>& out) {
    std::set<IpAddress> addresses;
    for (const std::string& text : out) addresses.insert(IpAddress::Parse(text).value());
    std::vector<std::string> left;
    for (const IpPrefix& part : BlockWithout(Prefix(block), addresses)) left.push_back(part.ToString());
    return left;
  };
  EXPECT_THAT(without("10.0.0.16/28", {}), ElementsAre("10.0.0.16/28"));
  EXPECT_THAT(without("10.0.0.16/28", {"10.0.0.15", "10.0.0.32"}), ElementsAre("10.0.0.16/28"));
  EXPECT_THAT(without("10.0.0.16/30", {"10.0.0.17"}), ElementsAre("10.0.0.16/32", "10.0.0.18/31"));
  EXPECT_THAT(without("10.0.0.16/30", {"10.0.0.17", "10.0.0.18"}),
              ElementsAre("10.0.0.16/32", "10.0.0.19/32"));
  EXPECT_THAT(without("10.0.0.16/32", {"10.0.0.16"}), IsEmpty());
  EXPECT_THAT(without("2001:db8::100/126", {"2001:db8::103"}),
              ElementsAre("2001:db8::100/127", "2001:db8::102/128"));
}

class BlockControllerTest : public ControllersTest {
 protected:
  using Blocks = std::optional<std::vector<std::string>>;

  void SetUp() override { CreateNetwork("blue", 100); }
  absl::Duration keep_blocks_ = absl::ZeroDuration();
  absl::Duration address_patience_ = absl::Seconds(20);
  void StartWithTunnels() { controllers_ = StartCard("card0", opi_); }
  std::unique_ptr<Controllers> StartCard(const std::string& card, OpiClient& opi) {
    ControllerOptions options;
    options.card = card;
    options.vtep = IpAddress::Parse("192.0.2.1").value();
    options.keep_blocks = keep_blocks_;
    options.address_patience = address_patience_;
    options.count_after = absl::ZeroDuration();
    options.backoff.initial = absl::Milliseconds(1);
    options.backoff.max = absl::Milliseconds(20);
    return Controllers::Start(options, store_, opi).value();
  }
  static const ResourceKind& BlockKind() { return api::KindOf<api::v1alpha1::AddressBlock>().resource; }
  std::vector<Resource> Listed() { return store_.List(BlockKind(), "default").value().items; }

  // A port of the card in the network, so that its blocks stay.
  void AttachPort(const std::string& card, int vf) {
    const std::string name = "port-of-" + card;
    Resource netdev = MakeResource(Netdevs(), Name(name));
    netdev["spec"] = {{"host", "host-a"}, {"function", absl::StrCat("0000:03:00.", vf)},
                      {"card", card},     {"port", absl::StrCat("host0-", vf)},
                      {"claim", 1},       {"mac", MacOf(vf)},
                      {"network", "blue"}};
    ASSERT_TRUE(store_.Create(Netdevs(), netdev).ok());
    WaitForState(name, "Attached");
  }
  // Every card has confirmed the network.
  void WaitForCards(size_t cards) {
    WaitFor(Networks(), "blue", [cards](const Resource& network) {
      const Resource entries = At(network, "/status/cards");
      if (entries.size() != cards) return false;
      return std::all_of(entries.begin(), entries.end(),
                         [](const Resource& entry) { return entry.contains("confirmedGeneration"); });
    });
  }
  static absl::Status Want(Controllers& controllers, const std::string& need) {
    absl::Notification answered;
    absl::Status outcome;
    controllers.WantAddresses("default.blue", need, [&](const absl::Status& status) {
      outcome = status;
      answered.Notify();
    });
    EXPECT_TRUE(answered.WaitForNotificationWithTimeout(absl::Seconds(20)));
    return outcome;
  }
};

TEST_F(BlockControllerTest, ABridgeHasNoAddressesToGiveBeforeOneIsWanted) {
  StartWithTunnels();
  WaitForReady(Networks(), "blue");
  ASSERT_TRUE(opi_.AddressBlocks("default.blue").has_value());
  EXPECT_THAT(*opi_.AddressBlocks("default.blue"), IsEmpty());
  EXPECT_THAT(Listed(), IsEmpty());
}

TEST_F(BlockControllerTest, ClaimsABlockWhenAnAddressIsWanted) {
  StartWithTunnels();
  WaitForReady(Networks(), "blue");
  ASSERT_EQ(Want(*controllers_, "IPv4"), absl::OkStatus());
  EXPECT_THAT(*opi_.AddressBlocks("default.blue"), SizeIs(1));
  EXPECT_THAT(Listed(), SizeIs(1));
  EXPECT_EQ(At(Listed()[0], "/spec/card"), "card0");
  ASSERT_EQ(Want(*controllers_, "10.0.0.77"), absl::OkStatus());
  EXPECT_THAT(*opi_.AddressBlocks("default.blue"), Contains("10.0.0.76/30"));
  EXPECT_TRUE(absl::IsInvalidArgument(Want(*controllers_, "10.9.9.9")));
  EXPECT_TRUE(absl::IsResourceExhausted(Want(*controllers_, "IPv6")));
}

TEST_F(BlockControllerTest, LateNewsOfABlockThatWasClaimedAgainIsNoNewsOfThisOne) {
  evpn::LogicalBridgeSpec bridge;
  bridge.set_vlan_id(1);
  bridge.set_vni(100);
  ASSERT_TRUE(opi_.CreateLogicalBridge("default.blue", bridge).ok());
  const ResourceName blue = {"default", "blue"};
  BlockController::Deps deps;
  deps.store = &store_;
  deps.opi = &opi_;
  deps.card = "card0";
  deps.get_network = [&](const ResourceName& name) -> std::optional<Resource> {
    return store_.Get(Networks(), name).value();
  };
  deps.known = [] { return true; };
  deps.enqueue = [](const ResourceName&) {};
  deps.later = [](absl::Duration, const std::function<void()>&) {};
  BlockController blocks(deps);
  absl::Status claimed = absl::UnknownError("not asked");
  const auto claim = [&] {
    blocks.Want(blue, "IPv4", [&](const absl::Status& status) { claimed = status; });
    ASSERT_TRUE(blocks.Reconcile(blue).ok());
    ASSERT_TRUE(claimed.ok()) << claimed;
  };
  claim();
  const Resource first = Listed().at(0);
  // Nobody uses the network: the block is given back, and claimed again under the same name.
  ASSERT_TRUE(blocks.Reconcile(blue).ok());
  ASSERT_THAT(Listed(), IsEmpty());
  claim();
  ASSERT_EQ(NameOf(Listed().at(0)), NameOf(first));
  blocks.Remove(first);
  ASSERT_TRUE(blocks.Tell(blue).ok());
  EXPECT_THAT(*opi_.AddressBlocks("default.blue"), SizeIs(1));
  blocks.Remove(Listed().at(0));
  ASSERT_TRUE(blocks.Tell(blue).ok());
  EXPECT_THAT(*opi_.AddressBlocks("default.blue"), IsEmpty());
}

TEST_F(BlockControllerTest, NoTwoCardsGetOneBlockUntilAllAreGone) {
  FakeOpiClient other_opi;
  StartWithTunnels();
  const auto other = StartCard("card1", other_opi);
  WaitForCards(2);
  // Two cards of half of the blocks each.
  for (int i = 0; i < 64; ++i) {
    ASSERT_EQ(Want(i % 2 == 0 ? *controllers_ : *other, "IPv4"), absl::OkStatus()) << i;
  }
  std::set<std::string> prefixes;
  for (const Resource& block : Listed()) prefixes.insert(At(block, "/spec/prefix").get<std::string>());
  EXPECT_THAT(prefixes, SizeIs(64));
  EXPECT_TRUE(absl::IsResourceExhausted(Want(*controllers_, "IPv4")));
}

TEST_F(BlockControllerTest, AnAddressInAnothersBlockIsCutOutOfItForWhoeverAsks) {
  FakeOpiClient other_opi;
  StartWithTunnels();
  auto other = StartCard("card1", other_opi);
  WaitForCards(2);
  AttachPort("card0", 1);
  AttachPort("card1", 2);
  ASSERT_EQ(Want(*other, "10.0.0.77"), absl::OkStatus());
  ASSERT_THAT(*other_opi.AddressBlocks("default.blue"), ElementsAre("10.0.0.76/30"));
  ASSERT_EQ(Want(*controllers_, "10.0.0.77"), absl::OkStatus());
  EXPECT_THAT(*opi_.AddressBlocks("default.blue"), ElementsAre("10.0.0.77/32"));
  EXPECT_THAT(*other_opi.AddressBlocks("default.blue"), ElementsAre("10.0.0.76/32", "10.0.0.78/31"));
  // It stays so when the agent of the card that gave it away is another one.
  other.reset();
  other = StartCard("card1", other_opi);
  ASSERT_EQ(Want(*other, "10.0.0.78"), absl::OkStatus());
  EXPECT_THAT(*other_opi.AddressBlocks("default.blue"), ElementsAre("10.0.0.76/32", "10.0.0.78/31"));
  // Nor does it get the address back from the one that has it now.
  const absl::Status refused = Want(*other, "10.0.0.77");
  EXPECT_TRUE(absl::IsAlreadyExists(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("card0"));
}

TEST_F(BlockControllerTest, AnAddressThatAPortHasIsNotGivenAway) {
  address_patience_ = absl::Milliseconds(300);
  FakeOpiClient other_opi;
  StartWithTunnels();
  const auto other = StartCard("card1", other_opi);
  WaitForCards(2);
  AttachPort("card0", 1);
  AttachPort("card1", 2);
  ASSERT_EQ(Want(*other, "10.0.0.77"), absl::OkStatus());
  // Whoever else tells the agent the blocks meanwhile hears the same, one call after the other.
  for (int call = 0; call < 1000; ++call) {
    other_opi.FailCall(
        "SetAddressBlocks", 1,
        absl::FailedPreconditionError("blocks: 10.0.0.77 is that of host0-1; unbind that first"));
  }
  const absl::Status refused = Want(*controllers_, "10.0.0.77");
  EXPECT_TRUE(absl::IsAlreadyExists(refused)) << refused;
  EXPECT_THAT(*other_opi.AddressBlocks("default.blue"), ElementsAre("10.0.0.76/30"));
  EXPECT_THAT(Listed(), SizeIs(1));
  // The question is gone too, so that it is not answered when nobody asks any more.
  WaitFor(BlockKind(), "blue.0a00004c-30",
          [](const Resource& block) { return At(block, "/metadata/annotations").empty(); });
}

TEST_F(BlockControllerTest, BlocksOfACardThatIsGoneAreForWhoeverWantsThem) {
  FakeOpiClient other_opi;
  StartWithTunnels();
  auto other = StartCard("card1", other_opi);
  WaitForCards(2);
  while (Want(*other, "IPv4").ok()) continue;
  ASSERT_THAT(Listed(), SizeIs(64));
  other.reset();
  // It does not answer, but it is not gone.
  EXPECT_TRUE(absl::IsResourceExhausted(Want(*controllers_, "IPv4")));
  const ResourceKind& cards = api::KindOf<api::v1alpha1::Card>().resource;
  Resource port = CreateNetdev("p", 5, "blue");
  ASSERT_TRUE(store_.Delete(Netdevs(), Name("p")).ok());
  WaitForGone(Netdevs(), "p");
  port["spec"]["card"] = "card1";
  port["metadata"] = {{"name", "p"}, {"namespace", "default"}};
  ASSERT_TRUE(store_.Create(Netdevs(), port).ok());
  ASSERT_TRUE(store_.Delete(cards, {"", "card1"}).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(Want(*controllers_, "IPv4"))) << "a port of it may have the address";
  ASSERT_TRUE(store_.Delete(Netdevs(), Name("p")).ok());
  ASSERT_EQ(Want(*controllers_, "IPv4"), absl::OkStatus());
  ASSERT_EQ(Want(*controllers_, "10.0.0.200"), absl::OkStatus());
  EXPECT_THAT(*opi_.AddressBlocks("default.blue"), Contains("10.0.0.200/30"));
  EXPECT_THAT(Listed(), SizeIs(64));
}

TEST_F(BlockControllerTest, ABlockThatChangesHandsLeavesOutWhatOthersHaveOfIt) {
  Resource alone = MakeResource(BlockKind(), {"default", "blue.0a00004d-32"});
  alone["spec"] = {{"network", "blue"}, {"prefix", "10.0.0.77/32"}, {"card", "card7"}};
  ASSERT_TRUE(store_.Create(BlockKind(), alone).ok());
  StartWithTunnels();
  WaitForReady(Networks(), "blue");
  ASSERT_EQ(Want(*controllers_, "10.0.0.76"), absl::OkStatus());
  EXPECT_THAT(*opi_.AddressBlocks("default.blue"), ElementsAre("10.0.0.76/32", "10.0.0.78/31"));
}

TEST_F(BlockControllerTest, KnowsItsBlocksAgainAndGivesThemBackWithTheLastPort) {
  StartWithTunnels();
  CreateNetdev("a", 1, "blue");
  WaitForState("a", "Attached");
  ASSERT_EQ(Want(*controllers_, "IPv4"), absl::OkStatus());
  const Blocks before = opi_.AddressBlocks("default.blue");
  Stop();
  opi_.ForgetAll();
  opi_.BlockCalls("BindPort");
  StartWithTunnels();
  ASSERT_TRUE(opi_.WaitForBlocked("BindPort", 1));
  opi_.ReleaseCalls("BindPort");
  ASSERT_EQ(Want(*controllers_, "10.0.0.200"), absl::OkStatus());
  EXPECT_THAT(*opi_.AddressBlocks("default.blue"), SizeIs(2));
  EXPECT_THAT(*opi_.AddressBlocks("default.blue"), Contains(before->at(0)));
  const std::string block = NameOf(Listed()[0]).name;
  ASSERT_TRUE(store_.Delete(Netdevs(), Name("a")).ok());
  WaitForGone(BlockKind(), block);
}

TEST_F(BlockControllerTest, BlocksStayAWhileAfterTheLastPortUnlessTheirNetworkGoes) {
  keep_blocks_ = absl::Hours(1);
  StartWithTunnels();
  CreateNetdev("a", 3, "blue");
  WaitForState("a", "Attached");
  ASSERT_EQ(Want(*controllers_, "IPv4"), absl::OkStatus());
  const size_t blocks = Listed().size();
  ASSERT_TRUE(store_.Delete(Netdevs(), Name("a")).ok());
  WaitForGone(Netdevs(), "a");
  // Goes through all the queues behind the end of the port.
  ASSERT_EQ(Want(*controllers_, "10.0.0.200"), absl::OkStatus());
  EXPECT_EQ(Listed().size(), blocks + 1);
  const std::string block = NameOf(Listed()[0]).name;
  ASSERT_TRUE(store_.Delete(Networks(), Name("blue")).ok());
  WaitForGone(BlockKind(), block);
}

}  // namespace
}  // namespace xpu
