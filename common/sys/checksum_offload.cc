#include "common/sys/checksum_offload.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/base/unique_fd.h"
#include "common/sys/in_namespace.h"

namespace xpu {

absl::Status DisableTransmitChecksumOffload(const std::shared_ptr<NetNamespace>& ns,
                                            const std::string& ifname) {
  if (ifname.size() >= IFNAMSIZ)
    return absl::InvalidArgumentError(absl::StrCat(ifname, " is no interface name"));
  return InNamespace(ns, [&]() -> absl::Status {
    const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ethtool_value off{.cmd = ETHTOOL_STXCSUM, .data = 0};
    ifreq request{};
    memcpy(request.ifr_name, ifname.data(), ifname.size());
    request.ifr_data = reinterpret_cast<char*>(&off);
    if (fd && ioctl(fd.get(), SIOCETHTOOL, &request) == 0) return absl::OkStatus();
    const std::string what = absl::StrCat("turning off checksum offload of ", ifname);
    return errno == ENODEV ? absl::NotFoundError(absl::StrCat(what, ": there is no such interface"))
                           : absl::ErrnoToStatus(errno, what);
  });
}

}  // namespace xpu
