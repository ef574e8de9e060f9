// PciBus' contract on a real card.

#include <memory>

#include "common/sys/contract/pci_bus_contract.h"
#include "test/lab/card.h"

namespace xpu {
namespace {

class CardHarness final : public PciBusHarness {
 public:
  PciBus& bus() override { return card_.bus(); }
  PciAddress physical_function() override { return card_.pf(); }
  int total_vfs() const override { return testing::Card::kTotalVfs; }
  int vf_offset() const override { return testing::Card::kVfOffset; }
  int vf_stride() const override { return testing::Card::kVfStride; }
  bool has_serial() const override { return false; }

 private:
  testing::Card card_;
};

std::unique_ptr<PciBusHarness> MakeHarness() { return std::make_unique<CardHarness>(); }
INSTANTIATE_TEST_SUITE_P(Igb, PciBusContract, ::testing::Values(&MakeHarness));

}  // namespace
}  // namespace xpu
