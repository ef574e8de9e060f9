// The whole emulator, seen through its sysfs: PciBus' contract, and what the agents rely on beyond it.

#include "control-plane/sandbox/card/emulator.h"

#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "common/sys/contract/pci_bus_contract.h"
#include "common/sys/files.h"
#include "common/sys/net_namespaces_real.h"
#include "common/sys/netlink_real.h"
#include "common/sys/sysfs_pci_bus.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpu {
namespace {

// One emulated card in a folder of its own; gone, with all that it made, when this is.
class EmulatedCard {
 public:
  explicit EmulatedCard(int initial_vfs) {
    EXPECT_TRUE(MakeDirectories(host_sysfs()).ok());
    EXPECT_TRUE(MakeDirectories(dpu_sysfs()).ok());
    EXPECT_TRUE(CreateBoundNamespace(host_netns()).ok());
    EXPECT_TRUE(CreateBoundNamespace(dpu_netns()).ok());
    options_.host_netns = host_netns();
    options_.host_sysfs = host_sysfs();
    options_.cards.push_back({0, PciBusHarness::kTotalVfs, initial_vfs, dpu_netns(), dpu_sysfs()});
    Start();
  }
  ~EmulatedCard() {
    Stop();
    EXPECT_TRUE(RemoveBoundNamespace(host_netns()).ok());
    EXPECT_TRUE(RemoveBoundNamespace(dpu_netns()).ok());
    EXPECT_TRUE(ListDirectory(host_sysfs())->empty()) << "still mounted";
    EXPECT_TRUE(ListDirectory(dpu_sysfs())->empty()) << "still mounted";
  }

  void Start() {
    loop_ = std::make_unique<EventLoop>();
    // Not this function's alone: the thread looks at it when it ends.
    const auto ready = std::make_shared<absl::Notification>();
    thread_ = std::thread([this, ready] {
      const absl::Status status = RunCardEmulator(options_, *loop_, [&] {
        ready->Notify();
        return absl::OkStatus();
      });
      EXPECT_TRUE(status.ok()) << status;
      if (!ready->HasBeenNotified()) ready->Notify();
    });
    ready->WaitForNotification();
  }
  void Stop() {
    loop_->Stop();
    thread_.join();
  }

  std::string host_sysfs() const { return folder_.path() + "/host/sys"; }
  std::string dpu_sysfs() const { return folder_.path() + "/dpu0/sys"; }
  std::string host_netns() const { return folder_.path() + "/host/netns"; }
  std::string dpu_netns() const { return folder_.path() + "/dpu0/netns"; }

 private:
  TemporaryDirectory folder_ = *TemporaryDirectory::Make();
  CardEmulatorOptions options_;
  std::unique_ptr<EventLoop> loop_;
  std::thread thread_;
};

class EmulatedHarness final : public PciBusHarness {
 public:
  PciBus& bus() override { return bus_; }
  PciAddress physical_function() override { return {0, 3, 0, 0}; }

 private:
  EmulatedCard card_{0};
  SysfsPciBus bus_{card_.host_sysfs()};
};

std::unique_ptr<PciBusHarness> MakeEmulated() { return std::make_unique<EmulatedHarness>(); }
INSTANTIATE_TEST_SUITE_P(SysfsOfTheEmulatedCard, PciBusContract, ::testing::Values(&MakeEmulated));

class EmulatorTest : public ::testing::Test {
 protected:
  std::vector<std::string> Netdevs(const PciAddress& address) { return bus_.Get(address)->netdevs; }

