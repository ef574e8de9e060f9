// Netlink's contract, run against the kernel and against the fake; that of VF settings and of Devlink against
// the fake: they take a real card.

#include <memory>

#include "common/sys/contract/devlink_contract.h"
#include "common/sys/contract/netlink_contract.h"
#include "common/sys/contract/vf_settings_contract.h"
#include "common/sys/fake/fake_kernel.h"
#include "common/sys/net_namespaces_real.h"
#include "common/sys/netlink_real.h"

namespace xpu {
namespace {

class RealHarness final : public NetlinkHarness {
 public:
  std::shared_ptr<NetNamespace> NewNamespace() override {
    auto made = NewNetNamespace();
    EXPECT_TRUE(made.ok()) << made.status();
    return *made;
  }
  NetlinkFactory& factory() override { return factory_; }

 private:
  NetlinkFactoryReal factory_;
};

class FakeHarness final : public NetlinkHarness {
 public:
  std::shared_ptr<NetNamespace> NewNamespace() override { return kernel_.AddNamespace(); }
  NetlinkFactory& factory() override { return factory_; }

 private:
  FakeKernel kernel_;
  FakeNetlinkFactory factory_{kernel_};
};

template <class T>
std::unique_ptr<NetlinkHarness> Make() {
  return std::make_unique<T>();
}

// A card whose driver takes no link state for its VFs.
class FakeVfHarness final : public VfSettingsHarness {
 public:
  FakeVfHarness() {
    kernel_.AddCard({0, 3, 0, 0}, "p0", 8);
    EXPECT_TRUE(FakePciBus(kernel_).SetNumVfs({0, 3, 0, 0}, 2).ok());
    kernel_.RefuseVfSettings({0, 3, 0, 0}, refused());
  }
  NetlinkFactory& factory() override { return factory_; }
  std::string pf_name() override { return "p0"; }
  int vfs() override { return 2; }
  std::set<std::string> refused() override { return {"link_state"}; }

 private:
  FakeKernel kernel_;
  FakeNetlinkFactory factory_{kernel_};
};

class FakeDevlinkHarness final : public DevlinkHarness {
 public:
  FakeDevlinkHarness() { kernel_.AddCard(parent(), "p0", 8); }
  Devlink& devlink() override { return devlink_; }
  PciBus& bus() override { return bus_; }
  PciAddress parent() override { return {0, 3, 0, 0}; }

 private:
  FakeKernel kernel_;
  FakeDevlink devlink_{kernel_};
  FakePciBus bus_{kernel_};
};

std::unique_ptr<VfSettingsHarness> MakeFakeVfs() { return std::make_unique<FakeVfHarness>(); }
INSTANTIATE_TEST_SUITE_P(Fake, VfSettingsContract, ::testing::Values(&MakeFakeVfs));
std::unique_ptr<DevlinkHarness> MakeFakeDevlink() { return std::make_unique<FakeDevlinkHarness>(); }
INSTANTIATE_TEST_SUITE_P(Fake, DevlinkContract, ::testing::Values(&MakeFakeDevlink));
INSTANTIATE_TEST_SUITE_P(Kernel, NetlinkContract, ::testing::Values(&Make<RealHarness>));
INSTANTIATE_TEST_SUITE_P(Fake, NetlinkContract, ::testing::Values(&Make<FakeHarness>));

}  // namespace
}  // namespace xpu
