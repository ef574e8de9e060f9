#include "host-agent/alloc/sqlite_journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/base/status_macros.h"
#include "host-agent/alloc/allocator.h"
#include "host-agent/alloc/claim_columns.h"

namespace xpu {
namespace {

// Migrations: the first brings an empty file to version 1, the next from there to version 2. Those that were
// released are never changed.
const char kSchemaV1[] = R"sql(
CREATE TABLE claims (
  function          TEXT PRIMARY KEY,
  claim             INTEGER NOT NULL,
  state             INTEGER NOT NULL,
  card              TEXT NOT NULL,
  port              TEXT NOT NULL,
  host_ifname       TEXT NOT NULL,
  host_mac          TEXT NOT NULL,
  host_mtu          INTEGER NOT NULL,
  mac               TEXT NOT NULL,
  known_by_alias    INTEGER NOT NULL,
  container_id      TEXT,              -- NULL: no attachment
  ifname            TEXT NOT NULL,
  netns             TEXT NOT NULL,
  pod_namespace     TEXT NOT NULL,
  pod_name          TEXT NOT NULL,
  cni_network       TEXT NOT NULL,
  network_namespace TEXT NOT NULL,
  network           TEXT NOT NULL,
  confirmed         INTEGER NOT NULL,
  addresses         TEXT NOT NULL,     -- separated by blanks
  gateways          TEXT NOT NULL,
  mtu               INTEGER NOT NULL,
  host_pending      INTEGER NOT NULL,
  dpu_pending       INTEGER NOT NULL
) STRICT;
CREATE TABLE last_claims (
  function TEXT PRIMARY KEY,
  claim    INTEGER NOT NULL
) STRICT;
)sql";

// Functions without an interface, settings of the physical function, IPAM plugins, networks of a VLAN, CNI
// results; a checksum, as SQLite would not notice a flipped bit in a text. NULL in before_*: was not changed.
const char kSchemaV2[] = R"sql(
ALTER TABLE claims ADD COLUMN vfio               INTEGER NOT NULL DEFAULT 0;
ALTER TABLE claims ADD COLUMN before_mac         TEXT;
ALTER TABLE claims ADD COLUMN before_vlan        INTEGER;
ALTER TABLE claims ADD COLUMN before_vlan_qos    INTEGER;
ALTER TABLE claims ADD COLUMN before_vlan_proto  INTEGER;
ALTER TABLE claims ADD COLUMN before_spoof_check INTEGER;
ALTER TABLE claims ADD COLUMN before_trust       INTEGER;
ALTER TABLE claims ADD COLUMN before_link_state  INTEGER;
ALTER TABLE claims ADD COLUMN before_min_tx_rate INTEGER;
ALTER TABLE claims ADD COLUMN before_max_tx_rate INTEGER;
ALTER TABLE claims ADD COLUMN vlan               INTEGER;             -- NULL: a Network
ALTER TABLE claims ADD COLUMN ipam_type          TEXT;                -- NULL: no plugin
ALTER TABLE claims ADD COLUMN ipam_path          TEXT;
ALTER TABLE claims ADD COLUMN ipam_args          TEXT;
ALTER TABLE claims ADD COLUMN ipam_config        TEXT;
ALTER TABLE claims ADD COLUMN ipam_pending       INTEGER NOT NULL DEFAULT 0;
ALTER TABLE claims ADD COLUMN result             TEXT NOT NULL DEFAULT '';
ALTER TABLE claims ADD COLUMN checksum           INTEGER;             -- NULL: version 1 wrote it
-- Without a row, pods may hold more than the claims say, from before there was this file.
CREATE TABLE complete (
  since INTEGER NOT NULL               -- milliseconds since 1970
) STRICT;
INSERT INTO complete SELECT max(claim) FROM last_claims HAVING count(*) > 0;
)sql";

// What pods ask for; NULL: nothing.
const char kSchemaV3[] = R"sql(
ALTER TABLE claims ADD COLUMN pod_ingress_rate   INTEGER;
ALTER TABLE claims ADD COLUMN pod_ingress_burst  INTEGER;
ALTER TABLE claims ADD COLUMN pod_egress_rate    INTEGER;
ALTER TABLE claims ADD COLUMN pod_egress_burst   INTEGER;
)sql";

