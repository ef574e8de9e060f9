#include "common/base/loop_inbox.h"

#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace xpu {

struct LoopInbox::State {
  absl::Mutex mutex;
  // Null once closed.
  EventLoop* loop ABSL_GUARDED_BY(mutex);

  bool open() {
    absl::MutexLock lock(&mutex);
    return loop != nullptr;
  }
};

LoopInbox::LoopInbox(EventLoop& loop) : state_(std::make_shared<State>()) {
  absl::MutexLock lock(&state_->mutex);
  state_->loop = &loop;
}

LoopInbox::~LoopInbox() {
  absl::MutexLock lock(&state_->mutex);
  state_->loop = nullptr;
}

LoopInbox::Post LoopInbox::post() const {
  return [state = state_](std::function<void()> work) {
    absl::MutexLock lock(&state->mutex);
    if (state->loop == nullptr) return;
    // Only the loop's thread closes an inbox, so it stays open while the work runs.
    state->loop->Post([state, work = std::move(work)] {
      if (state->open()) work();
    });
  };
}

}  // namespace xpu
