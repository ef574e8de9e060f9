#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/base/clock.h"
#include "common/base/unique_fd.h"
#include "common/sqlite/database.h"
#include "host-agent/alloc/journal.h"

namespace xpu {

// The journal in a SQLite file. Commits are not flushed to the disk one by one (the kernel has them, so a
// kill -9 loses nothing): a flush would cost each pod more than all the rest of its attachment; Journal says
// what covers a loss of power.
class SqliteJournal : public Journal {
 public:
  // Opens or makes the file, or brings one of an older version up to date; its folder must be there. Errors
  // as of Database::Open; FailedPrecondition if another process has it, so that no two agents ever act on the
  // same functions; DataLoss if it contradicts itself or a row cannot be read.
  static absl::StatusOr<std::unique_ptr<SqliteJournal>> Open(const std::string& path,
                                                             Clock& clock = Clock::Real());

  // What became of a damaged file.
  struct Lost {
    // What was wrong with it.
    std::string reason;
    // Where it is now, with SQLite's files beside it.
    std::string moved_to;
    // Rows that could be read and are in the new one.
    int salvaged = 0;
  };
  struct Opened {
    std::unique_ptr<SqliteJournal> journal;
    std::optional<Lost> lost;
  };
  // The same, but a damaged file is moved aside under a new name (never deleted), and a new one takes its
  // place.
  static absl::StatusOr<Opened> OpenOrReplace(const std::string& path, Clock& clock = Clock::Real());

  // Whether all that pods hold is in it: not of a file that was just made, as pods may hold something from
  // before. Whoever has added what was missing says so.
  bool complete() const;
  absl::Status SetComplete();

  absl::StatusOr<std::vector<ClaimRow>> Load() override;
  absl::StatusOr<ClaimRow> Begin(const ClaimRow& row) override;
  absl::Status Write(const ClaimRow& row) override;
  absl::Status End(const FunctionId& function, int64_t claim) override;

 private:
  // Prepared once, as preparing costs more than running them.
  struct Statements {
    Statement load, last_claim, remember_claim, has_row, insert, update, remove;
  };

  SqliteJournal(UniqueFd file, std::unique_ptr<Database> database, Statements statements, bool complete,
                Clock& clock);
  // `file` is locked, and is taken if it succeeds.
  static absl::StatusOr<std::unique_ptr<SqliteJournal>> OpenLocked(UniqueFd& file, const std::string& path,
                                                                   Clock& clock);
  // Rows of a journal before this one, as they are.
  absl::Status Adopt(const std::vector<ClaimRow>& rows);

  // Holds the lock on the file for as long as the journal is open. Before the database, because closing any
  // descriptor of a file drops the locks that SQLite has on it.
  const UniqueFd file_;
  mutable absl::Mutex mu_;
  std::unique_ptr<Database> database_ ABSL_GUARDED_BY(mu_);
  Statements statements_ ABSL_GUARDED_BY(mu_);
  bool complete_ ABSL_GUARDED_BY(mu_);
  Clock& clock_;
};

}  // namespace xpu