  EmulatedCard card_{4};
  SysfsPciBus bus_{card_.host_sysfs()};
  std::shared_ptr<NetNamespace> host_ = *NetNamespacesReal().Open(card_.host_netns());
  std::unique_ptr<Netlink> netlink_ = *NetlinkFactoryReal().Open(host_);
  const PciAddress vf1_{0, 3, 0, 3};
};

TEST_F(EmulatorTest, BeginsWithTheVirtualFunctionsAskedFor) {
  EXPECT_EQ(bus_.List()->size(), 5u);
  EXPECT_THAT(Netdevs(vf1_), ::testing::ElementsAre("p0v1"));
}

TEST_F(EmulatorTest, TheNetFolderIsRightTheMomentAChangeIsDone) {
  auto pod = *NewNetNamespace();
  auto pod_netlink = *NetlinkFactoryReal().Open(pod);
  for (int round = 0; round < 20; ++round) {
    LinkChange out;
    out.net_namespace = pod;
    out.name = "eth0";
    ASSERT_TRUE(netlink_->ChangeLink(netlink_->GetLink("p0v1")->ifindex, out).ok());
    EXPECT_THAT(Netdevs(vf1_), ::testing::IsEmpty());
    LinkChange back;
    back.net_namespace = host_;
    back.name = "p0v1";
    ASSERT_TRUE(pod_netlink->ChangeLink(pod_netlink->GetLink("eth0")->ifindex, back).ok());
    EXPECT_THAT(Netdevs(vf1_), ::testing::ElementsAre("p0v1"));
  }
}

TEST_F(EmulatorTest, RepresentorsAreFoundByPortName) {
  const std::string folder = card_.dpu_sysfs() + "/class/net";
  EXPECT_THAT(*ListDirectory(folder),
              ::testing::ElementsAre("pf0hpf", "pf0vf0", "pf0vf1", "pf0vf2", "pf0vf3"));
  EXPECT_EQ(*ReadTrimmed(folder + "/pf0vf2/phys_port_name"), "pf0vf2");
  EXPECT_EQ(ReadTrimmed(folder + "/pf0vf2/phys_switch_id")->size(), 16u);
  auto dpu = *NetNamespacesReal().Open(card_.dpu_netns());
  auto dpu_netlink = *NetlinkFactoryReal().Open(dpu);
  EXPECT_EQ(*ReadTrimmed(folder + "/pf0vf2/ifindex"), absl::StrCat(dpu_netlink->GetLink("pf0vf2")->ifindex));
}

TEST_F(EmulatorTest, TheNumberOfVirtualFunctionsIsWrittenAsInAShell) {
  const std::string file = card_.host_sysfs() + "/bus/pci/devices/0000:03:00.0/sriov_numvfs";
  EXPECT_EQ(*ReadFile(file), "4\n");
  ASSERT_TRUE(WriteExisting(file, "0\n").ok());
  EXPECT_TRUE(absl::IsNotFound(netlink_->GetLink("p0v0").status()));
  EXPECT_TRUE(absl::IsOutOfRange(WriteExisting(file, "9\n")));
  ASSERT_TRUE(WriteExisting(file, "2\n").ok());
  EXPECT_TRUE(netlink_->GetLink("p0v1").ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(WriteExisting(file, "3\n")));
  EXPECT_EQ(*ReadFile(file), "2\n");
}

TEST_F(EmulatorTest, ARestartFindsThePodsFunctionsWhereTheyWere) {
  auto pod = *NewNetNamespace();
  LinkChange out;
  out.net_namespace = pod;
  ASSERT_TRUE(netlink_->ChangeLink(netlink_->GetLink("p0v1")->ifindex, out).ok());
  card_.Stop();
  card_.Start();
  EXPECT_EQ(bus_.List()->size(), 5u);
  EXPECT_THAT(Netdevs(vf1_), ::testing::IsEmpty());
  auto pod_netlink = *NetlinkFactoryReal().Open(pod);
  EXPECT_TRUE(pod_netlink->GetLink("p0v1").ok());
}

TEST(ParseEmulatedCard, ReadsTheOption) {
  auto card = ParseEmulatedCard("1=8=/run/netns/dpu1=/run/dpu1/sys");
  ASSERT_TRUE(card.ok());
  EXPECT_EQ(card->index, 1);
  EXPECT_EQ(card->total_vfs, 8);
  EXPECT_EQ(card->initial_vfs, 8);
  EXPECT_EQ(card->dpu_netns, "/run/netns/dpu1");
  EXPECT_EQ(card->dpu_sysfs, "/run/dpu1/sys");
}

TEST(ParseEmulatedCard, SaysHowToWriteIt) {
  for (const char* text : {"", "0", "0=8", "a=8=x=y", "0=b=x=y", "0=8==y", "0=8=x=", "0=8=x=y=z"}) {
    const absl::Status status = ParseEmulatedCard(text).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << text;
    EXPECT_THAT(status.message(), ::testing::HasSubstr("INDEX=VFS=DPU_NETNS=DPU_SYSFS"));
  }
}

TEST(Emulator, ANamespaceThatIsNotThereIsAnErrorThatNamesIt) {
  EventLoop loop;
  CardEmulatorOptions options;
  options.host_netns = "/no/such/netns";
  const absl::Status status = RunCardEmulator(options, loop, [] { return absl::OkStatus(); });
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(status.message(), ::testing::HasSubstr("/no/such/netns"));
}

}  // namespace
}  // namespace xpu
