#include "common/sys/vf_settings.h"

#include <linux/if_ether.h>

#include "absl/strings/str_cat.h"

namespace xpu {

absl::Status CheckVfSettings(const VfSettings& settings) {
  if (settings.mac && *settings.mac != MacAddress() && !settings.mac->IsUnicast()) {
    return absl::InvalidArgumentError(
        absl::StrCat("mac ", settings.mac->ToString(), " is no address that an interface may have"));
  }
  if (settings.vlan) {
    if (settings.vlan->id > 4094) {
      return absl::InvalidArgumentError(absl::StrCat("vlan ", settings.vlan->id, " is not 0 to 4094"));
    }
    if (settings.vlan->qos > 7) {
      return absl::InvalidArgumentError(absl::StrCat("vlan priority ", settings.vlan->qos, " is not 0 to 7"));
    }
    if (settings.vlan->protocol != ETH_P_8021Q && settings.vlan->protocol != ETH_P_8021AD) {
      return absl::InvalidArgumentError(absl::StrCat("vlan protocol 0x", absl::Hex(settings.vlan->protocol),
                                                     " is neither 0x8100 (802.1Q) nor 0x88a8 (802.1ad)"));
    }
  }
  if (settings.min_tx_rate && settings.max_tx_rate && *settings.max_tx_rate != 0 &&
      *settings.min_tx_rate > *settings.max_tx_rate) {
    return absl::InvalidArgumentError(absl::StrCat("the least rate, ", *settings.min_tx_rate,
                                                   " Mbit/s, is more than the greatest, ",
                                                   *settings.max_tx_rate));
  }
  return absl::OkStatus();
}

}  // namespace xpu
