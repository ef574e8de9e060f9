// Netlink's contract, run against the kernel and against the fake.

#include <memory>

#include "common/sys/contract/netlink_contract.h"
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

INSTANTIATE_TEST_SUITE_P(Kernel, NetlinkContract, ::testing::Values(&Make<RealHarness>));
INSTANTIATE_TEST_SUITE_P(Fake, NetlinkContract, ::testing::Values(&Make<FakeHarness>));

}  // namespace
}  // namespace xpu
