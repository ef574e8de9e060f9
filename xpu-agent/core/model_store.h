#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "xpu-agent/core/agent_state.h"

namespace xpu {

// Where the agent's state is kept. One thread at a time.
// Errors: ResourceExhausted (disk full), DataLoss (the file is damaged), Internal.
class ModelStore {
 public:
  virtual ~ModelStore() = default;

  // What was written so far; representors are empty.
  virtual absl::StatusOr<AgentState> Load() = 0;
  // Writes all of the change or, if it fails, nothing. When it returns OK the change outlives a kill -9.
  virtual absl::Status Write(const StateChange& change) = 0;
};

}  // namespace xpu
