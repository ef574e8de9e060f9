#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "xpu/agent/v1/port_service.pb.h"

namespace xpu {

// What an observer of OpiClient::WatchPorts() hears, for tests. Must outlive the watch. Safe from any thread.
class PortNews {
 public:
  auto Observer() {
    return [this](const absl::StatusOr<agent::v1::PortStates>& states) {
      absl::MutexLock lock(&mu_);
      heard_.push_back(states);
    };
  }
  // Waits until the last that was heard is that the agent is gone.
  bool AwaitGone() {
    return Await([](const auto& states) { return absl::IsUnavailable(states.status()); });
  }
  // Waits until the last that was heard is that nobody knows how the ports are.
  bool AwaitUnimplemented() {
    return Await([](const auto& states) { return absl::IsUnimplemented(states.status()); });
  }
  // Waits until the last that was heard is a list that says this of the port.
  bool AwaitPort(const std::string& port, bool healthy) {
    return Await([&](const absl::StatusOr<agent::v1::PortStates>& states) {
      if (!states.ok()) return false;
      for (const agent::v1::PortState& state : states->ports()) {
        if (state.port() == port) return state.healthy() == healthy && state.reason().empty() == healthy;
      }
      return false;
    });
  }
  size_t count() const {
    absl::MutexLock lock(&mu_);
    return heard_.size();
  }
  absl::StatusOr<agent::v1::PortStates> last() const {
    absl::MutexLock lock(&mu_);
    return heard_.back();
  }

 private:
  bool Await(const std::function<bool(const absl::StatusOr<agent::v1::PortStates>&)>& wanted) {
    absl::MutexLock lock(&mu_);
    auto is_wanted = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
      return !heard_.empty() && wanted(heard_.back());
    };
    return mu_.AwaitWithTimeout(absl::Condition(&is_wanted), absl::Seconds(20));
  }

  mutable absl::Mutex mu_;
  std::vector<absl::StatusOr<agent::v1::PortStates>> heard_ ABSL_GUARDED_BY(mu_);
};

}  // namespace xpu
