#pragma once

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "xpu-agent/core/model_store.h"

namespace xpu {

// A ModelStore in memory that can be told to fail. Lives on while the agent that uses it is "killed" and made
// again. Safe from any thread.
class MemoryModelStore : public ModelStore {
 public:
  // The n-th Write() from now on (1: the next) fails with `status` and writes nothing.
  void FailWrite(int n, const absl::Status& status);
  void FailLoad(const absl::Status& status);

  absl::StatusOr<AgentState> Load() override;
  absl::Status Write(const StateChange& change) override;

 private:
  absl::Mutex mu_;
  AgentState state_ ABSL_GUARDED_BY(mu_);
  int fail_in_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Status write_failure_ ABSL_GUARDED_BY(mu_);
  absl::Status load_failure_ ABSL_GUARDED_BY(mu_);
};

}  // namespace xpu
