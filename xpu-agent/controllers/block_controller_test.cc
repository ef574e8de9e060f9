#include "xpu-agent/controllers/block_controller.h"

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "common/kube/metadata.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xpu-agent/controllers/controllers.h"
#include "xpu-agent/controllers/controllers_testing.h"
#include "xpu/api/v1alpha1/address_block.pb.h"

namespace xpu {
namespace {

using ::testing::Contains;
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

class BlockControllerTest : public ControllersTest {
 protected:
  using Blocks = std::optional<std::vector<std::string>>;

  void SetUp() override { CreateNetwork("blue", 100); }
  absl::Duration keep_blocks_ = absl::ZeroDuration();
  void StartWithTunnels() { controllers_ = StartCard("card0", opi_); }
  std::unique_ptr<Controllers> StartCard(const std::string& card, OpiClient& opi) {
    ControllerOptions options;
    options.card = card;
    options.vtep = IpAddress::Parse("192.0.2.1").value();
    options.keep_blocks = keep_blocks_;
    options.backoff.initial = absl::Milliseconds(1);
    options.backoff.max = absl::Milliseconds(20);
    return Controllers::Start(options, store_, opi).value();
  }
  static const ResourceKind& BlockKind() { return api::KindOf<api::v1alpha1::AddressBlock>().resource; }
  std::vector<Resource> Listed() { return store_.List(BlockKind(), "default").value().items; }

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
  const std::string theirs = other_opi.AddressBlocks("default.blue")->at(0);
  const absl::Status refused = Want(*controllers_, theirs.substr(0, theirs.find('/')));
  EXPECT_TRUE(absl::IsAlreadyExists(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("card1"));
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
