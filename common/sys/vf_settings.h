#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "common/base/mac_address.h"

namespace xpu {

// What a physical function keeps for one of its virtual functions (IFLA_VF_INFO, if_link.h). Fields that are
// not set stay as they are, or were not reported.
struct VfSettings {
  // Administrative address: the VF has it after its next reset, and may not change it.
  std::optional<MacAddress> mac;
  struct Vlan {
    // 0: none; 1 to 4094.
    uint16_t id = 0;
    // Priority, 0 to 7.
    uint8_t qos = 0;
    // TPID: 0x8100 (802.1Q) or 0x88a8 (802.1ad).
    uint16_t protocol = 0x8100;
    friend bool operator==(const Vlan&, const Vlan&) = default;
  };
  std::optional<Vlan> vlan;
  std::optional<bool> spoof_check;
  std::optional<bool> trust;
  enum class LinkState { kAuto, kEnable, kDisable };
  std::optional<LinkState> link_state;
  // Mbit/s; 0: no limit. The kernel takes both at once.
  std::optional<uint32_t> min_tx_rate;
  std::optional<uint32_t> max_tx_rate;

  bool empty() const { return *this == VfSettings(); }
  friend bool operator==(const VfSettings&, const VfSettings&) = default;
};

// InvalidArgument, naming the value, for settings that no driver can take. An address of zeros takes the
// administrative one away.
absl::Status CheckVfSettings(const VfSettings& settings);

}  // namespace xpu
