#include "test/bench/at_once.h"

#include <algorithm>
#include <thread>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"

namespace xpu::testing {

absl::StatusOr<absl::Duration> AtOnce(int count, const std::function<absl::Status(int)>& work) {
  std::vector<absl::Status> outcomes(count);
  std::vector<absl::Time> ends(count);
  absl::BlockingCounter ready(count);
  absl::Notification begin;
  std::vector<std::thread> threads;
  threads.reserve(count);
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&, i] {
      ready.DecrementCount();
      begin.WaitForNotification();
      outcomes[i] = work(i);
      ends[i] = absl::Now();
    });
  }
  ready.Wait();
  const absl::Time begun = absl::Now();
  begin.Notify();
  for (std::thread& thread : threads) thread.join();
  absl::Time end = begun;
  for (int i = 0; i < count; ++i) {
    XPU_RETURN_IF_ERROR(outcomes[i]);
    end = std::max(end, ends[i]);
  }
  return end - begun;
}

}  // namespace xpu::testing
