#include "control-plane/sandbox/card/card_model.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/sys/pci_bus.h"

namespace xpu {
namespace {

// Locally administered. `kind` tells functions from representors.
MacAddress PortMac(uint8_t kind, int card, int vf_index) {
  return MacAddress({0x02, 0x78, kind, static_cast<uint8_t>(card), 0, static_cast<uint8_t>(vf_index + 1)});
}

}  // namespace

CardPort MakeCardPort(int card, int vf_index) {
  const PciAddress pf{0, static_cast<uint8_t>(3 + card), 0, 0};
  CardPort port;
  port.vf_index = vf_index;
  port.mac = PortMac(0x01, card, vf_index);
  port.representor_mac = PortMac(0x02, card, vf_index);
  if (vf_index < 0) {
    port.pci = pf;
    port.name = absl::StrCat("p", card);
    // As the representor of the host's physical function is called on a BlueField.
    port.representor = "pf0hpf";
    port.phys_port_name = "pf0";
  } else {
    port.pci = VirtualFunctionAddress(pf, kVfOffset, kVfStride, vf_index);
    port.name = absl::StrCat("p", card, "v", vf_index);
    port.representor = absl::StrCat("pf0vf", vf_index);
    port.phys_port_name = port.representor;
  }
  return port;
}

std::string CardSwitchId(int card) { return absl::StrFormat("0278780000%06x", card + 1); }

std::string CardSerial(int card) { return absl::StrFormat("XPUEMU%04d", card); }

}  // namespace xpu
