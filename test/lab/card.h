#pragma once

#include <memory>
#include <string>

#include "common/sys/netlink.h"
#include "common/sys/pci_bus.h"

namespace xpu::testing {

class Watch;

// The virtual machine's card: an Intel 82576 (QEMU's igb) whose virtual functions have the driver igbvf.
// While this lives its physical function is up, without which no virtual function can be reset; and as it
// goes the virtual functions go. Ends the process with a message where there is no such card, that is outside
// the machine.
class Card {
 public:
  static constexpr int kTotalVfs = 7;
  // First VF Offset and VF Stride.
  static constexpr int kVfOffset = 128;
  static constexpr int kVfStride = 2;
  // As MachineMonitor names it, its slot and its cable.
  static constexpr char kId[] = "card0";
  static constexpr char kSlot[] = "slot0";
  static constexpr char kWire[] = "wire0";
  static constexpr char kMac[] = "52:54:00:1a:b0:00";

  explicit Card(int vfs = 0);
  ~Card();
  Card(const Card&) = delete;
  Card& operator=(const Card&) = delete;

  PciBus& bus() { return *bus_; }
  Netlink& netlink() { return *netlink_; }
  // Finds the card again, after it has been pulled and put back.
  void Find();
  // The same, when its driver has it: that may take a while longer than the function takes to appear.
  void AwaitDriver(Watch& watch);
  const PciAddress& pf() const { return pf_; }
  PciAddress vf(int index) const { return VirtualFunctionAddress(pf_, kVfOffset, kVfStride, index); }
  // The physical function's interface.
  int ifindex() const { return ifindex_; }

 private:
  std::unique_ptr<PciBus> bus_;
  std::unique_ptr<Netlink> netlink_;
  PciAddress pf_;
  int ifindex_ = 0;
};

}  // namespace xpu::testing
