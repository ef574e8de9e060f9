// The contracts of drivers and of VF settings, on a real card.

#include <memory>
#include <set>
#include <string>

#include "common/sys/contract/pci_driver_contract.h"
#include "common/sys/contract/vf_settings_contract.h"
#include "common/sys/devlink_real.h"
#include "common/sys/netlink_real.h"
#include "test/lab/card.h"
#include "test/lab/watch.h"

namespace xpu {
namespace {

class CardDriverHarness final : public PciDriverHarness {
 public:
  PciBus& bus() override { return card_.bus(); }
  PciAddress function() override { return card_.vf(1); }

 private:
  testing::Card card_{2};
};

class CardVfHarness final : public VfSettingsHarness {
 public:
  CardVfHarness() {
    // Without a link igb takes no rates.
    testing::Watch watch(card_.bus(), card_.netlink());
    EXPECT_TRUE(watch.AwaitCarrier(pf_name(), true));
  }
  NetlinkFactory& factory() override { return factory_; }
  std::string pf_name() override { return card_.netlink().GetLinkByIndex(card_.ifindex())->name; }
  int vfs() override { return 2; }
  std::set<std::string> refused() override { return {"link_state", "min_tx_rate", "vlan protocol"}; }

 private:
  testing::Card card_{2};
  NetlinkFactoryReal factory_;
};

std::unique_ptr<PciDriverHarness> MakeDrivers() { return std::make_unique<CardDriverHarness>(); }
INSTANTIATE_TEST_SUITE_P(Igb, PciDriverContract, ::testing::Values(&MakeDrivers));
std::unique_ptr<VfSettingsHarness> MakeVfs() { return std::make_unique<CardVfHarness>(); }
INSTANTIATE_TEST_SUITE_P(Igb, VfSettingsContract, ::testing::Values(&MakeVfs));

TEST(DevlinkOfThisKernel, HasNoSubfunctionsOfACardWhoseDriverDoesNotKnowIt) {
  testing::Card card;
  const absl::Status status = DevlinkReal().ListSfs(card.pf()).status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
}

}  // namespace
}  // namespace xpu
