#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/sqlite/database.h"

struct sqlite3_backup;

namespace xpu {

// A copy of a database that is made in steps while the database is in use: what is committed between the
// steps is in the copy, too, so that it is the database as it was at the last step. Destroyed before it is
// published, it leaves nothing.
class DatabaseCopy {
 public:
  // Into a new file at `path`, beside which it is made. `from` must outlive the steps, and the copy if it is
  // not whole.
  static absl::StatusOr<std::unique_ptr<DatabaseCopy>> Start(Database& from, const std::string& path);
  ~DatabaseCopy();
  DatabaseCopy(const DatabaseCopy&) = delete;
  DatabaseCopy& operator=(const DatabaseCopy&) = delete;

  // Copies so many pages, all for -1; waits for the database's mutex, and is not for within a transaction of
  // it. True when the copy is whole; then there are no more steps. After an error there are none, either.
  absl::StatusOr<bool> Step(int pages);
  // After the last step: brings the copy to the disk and gives it its name, with mode 0600. Takes as long as
  // the disk does, and may be called on another thread.
  absl::Status Publish();

 private:
  DatabaseCopy(Database& from, std::string path)
      : from_(from), path_(std::move(path)), unfinished_(path_ + ".part") {}
  // What belongs to the copy is let go of.
  void Close();

  Database& from_;
  const std::string path_;
  const std::string unfinished_;
  std::unique_ptr<Database> target_;
  sqlite3_backup* backup_ = nullptr;
  bool published_ = false;
};

// What SQLite says of an error of a call on `db`, under the code that a caller can act on (Database).
absl::Status SqliteError(sqlite3* db, int code, absl::string_view what);

}  // namespace xpu
