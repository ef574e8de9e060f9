#include "test/lab/card.h"

#include <cstdlib>
#include <iostream>
#include <utility>

#include "common/sys/netlink_real.h"
#include "common/sys/sysfs_pci_bus.h"
#include "test/lab/watch.h"

namespace xpu::testing {
namespace {

constexpr uint16_t kIntel = 0x8086;
constexpr uint16_t k82576 = 0x10c9;

// Nothing can be tested any more.
[[noreturn]] void Die(const std::string& what) {
  std::cerr << "the card of './dev lab': " << what << std::endl;
  std::abort();
}

}  // namespace

Card::Card(int vfs) : bus_(std::make_unique<SysfsPciBus>("/sys")) {
  auto netlink = NetlinkFactoryReal().Open(nullptr);
  if (!netlink.ok()) Die(netlink.status().ToString());
  netlink_ = *std::move(netlink);
  Find();
  if (const absl::Status made = bus_->SetNumVfs(pf_, vfs); !made.ok()) Die(made.ToString());
}

Card::~Card() {
  if (const absl::Status status = bus_->SetNumVfs(pf_, 0); !status.ok()) Die(status.ToString());
}

void Card::AwaitDriver(Watch& watch) {
  const auto has_interface = [this] {
    auto netdevs = bus_->Netdevs(pf_);
    return netdevs.ok() && !netdevs->empty();
  };
  while (true) {
    watch.Mark();
    if (has_interface()) break;
    if (!watch.AwaitNewsOf(pf_)) Die("no driver takes the card");
  }
  Find();
}

void Card::Find() {
  auto functions = bus_->List();
  if (!functions.ok()) Die(functions.status().ToString());
  for (const PciFunction& function : *functions) {
    if (function.vendor != kIntel || function.device != k82576 || function.netdevs.empty()) continue;
    pf_ = function.address;
    auto link = netlink_->GetLink(function.netdevs.front());
    if (!link.ok()) Die(link.status().ToString());
    ifindex_ = link->ifindex;
    LinkChange up;
    up.up = true;
    if (const absl::Status status = netlink_->ChangeLink(ifindex_, up); !status.ok()) Die(status.ToString());
    return;
  }
  Die("no Intel 82576 with an interface on this machine");
}

}  // namespace xpu::testing
