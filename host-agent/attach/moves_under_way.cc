#include "host-agent/attach/moves_under_way.h"

namespace xpu {

MovesUnderWay::Move::Move(MovesUnderWay& moves)
    : moves_(moves), number_([&moves] {
        absl::MutexLock lock(&moves.mu_);
        moves.running_.insert(moves.begun_);
        return moves.begun_++;
      }()) {}

MovesUnderWay::Move::~Move() {
  absl::MutexLock lock(&moves_.mu_);
  moves_.running_.erase(number_);
}

void MovesUnderWay::AwaitThoseBegun() {
  absl::MutexLock lock(&mu_);
  const uint64_t next = begun_;
  const auto over = [this, next] {
    mu_.AssertReaderHeld();
    return running_.empty() || *running_.begin() >= next;
  };
  mu_.Await(absl::Condition(&over));
}

}  // namespace xpu
