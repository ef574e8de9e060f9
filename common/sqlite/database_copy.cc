#include "common/sqlite/database_copy.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/base/unique_fd.h"

namespace xpu {
namespace {

absl::Status Sync(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() >= 0 && fsync(fd.get()) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path));
}

}  // namespace

absl::StatusOr<std::unique_ptr<DatabaseCopy>> DatabaseCopy::Start(Database& from, const std::string& path) {
  std::unique_ptr<DatabaseCopy> copy(new DatabaseCopy(from, path));
  unlink(copy->unfinished_.c_str());
  // It may hold secrets: nobody else may open it, from the beginning.
  const UniqueFd made(open(copy->unfinished_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (made.get() < 0) {
    return absl::FailedPreconditionError(absl::StrCat("cannot open ", copy->unfinished_, ": ",
                                                      std::strerror(errno),
                                                      "; check that the folder is there and writable"));
  }
  sqlite3* raw = nullptr;
  const int code =
      sqlite3_open_v2(copy->unfinished_.c_str(), &raw,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  copy->target_.reset(new Database(raw, copy->unfinished_));
  if (code != SQLITE_OK) return SqliteError(raw, code, absl::StrCat("cannot open ", copy->unfinished_));
  // Publish() brings it to the disk, and what is not published is thrown away.
  XPU_RETURN_IF_ERROR(copy->target_->Execute("PRAGMA synchronous=OFF; PRAGMA journal_mode=OFF"));
  absl::MutexLock lock(&from.mutex());
  copy->backup_ = sqlite3_backup_init(raw, "main", from.db_, "main");
  if (copy->backup_ == nullptr) return SqliteError(raw, sqlite3_errcode(raw), "cannot copy the database");
  return copy;
}

DatabaseCopy::~DatabaseCopy() {
  Close();
  if (!published_) unlink(unfinished_.c_str());
}

void DatabaseCopy::Close() {
  if (backup_ != nullptr) {
    absl::MutexLock lock(&from_.mutex());
    sqlite3_backup_finish(std::exchange(backup_, nullptr));
  }
  target_.reset();
}

absl::StatusOr<bool> DatabaseCopy::Step(int pages) {
  if (backup_ == nullptr) return absl::FailedPreconditionError("the copy has ended");
  const int code = [&] {
    absl::MutexLock lock(&from_.mutex());
    return sqlite3_backup_step(backup_, pages);
  }();
  if (code == SQLITE_OK) return false;
  absl::Status failed;
  if (code != SQLITE_DONE) failed = SqliteError(target_->db_, code, "cannot copy the database");
  Close();
  if (failed.ok()) return true;
  return failed;
}

absl::Status DatabaseCopy::Publish() {
  XPU_RETURN_IF_ERROR(Sync(unfinished_));
  if (rename(unfinished_.c_str(), path_.c_str()) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path_));
  }
  published_ = true;
  // The name itself, too.
  const std::string folder = std::filesystem::path(path_).parent_path();
  return Sync(folder.empty() ? "." : folder);
}

}  // namespace xpu
