#include "common/sqlite/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/sqlite/database_copy.h"

namespace xpu {
namespace {

// What holds for the process, before the first database is opened: a page is given memory when it is read. By
// itself SQLite makes room for 20 of them in every database, and for as many of temporary tables.
void ConfigureOnce() {
  static const int configured = sqlite3_config(SQLITE_CONFIG_PAGECACHE, nullptr, 0, 0);
  // Somebody else may have opened one already; then it is as it was.
  static_cast<void>(configured);
}

}  // namespace

// What sqlite3_errmsg says, under the code a caller can act on.
absl::Status SqliteError(sqlite3* db, int code, absl::string_view what) {
  const char* path = db == nullptr ? nullptr : sqlite3_db_filename(db, "main");
  const std::string message =
      absl::StrCat(path == nullptr || *path == '\0' ? "" : absl::StrCat(path, ": "), what, ": ",
                   db == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(db));
  switch (code & 0xff) {
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(absl::StrCat(message, "; free some space on that disk"));
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(absl::StrCat(message, "; move the file away or restore it from a backup"));
    case SQLITE_IOERR:
      return absl::UnavailableError(absl::StrCat(message, "; see what the kernel's log says of that disk"));
    case SQLITE_CONSTRAINT:
      return absl::AlreadyExistsError(message);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::FailedPreconditionError(absl::StrCat(message, "; another process holds it"));
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
      return absl::FailedPreconditionError(
          absl::StrCat(message, "; check that the folder is there and writable"));
    default:
      return absl::InternalError(message);
  }
}

Statement::~Statement() { sqlite3_finalize(statement_); }

Statement::Statement(Statement&& other) noexcept
    : db_(other.db_), statement_(std::exchange(other.statement_, nullptr)) {}

Statement& Statement::Bind(int parameter, int64_t value) {
  sqlite3_bind_int64(statement_, parameter, value);
  return *this;
}

Statement& Statement::Bind(int parameter, absl::string_view text) {
  sqlite3_bind_text64(statement_, parameter, text.empty() ? "" : text.data(), text.size(), SQLITE_TRANSIENT,
                      SQLITE_UTF8);
  return *this;
}

Statement& Statement::BindBlob(int parameter, absl::string_view bytes) {
  sqlite3_bind_blob64(statement_, parameter, bytes.empty() ? "" : bytes.data(), bytes.size(),
                      SQLITE_TRANSIENT);
  return *this;
}

Statement& Statement::BindNull(int parameter) {
  sqlite3_bind_null(statement_, parameter);
  return *this;
}

absl::StatusOr<bool> Statement::Step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return SqliteError(db_, code, sqlite3_sql(statement_));
}

absl::Status Statement::Run() {
  absl::Status status = Step().status();
  // Ends the implicit transaction, so that a statement kept for later holds no lock.
  Reset();
  return status;
}

void Statement::Reset() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

int64_t Statement::Int(int column) const { return sqlite3_column_int64(statement_, column); }

std::string Statement::Text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  return text == nullptr ? std::string() : std::string(text, sqlite3_column_bytes(statement_, column));
}

std::string Statement::Blob(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  return bytes == nullptr ? std::string() : std::string(bytes, sqlite3_column_bytes(statement_, column));
}

