#pragma once

#include <poll.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace xpu {

// poll(2) until one of the descriptors has an event; DeadlineExceeded, naming `what`, if none has by
// `deadline`.
absl::Status PollUntil(pollfd* descriptors, int count, absl::Time deadline, absl::string_view what);

}  // namespace xpu