// A lock of another kind than those that SQLite itself uses, so that others can still read the file.
absl::StatusOr<UniqueFd> LockFile(const std::string& path) {
  UniqueFd file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file) {
    return absl::ErrnoToStatus(
        errno,
        absl::StrCat("journal ", path, " cannot be opened; check that its folder is there and writable"));
  }
  if (flock(file.get(), LOCK_EX | LOCK_NB) == 0) return file;
  if (errno == EWOULDBLOCK) {
    return absl::FailedPreconditionError(
        absl::StrCat("another host agent uses the journal ", path, "; stop that one first"));
  }
  return absl::ErrnoToStatus(errno, absl::StrCat("journal ", path, " cannot be locked"));
}

// Our own words are right, so what SQLite cannot make sense of is a file that is not what its version says.
absl::Status AsDamage(const absl::Status& status, const std::string& path) {
  if (!absl::IsInternal(status)) return status;
  return absl::DataLossError(
      absl::StrCat(path, " does not have the tables that it should: ", status.message()));
}

absl::StatusOr<std::unique_ptr<Database>> OpenDatabase(const std::string& path) {
  absl::StatusOr<std::unique_ptr<Database>> database =
      Database::Open(path, {kSchemaV1, kSchemaV2, kSchemaV3});
  if (!database.ok()) return AsDamage(database.status(), path);
  // Views and triggers could be there only by somebody's hand, and do anything.
  XPU_ASSIGN_OR_RETURN(
      Statement others,
      (*database)->Prepare("SELECT name FROM sqlite_schema WHERE type NOT IN ('table', 'index')"));
  XPU_ASSIGN_OR_RETURN(const bool any, others.Step());
  if (any) return absl::DataLossError(absl::StrCat(path, " has what no journal has: ", others.Text(0)));
  return database;
}

// 0 also if there is no such file.
int64_t SizeOf(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 ? info.st_size : 0;
}

// What can be read of a damaged journal and makes sense, each function and attachment once.
std::vector<ClaimRow> Salvage(const std::string& path) {
  // SQLite would make it a new one.
  if (SizeOf(path) == 0) return {};
  const absl::StatusOr<std::unique_ptr<Database>> database = OpenDatabase(path);
  if (!database.ok()) return {};
  absl::StatusOr<Statement> load =
      (*database)->Prepare(absl::StrCat("SELECT ", ClaimColumns(), " FROM claims"));
  if (!load.ok()) return {};
  std::vector<ClaimRow> rows;
  while (true) {
    const absl::StatusOr<bool> more = load->Step();
    if (!more.ok() || !*more) return rows;
    absl::StatusOr<ClaimRow> row = ReadClaim(*load);
    if (!row.ok()) continue;
    rows.push_back(*std::move(row));
    if (!CheckRows(rows).ok()) rows.pop_back();
  }
}

// Gives the file and SQLite's files beside it a new name, which is returned.
absl::StatusOr<std::string> MoveAside(const std::string& path, Clock& clock) {
  const std::string stem =
      absl::StrCat(path, ".damaged-", absl::FormatTime("%Y%m%dT%H%M%SZ", clock.Now(), absl::UTCTimeZone()));
  std::string name = stem;
  for (int i = 2; access(name.c_str(), F_OK) == 0; ++i) name = absl::StrCat(stem, "-", i);
  for (const char* suffix : {"-wal", "-shm", "-journal", ""}) {
    const std::string from = absl::StrCat(path, suffix), to = absl::StrCat(name, suffix);
    if (rename(from.c_str(), to.c_str()) == 0 || errno == ENOENT) continue;
    return absl::ErrnoToStatus(errno, absl::StrCat("the damaged journal ", from, " cannot be moved to ", to));
  }
  return name;
}

// Makes a statement ready for its next use, whatever has become of this one.
class ResetAfter {
 public:
  explicit ResetAfter(Statement& statement) : statement_(statement) {}
  ~ResetAfter() { statement_.Reset(); }
  ResetAfter(const ResetAfter&) = delete;
  ResetAfter& operator=(const ResetAfter&) = delete;

