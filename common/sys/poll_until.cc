#include "common/sys/poll_until.h"

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace xpu {

absl::Status PollUntil(pollfd* descriptors, int count, absl::Time deadline, absl::string_view what) {
  for (;;) {
    timespec left{};
    if (deadline != absl::InfiniteFuture()) {
      left = absl::ToTimespec(std::max(absl::ZeroDuration(), deadline - absl::Now()));
    }
    const int ready = ppoll(descriptors, static_cast<nfds_t>(count),
                            deadline == absl::InfiniteFuture() ? nullptr : &left, nullptr);
    if (ready > 0) return absl::OkStatus();
    if (ready == 0) return absl::DeadlineExceededError(absl::StrCat("gave up waiting for ", what));
    if (errno != EINTR) return absl::ErrnoToStatus(errno, absl::StrCat("cannot wait for ", what));
  }
}

}  // namespace xpu
