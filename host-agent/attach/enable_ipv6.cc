#include "host-agent/attach/enable_ipv6.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "common/base/unique_fd.h"
#include "common/sys/in_namespace.h"

namespace xpu {

absl::Status EnableIpv6(const std::shared_ptr<NetNamespace>& ns, const std::string& ifname) {
  // The kernel shows each thread the settings of the namespace that it is in. A name has no '/' in it, so the
  // path stays where it should.
  const std::string path = absl::StrCat("/proc/sys/net/ipv6/conf/", ifname, "/disable_ipv6");
  return InNamespace(ns, [&path]() -> absl::Status {
    const UniqueFd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file || write(file.get(), "0", 1) != 1) {
      return absl::ErrnoToStatus(errno, absl::StrCat("IPv6 is disabled, and ", path, " cannot be set to 0"));
    }
    return absl::OkStatus();
  });
}

}  // namespace xpu
