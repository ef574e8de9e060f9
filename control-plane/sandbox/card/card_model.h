#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/mac_address.h"
#include "common/base/pci_address.h"
#include "common/sys/netlink.h"

namespace xpu {

// What an emulated card is made of, without anything of the kernel. Card `k` (0 to 9) has one physical
// function, 0000:0<3+k>:00.0 with interface p<k>, and virtual ones from 0000:0<3+k>:00.2 on with interfaces
// p<k>v<i>.

constexpr int kMaxCards = 10;
// How many virtual functions there is room for: bytes of a MAC, and routing ids on the card's bus.
constexpr int kMaxVfs = 250;
constexpr int kVfOffset = 2;
constexpr int kVfStride = 1;

// One function and its representor: the two ends of a veth pair.
struct CardPort {
  // -1: the physical function.
  int vf_index = -1;
  PciAddress pci;
  // The end in the host's namespace. A function keeps its MAC for life, also when it is made again.
  std::string name;
  MacAddress mac;
  // The end in the DPU's: its name and what sysfs says in phys_port_name.
  std::string representor;
  std::string phys_port_name;
  MacAddress representor_mac;
};

// `vf_index` -1: the physical function.
CardPort MakeCardPort(int card, int vf_index);

// What sysfs shows of a card at some moment.
struct CardView {
  struct Port {
    CardPort port;
    // The interface, if it is in the host's namespace, under whatever name.
    std::optional<Link> netdev;
    // The same for the representor in the DPU's.
    std::optional<Link> representor;
  };
  int index = 0;
  int total_vfs = 0;
  // The physical function, and then one for each virtual function that there is.
  std::vector<Port> ports;
};

// 16 hexadecimal digits, one value for each card.
std::string CardSwitchId(int card);
// E.g. "XPUEMU0000".
std::string CardSerial(int card);

}  // namespace xpu
