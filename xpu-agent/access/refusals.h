#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/base/clock.h"

namespace xpu {

// Why a call was refused.
enum class RefusalReason {
  // The certificate names nobody that this card knows.
  kStranger,
  // It is of another card.
  kOtherCard,
  // A host asked for what only operators may do.
  kNotAHosts,
  // A host asked for a function or an object that is not its own.
  kNotItsOwn,
  // Too many calls.
  kFlood,
  // No certificate of the authority, or no TLS: nothing is known of whoever it was.
  kHandshake,
};
// "stranger", "other-card", "not-a-hosts", "not-its-own", "flood", "handshake".
absl::string_view RefusalWord(RefusalReason reason);

// Counts what was refused to whom, and logs it: the first of a kind at once, what follows at most every ten
// seconds, with how many there were. Safe from any thread.
class Refusals {
 public:
  struct Entry {
    std::string identity;
    RefusalReason reason;
    int64_t count = 0;
    absl::Time last;
    // The last call that was refused.
    std::string call;
  };
  // `clock` is not owned.
  explicit Refusals(Clock& clock) : clock_(clock) {}

  void Count(const std::string& identity, RefusalReason reason, absl::string_view call);
  // Since the process began, by identity and reason.
  std::vector<Entry> List() const;

 private:
  struct Tally {
    Entry entry;
    absl::Time logged;
    int64_t logged_count = 0;
  };
  // Identities are what an authority has signed, so there are few. Those after these many share a count.
  static constexpr size_t kMaxTallies = 1024;

  Clock& clock_;
  mutable absl::Mutex mu_;
  std::map<std::pair<std::string, RefusalReason>, Tally> tallies_ ABSL_GUARDED_BY(mu_);
};

}  // namespace xpu
