#pragma once

#include <string>

namespace xpu {

// Whether a card of this machine is in switchdev mode: an interface says of which switch it is a port
// (<sysfs>/class/net/<interface>/phys_switch_id, Documentation/networking/switchdev.rst). Then Open vSwitch
// can put flows into its hardware.
bool HasSwitchdev(const std::string& sysfs);

}  // namespace xpu
