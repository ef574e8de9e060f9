#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "common/base/unique_fd.h"

struct sqlite3;
struct sqlite3_stmt;

namespace xpu {

// One prepared statement; bind, step, read, in that order. Must not outlive its Database. Parameters count
// from 1, columns from 0.
class Statement {
 public:
  ~Statement();
  Statement(Statement&&) noexcept;
  Statement& operator=(Statement&&) = delete;

  Statement& Bind(int parameter, int64_t value);
  Statement& Bind(int parameter, absl::string_view text);
  Statement& BindBlob(int parameter, absl::string_view bytes);
  Statement& BindNull(int parameter);

  // True: a row can be read. False: done.
  absl::StatusOr<bool> Step();
  // For statements without rows.
  absl::Status Run();
  // Makes it ready to be bound and run again.
  void Reset();

  int64_t Int(int column) const;
  std::string Text(int column) const;
  std::string Blob(int column) const;
  bool IsNull(int column) const;

 private:
  friend class Database;
  Statement(sqlite3* db, sqlite3_stmt* statement) : db_(db), statement_(statement) {}
  sqlite3* db_;
  sqlite3_stmt* statement_;
};

// A SQLite database in WAL mode. Not thread-safe: the owner serialises. Errors: ResourceExhausted (disk
// full), DataLoss (the file is damaged or no database), AlreadyExists (a constraint), FailedPrecondition
// (another process holds it), Unavailable (the disk failed), Internal; each with the file's name and SQLite's
// words.
class Database {
 public:
  // A commit survives a kill -9 of the process.
  struct Options {
    // No other connection can use the file as long as this one does; costs less, and needs no memory that is
    // shared.
    bool exclusive = false;
    // What was committed survives a loss of power, too, once Sync() has been called after it.
    bool can_sync = false;
  };

  // Opens or makes the file (":memory:" for none) and brings its schema up to date: migration i takes it from
  // user_version i to i + 1, in a transaction of its own. A file from a newer program is FailedPrecondition,
  // and stays as it is.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& path,
                                                        const std::vector<std::string>& migrations,
                                                        const Options& options);
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& path,
                                                        const std::vector<std::string>& migrations);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // A mistake in `sql` is Internal.
  absl::StatusOr<Statement> Prepare(absl::string_view sql);
  // One or more statements without parameters or rows.
  absl::Status Execute(const std::string& sql);
  // Runs `work` in a transaction that is committed if it returns OK and rolled back otherwise.
  absl::Status Transaction(const std::function<absl::Status()>& work);
  // The same in two halves. An error of anything between them may end the transaction: in_transaction().
  absl::Status Begin();
  absl::Status Commit();
  void Rollback();
  bool in_transaction() const;
  // With `can_sync`: what was committed before survives a loss of power after this. From any thread, also
  // while the owner uses the database, and as long as that lives. After an error nobody knows what the disk
  // has, and asking again does not help: the file must be opened anew before anything else is promised.
  absl::Status Sync() const;
  // All of it into a new file at `path`, which is whole and on the disk when it
  // is there, also while this database is in use. Not in a transaction.
  absl::Status CopyTo(const std::string& path);
  // What `other` holds instead of what is here, in one step: after a crash it
  // is one or the other. Statements that were prepared go on to work if the
  // tables are the same. Not in a transaction.
  absl::Status CopyFrom(Database& other);
  // DataLoss if the file contradicts itself; reads all of it.
  absl::Status CheckIntegrity();
  // Rows that the last INSERT, UPDATE or DELETE changed.
  int64_t Changes() const;
  // For an owner with several threads, which holds it during each transaction and each statement outside of
  // one. A DatabaseCopy takes it for each step.
  absl::Mutex& mutex() { return mutex_; }

 private:
  friend class DatabaseCopy;
  Database(sqlite3* db, std::string path) : db_(db), path_(std::move(path)) {}
  // Runs `sql`, which is prepared once and kept in `*kept`.
  absl::Status RunKept(absl::string_view sql, std::optional<Statement>* kept);

  sqlite3* db_;
  std::string path_;
  absl::Mutex mutex_;
  // Of the write-ahead log, with `can_sync`.
  UniqueFd log_;
  std::optional<Statement> begin_, commit_;
};

}  // namespace xpu