 private:
  Statement& statement_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteJournal>> SqliteJournal::Open(const std::string& path, Clock& clock) {
  XPU_ASSIGN_OR_RETURN(UniqueFd file, LockFile(path));
  return OpenLocked(file, path, clock);
}

absl::StatusOr<std::unique_ptr<SqliteJournal>> SqliteJournal::OpenLocked(UniqueFd& file,
                                                                         const std::string& path,
                                                                         Clock& clock) {
  // SQLite would take it for a new file, and delete what is in the log.
  if (SizeOf(path) == 0 && SizeOf(path + "-wal") > 0) {
    return absl::DataLossError(absl::StrCat(path, " is empty, but its write-ahead log is not"));
  }
  XPU_ASSIGN_OR_RETURN(std::unique_ptr<Database> database, OpenDatabase(path));
  XPU_RETURN_IF_ERROR(database->CheckIntegrity());
  const auto prepare = [&database, &path](const std::string& sql) -> absl::StatusOr<Statement> {
    absl::StatusOr<Statement> statement = database->Prepare(sql);
    if (statement.ok()) return statement;
    return AsDamage(statement.status(), path);
  };
  XPU_ASSIGN_OR_RETURN(Statement load, prepare(absl::StrCat("SELECT ", ClaimColumns(), " FROM claims")));
  XPU_ASSIGN_OR_RETURN(Statement last_claim, prepare("SELECT claim FROM last_claims WHERE function = ?1"));
  XPU_ASSIGN_OR_RETURN(Statement remember_claim,
                       prepare("INSERT INTO last_claims (function, claim) VALUES (?1, ?2) "
                               "ON CONFLICT (function) DO UPDATE SET claim = excluded.claim"));
  XPU_ASSIGN_OR_RETURN(Statement has_row, prepare("SELECT 1 FROM claims WHERE function = ?1"));
  XPU_ASSIGN_OR_RETURN(Statement insert, prepare(absl::StrCat("INSERT INTO claims (", ClaimColumns(),
                                                              ") VALUES (", ClaimParameters(), ")")));
  XPU_ASSIGN_OR_RETURN(Statement update,
                       prepare(absl::StrCat("UPDATE claims SET (", ClaimColumns(), ") = (", ClaimParameters(),
                                            ") WHERE function = ?1 AND claim = ?2")));
  XPU_ASSIGN_OR_RETURN(Statement remove, prepare("DELETE FROM claims WHERE function = ?1 AND claim = ?2"));
  XPU_ASSIGN_OR_RETURN(Statement complete, prepare("SELECT 1 FROM complete"));
  XPU_ASSIGN_OR_RETURN(const bool is_complete, complete.Step());
  complete.Reset();
  auto journal = std::unique_ptr<SqliteJournal>(new SqliteJournal(
      std::move(file), std::move(database),
      Statements{std::move(load), std::move(last_claim), std::move(remember_claim), std::move(has_row),
                 std::move(insert), std::move(update), std::move(remove)},
      is_complete, clock));
  XPU_ASSIGN_OR_RETURN(const std::vector<ClaimRow> rows, journal->Load());
  XPU_RETURN_IF_ERROR(CheckRows(rows));
  return journal;
}

absl::StatusOr<SqliteJournal::Opened> SqliteJournal::OpenOrReplace(const std::string& path, Clock& clock) {
  XPU_ASSIGN_OR_RETURN(UniqueFd file, LockFile(path));
  Opened opened;
  absl::StatusOr<std::unique_ptr<SqliteJournal>> journal = OpenLocked(file, path, clock);
  if (!absl::IsDataLoss(journal.status())) {
    XPU_RETURN_IF_ERROR(journal.status());
    opened.journal = *std::move(journal);
    return opened;
  }
  opened.lost = Lost{};
  Lost& lost = *opened.lost;
  lost.reason = std::string(journal.status().message());
  const std::vector<ClaimRow> rows = Salvage(path);
  lost.salvaged = static_cast<int>(rows.size());
  // `file` keeps it locked until it is out of the way.
  XPU_ASSIGN_OR_RETURN(lost.moved_to, MoveAside(path, clock));
  XPU_ASSIGN_OR_RETURN(opened.journal, Open(path, clock));
  XPU_RETURN_IF_ERROR(opened.journal->Adopt(rows));
  return opened;
}

absl::Status SqliteJournal::Adopt(const std::vector<ClaimRow>& rows) {
  absl::MutexLock lock(&mu_);
  return database_->Transaction([&]() -> absl::Status {
    mu_.AssertHeld();
    for (const ClaimRow& row : rows) {
      const ResetAfter reset_remember(statements_.remember_claim);
      const ResetAfter reset_insert(statements_.insert);
      XPU_RETURN_IF_ERROR(
          statements_.remember_claim.Bind(1, row.function.ToString()).Bind(2, row.claim).Run());
      BindClaim(statements_.insert, row);
      XPU_RETURN_IF_ERROR(statements_.insert.Run());
    }
    return absl::OkStatus();
  });
}

absl::Status SqliteJournal::SetComplete() {
  absl::MutexLock lock(&mu_);
  if (complete_) return absl::OkStatus();
  XPU_RETURN_IF_ERROR(database_->Execute(
      absl::StrCat("INSERT INTO complete (since) VALUES (", absl::ToUnixMillis(clock_.Now()), ")")));
  complete_ = true;
  return absl::OkStatus();
}

bool SqliteJournal::complete() const {
  absl::MutexLock lock(&mu_);
  return complete_;
}

SqliteJournal::SqliteJournal(UniqueFd file, std::unique_ptr<Database> database, Statements statements,
                             bool complete, Clock& clock)
    : file_(std::move(file)),
      database_(std::move(database)),
      statements_(std::move(statements)),
      complete_(complete),
      clock_(clock) {}

absl::StatusOr<std::vector<ClaimRow>> SqliteJournal::Load() {
  absl::MutexLock lock(&mu_);
  Statement& load = statements_.load;
  const ResetAfter reset(load);
  std::vector<ClaimRow> rows;
  while (true) {
    XPU_ASSIGN_OR_RETURN(const bool more, load.Step());
    if (!more) break;
    absl::StatusOr<ClaimRow> row = ReadClaim(load);
    if (!row.ok()) {
      return absl::DataLossError(absl::StrCat("the journal's row of function \"", load.Text(0),
                                              "\" cannot be read (", row.status().message(),
                                              "); move the journal away and start again"));
    }
    rows.push_back(*std::move(row));
  }
  // The text of an address does not sort as the address does.
  std::sort(rows.begin(), rows.end(),
            [](const ClaimRow& a, const ClaimRow& b) { return a.function < b.function; });
  return rows;
}

absl::StatusOr<ClaimRow> SqliteJournal::Begin(const ClaimRow& wanted) {
  absl::MutexLock lock(&mu_);
  ClaimRow row = wanted;
  const std::string function = row.function.ToString();
  XPU_RETURN_IF_ERROR(database_->Transaction([&]() -> absl::Status {
    mu_.AssertHeld();
    Statement& has_row = statements_.has_row;
    const ResetAfter reset_has_row(has_row);
    XPU_ASSIGN_OR_RETURN(const bool exists, has_row.Bind(1, function).Step());
    if (exists) return absl::AlreadyExistsError(absl::StrCat("function ", function, " is claimed already"));

    Statement& last_claim = statements_.last_claim;
    const ResetAfter reset_last_claim(last_claim);
    XPU_ASSIGN_OR_RETURN(const bool claimed_before, last_claim.Bind(1, function).Step());
    const int64_t last = claimed_before ? last_claim.Int(0) : 0;
    if (last < 0 || last >= kMaxClaim) {
      return absl::DataLossError(
          absl::StrCat("the journal's last claim of function ", function, " cannot have been ", last));
    }
    row.claim = std::max<int64_t>(last + 1, absl::ToUnixMillis(clock_.Now()));

    const ResetAfter reset_remember(statements_.remember_claim);
    const ResetAfter reset_insert(statements_.insert);
    XPU_RETURN_IF_ERROR(statements_.remember_claim.Bind(1, function).Bind(2, row.claim).Run());
    BindClaim(statements_.insert, row);
    return statements_.insert.Run();
  }));
  return row;
}

absl::Status SqliteJournal::Write(const ClaimRow& row) {
  absl::MutexLock lock(&mu_);
  Statement& update = statements_.update;
  const ResetAfter reset(update);
  BindClaim(update, row);
  XPU_RETURN_IF_ERROR(update.Run());
  if (database_->Changes() == 0) {
    return absl::NotFoundError(
        absl::StrCat("the journal has no claim ", row.claim, " of function ", row.function.ToString()));
  }
  return absl::OkStatus();
}

absl::Status SqliteJournal::End(const FunctionId& function, int64_t claim) {
  absl::MutexLock lock(&mu_);
  Statement& remove = statements_.remove;
  const ResetAfter reset(remove);
  return remove.Bind(1, function.ToString()).Bind(2, claim).Run();
}

}  // namespace xpu
