#pragma once

#include <memory>
#include <string>

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
  // same functions; DataLoss if a row cannot be read.
  static absl::StatusOr<std::unique_ptr<SqliteJournal>> Open(const std::string& path,
                                                             Clock& clock = Clock::Real());

  absl::StatusOr<std::vector<ClaimRow>> Load() override;
  absl::StatusOr<ClaimRow> Begin(const ClaimRow& row) override;
  absl::Status Write(const ClaimRow& row) override;
  absl::Status End(const FunctionId& function, int64_t claim) override;

 private:
  // Prepared once, as preparing costs more than running them.
  struct Statements {
    Statement load, last_claim, remember_claim, has_row, insert, update, remove;
  };

  SqliteJournal(UniqueFd file, std::unique_ptr<Database> database, Statements statements, Clock& clock);

  // Holds the lock on the file for as long as the journal is open. Before the database, because closing any
  // descriptor of a file drops the locks that SQLite has on it.
  const UniqueFd file_;
  absl::Mutex mu_;
  std::unique_ptr<Database> database_ ABSL_GUARDED_BY(mu_);
  Statements statements_ ABSL_GUARDED_BY(mu_);
  Clock& clock_;
};

}  // namespace xpu