bool Statement::IsNull(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const std::string& path,
                                                         const std::vector<std::string>& migrations) {
  return Open(path, migrations, Options());
}

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const std::string& path,
                                                         const std::vector<std::string>& migrations,
                                                         const Options& options) {
  ConfigureOnce();
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(
      path.c_str(), &raw,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  // Owned at once: SQLite hands out a connection even when it could not open the file.
  std::unique_ptr<Database> db(new Database(raw, path));
  if (code != SQLITE_OK) return SqliteError(raw, code, absl::StrCat("cannot open ", path));

  // Before the log is looked at: then it needs no shared memory.
  if (options.exclusive) XPU_RETURN_IF_ERROR(db->Execute("PRAGMA locking_mode=EXCLUSIVE"));
  int64_t version = 0;
  {
    XPU_ASSIGN_OR_RETURN(Statement read, db->Prepare("PRAGMA user_version"));
    XPU_ASSIGN_OR_RETURN(const bool row, read.Step());
    if (row) version = read.Int(0);
  }
  if (version > static_cast<int64_t>(migrations.size())) {
    return absl::FailedPreconditionError(absl::StrCat(path, " was written by a newer version (schema ",
                                                      version, ", this program knows ", migrations.size(),
                                                      "); run that version or move the file away"));
  }
  // Only now, as WAL changes the file.
  XPU_RETURN_IF_ERROR(
      db->Execute("PRAGMA journal_mode=WAL; PRAGMA foreign_keys=ON; PRAGMA synchronous=NORMAL"));
  for (; version < static_cast<int64_t>(migrations.size()); ++version) {
    XPU_RETURN_IF_ERROR(db->Transaction([&]() -> absl::Status {
      XPU_RETURN_IF_ERROR(db->Execute(migrations[version]));
      return db->Execute(absl::StrCat("PRAGMA user_version=", version + 1));
    }));
  }
  if (options.can_sync && path != ":memory:") {
    // What a process before this one has left in the log goes into the database, which is synced: what that
    // one was refused by the disk may stand in the page cache alone.
    XPU_RETURN_IF_ERROR(db->Execute("PRAGMA wal_checkpoint(TRUNCATE)"));
    // SQLite has no locks on this file, which closing it would give up, and keeps it as long as it runs.
    const std::string log = absl::StrCat(path, "-wal");
    db->log_ = UniqueFd(open(log.c_str(), O_RDWR | O_CLOEXEC));
    if (db->log_.get() < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", log));
  }
  return db;
}

Database::~Database() {
  for (std::optional<Statement>* kept : {&begin_, &commit_}) kept->reset();
  sqlite3_close_v2(db_);
}

absl::Status Database::RunKept(absl::string_view sql, std::optional<Statement>* kept) {
  if (!kept->has_value()) {
    XPU_ASSIGN_OR_RETURN(Statement prepared, Prepare(sql));
    kept->emplace(std::move(prepared));
  }
  return (*kept)->Run();
}

absl::StatusOr<Statement> Database::Prepare(absl::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return SqliteError(db_, code, sql);
  return Statement(db_, statement);
}

absl::Status Database::Execute(const std::string& sql) {
  const int code = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : SqliteError(db_, code, sql);
}

absl::Status Database::Transaction(const std::function<absl::Status()>& work) {
  XPU_RETURN_IF_ERROR(Begin());
  absl::Status status = work();
  if (status.ok()) return Commit();
  Rollback();
  return status;
}

// IMMEDIATE: a second writer is refused here, not in the middle.
absl::Status Database::Begin() { return RunKept("BEGIN IMMEDIATE", &begin_); }

absl::Status Database::Commit() {
  absl::Status status = RunKept("COMMIT", &commit_);
  if (!status.ok()) Rollback();
  return status;
}

void Database::Rollback() {
  // After a full disk SQLite may have rolled back by itself; then this has nothing to do.
  if (in_transaction()) Execute("ROLLBACK").IgnoreError();
}

// Where commits do not sync, SQLite syncs the log's header when the log begins anew, and the log before its
// pages are brought into the database (https://www.sqlite.org/pragma.html#pragma_synchronous, NORMAL). So of
// a commit nothing but the log's frames is left to be synced.
absl::Status Database::Sync() const {
  if (log_.get() < 0 || fdatasync(log_.get()) == 0) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat(path_, ": ", std::strerror(errno),
                   " while the disk was waited for; see what the kernel's log says of that disk"));
}

bool Database::in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }

absl::Status Database::CopyTo(const std::string& path) {
  XPU_ASSIGN_OR_RETURN(const std::unique_ptr<DatabaseCopy> copy, DatabaseCopy::Start(*this, path));
  XPU_RETURN_IF_ERROR(copy->Step(/*pages=*/-1).status());
  return copy->Publish();
}

absl::Status Database::CopyFrom(Database& other) {
  sqlite3_backup* backup = sqlite3_backup_init(db_, "main", other.db_, "main");
  if (backup == nullptr) return SqliteError(db_, sqlite3_errcode(db_), "cannot copy the database");
  const int code = sqlite3_backup_step(backup, -1);
  sqlite3_backup_finish(backup);
  return code == SQLITE_DONE ? absl::OkStatus() : SqliteError(db_, code, "cannot copy the database");
}

absl::Status Database::CheckIntegrity() {
  XPU_ASSIGN_OR_RETURN(Statement check, Prepare("PRAGMA integrity_check(1)"));
  XPU_ASSIGN_OR_RETURN(const bool row, check.Step());
  const std::string found = row ? check.Text(0) : "nothing";
  if (found == "ok") return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(path_, " is damaged: ", found));
}

int64_t Database::Changes() const { return sqlite3_changes64(db_); }

}  // namespace xpu
