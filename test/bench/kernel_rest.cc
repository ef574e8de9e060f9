#include "test/bench/kernel_rest.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "common/base/status_macros.h"
#include "common/sys/netlink_real.h"

namespace xpu::testing {

absl::Status LetKernelRest() {
  XPU_ASSIGN_OR_RETURN(const auto netlink, NetlinkFactoryReal().Open(nullptr));
  for (int i = 0; i < 2; ++i) {
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) != 0)
      return absl::ErrnoToStatus(errno, "membarrier");
    XPU_RETURN_IF_ERROR(netlink->GetLink("lo").status());
  }
  return absl::OkStatus();
}

}  // namespace xpu::testing
