#pragma once

#include <functional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace xpu::testing {

// Calls `work` with 0 to `count` - 1 at once, each on a thread of its own, and gives the time from when all
// of them may begin until the last one is done. The threads stand in the caller's network namespace. An error
// of one of them is the outcome once all are done, that of the first by number.
absl::StatusOr<absl::Duration> AtOnce(int count, const std::function<absl::Status(int)>& work);

}  // namespace xpu::testing
