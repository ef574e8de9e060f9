#include "xpu-agent/agent/switchdev.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/sys/files.h"

namespace xpu {

bool HasSwitchdev(const std::string& sysfs) {
  const std::string folder = absl::StrCat(sysfs, "/class/net");
  const std::vector<std::string> interfaces = ListDirectory(folder).value_or(std::vector<std::string>());
  return std::any_of(interfaces.begin(), interfaces.end(), [&](const std::string& interface) {
    // Others answer EOPNOTSUPP.
    return !ReadTrimmed(absl::StrCat(folder, "/", interface, "/phys_switch_id")).value_or("").empty();
  });
}

}  // namespace xpu
