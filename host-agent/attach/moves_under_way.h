#pragma once

#include <cstdint>
#include <set>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace xpu {

// Which moves of interfaces between network namespaces the kernel has been asked for and has not done yet. It
// does them one after the other, and each waits for what others have left to RCU: whoever has moved its
// interface and keeps quiet until those behind it have moved theirs is done sooner, and so are they
// (docs/design/attaching.md). Safe from any thread.
class MovesUnderWay {
 public:
  // One of them, as long as this lives.
  class Move {
   public:
    explicit Move(MovesUnderWay& moves);
    ~Move();
    Move(const Move&) = delete;
    Move& operator=(const Move&) = delete;

   private:
    MovesUnderWay& moves_;
    const uint64_t number_;
  };

  // Waits until all are over that had begun when it was called. Those that begin meanwhile are not waited
  // for, so that nobody waits for ever.
  void AwaitThoseBegun();

 private:
  absl::Mutex mu_;
  uint64_t begun_ ABSL_GUARDED_BY(mu_) = 0;
  // By the order in which they began.
  std::set<uint64_t> running_ ABSL_GUARDED_BY(mu_);
};

}  // namespace xpu
