#pragma once

#include <functional>
#include <memory>

#include "common/base/event_loop.h"

namespace xpu {

// Brings what happens on other threads to the loop for as long as its owner lives. Make and destroy it on
// the loop's thread, or while the loop does not run.
class LoopInbox {
 public:
  // May be called from any thread and at any time, also after the inbox and the loop have gone: then, and if
  // the inbox goes before its turn has come, the work is dropped.
  using Post = std::function<void(std::function<void()> work)>;

  explicit LoopInbox(EventLoop& loop);
  ~LoopInbox();
  LoopInbox(const LoopInbox&) = delete;
  LoopInbox& operator=(const LoopInbox&) = delete;

  Post post() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace xpu
