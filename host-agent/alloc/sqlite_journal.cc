#include "host-agent/alloc/sqlite_journal.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"

namespace xpu {
namespace {

// Migration i brings the file from version i to i + 1. Those that were released are never changed.
const char kSchema[] = R"sql(
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

// In the order of the parameters of insert and update, and of the columns of load.
const char kColumns[] =
    "function, claim, state, card, port, host_ifname, host_mac, host_mtu, mac, known_by_alias, container_id, "
    "ifname, netns, pod_namespace, pod_name, cni_network, network_namespace, network, confirmed, addresses, "
    "gateways, mtu, host_pending, dpu_pending";

int StateNumber(ClaimState state) {
  switch (state) {
    case ClaimState::kClaimed:
      return 1;
    case ClaimState::kAttached:
      return 2;
    case ClaimState::kUndoing:
      return 3;
  }
  return 0;
}

absl::StatusOr<ClaimState> StateFromNumber(int64_t number) {
  for (ClaimState state : {ClaimState::kClaimed, ClaimState::kAttached, ClaimState::kUndoing}) {
    if (StateNumber(state) == number) return state;
  }
  return absl::InvalidArgumentError(absl::StrCat(number, " is no state"));
}

void BindRow(Statement& statement, const ClaimRow& row) {
  const Attachment attachment = row.attachment.value_or(Attachment());
  const auto to_string = [](std::string* out, const auto& value) { out->append(value.ToString()); };
  statement.Bind(1, row.function.ToString());
  statement.Bind(2, row.claim);
  statement.Bind(3, static_cast<int64_t>(StateNumber(row.state)));
  statement.Bind(4, row.card);
  statement.Bind(5, row.port);
  statement.Bind(6, row.host_ifname);
  statement.Bind(7, row.host_mac.ToString());
  statement.Bind(8, static_cast<int64_t>(row.host_mtu));
  statement.Bind(9, row.mac.ToString());
  statement.Bind(10, static_cast<int64_t>(row.known_by_alias));
  if (row.attachment) {
    statement.Bind(11, attachment.container_id);
  } else {
    statement.BindNull(11);
  }
  statement.Bind(12, attachment.ifname);
  statement.Bind(13, attachment.netns);
  statement.Bind(14, attachment.pod_namespace);
  statement.Bind(15, attachment.pod_name);
  statement.Bind(16, attachment.cni_network);
  statement.Bind(17, attachment.network_namespace);
  statement.Bind(18, attachment.network);
  statement.Bind(19, static_cast<int64_t>(row.confirmed));
  statement.Bind(20, absl::StrJoin(row.addresses, " ", to_string));
  statement.Bind(21, absl::StrJoin(row.gateways, " ", to_string));
  statement.Bind(22, static_cast<int64_t>(row.mtu));
  statement.Bind(23, static_cast<int64_t>(row.host_pending));
  statement.Bind(24, static_cast<int64_t>(row.dpu_pending));
}

absl::StatusOr<ClaimRow> ReadRow(const Statement& statement) {
  ClaimRow row;
  XPU_ASSIGN_OR_RETURN(row.function, FunctionId::Parse(statement.Text(0)));
  row.claim = statement.Int(1);
  XPU_ASSIGN_OR_RETURN(row.state, StateFromNumber(statement.Int(2)));
  row.card = statement.Text(3);
  row.port = statement.Text(4);
  row.host_ifname = statement.Text(5);
  XPU_ASSIGN_OR_RETURN(row.host_mac, MacAddress::Parse(statement.Text(6)));
  row.host_mtu = static_cast<uint32_t>(statement.Int(7));
  XPU_ASSIGN_OR_RETURN(row.mac, MacAddress::Parse(statement.Text(8)));
  row.known_by_alias = statement.Int(9) != 0;
  if (!statement.IsNull(10)) {
    row.attachment = Attachment{.container_id = statement.Text(10),
                                .ifname = statement.Text(11),
                                .netns = statement.Text(12),
                                .pod_namespace = statement.Text(13),
                                .pod_name = statement.Text(14),
                                .cni_network = statement.Text(15),
                                .network_namespace = statement.Text(16),
                                .network = statement.Text(17)};
  }
  row.confirmed = statement.Int(18) != 0;
  for (absl::string_view text : absl::StrSplit(statement.Text(19), ' ', absl::SkipEmpty())) {
    XPU_ASSIGN_OR_RETURN(row.addresses.emplace_back(), InterfaceAddress::Parse(text));
  }
  for (absl::string_view text : absl::StrSplit(statement.Text(20), ' ', absl::SkipEmpty())) {
    XPU_ASSIGN_OR_RETURN(row.gateways.emplace_back(), IpAddress::Parse(text));
  }
  row.mtu = static_cast<uint32_t>(statement.Int(21));
  row.host_pending = statement.Int(22) != 0;
  row.dpu_pending = statement.Int(23) != 0;
  return row;
}

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

// "?1, ?2, … ?24" of as many columns as there are.
std::string Parameters() {
  std::vector<std::string> parameters;
  for (size_t i = 1; i <= std::vector<std::string>(absl::StrSplit(kColumns, ", ")).size(); ++i) {
    parameters.push_back(absl::StrCat("?", i));
  }
  return absl::StrJoin(parameters, ", ");
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteJournal>> SqliteJournal::Open(const std::string& path, Clock& clock) {
  XPU_ASSIGN_OR_RETURN(UniqueFd file, LockFile(path));
  XPU_ASSIGN_OR_RETURN(std::unique_ptr<Database> database, Database::Open(path, {kSchema}));
  XPU_ASSIGN_OR_RETURN(Statement load, database->Prepare(absl::StrCat("SELECT ", kColumns, " FROM claims")));
  XPU_ASSIGN_OR_RETURN(Statement last_claim,
                       database->Prepare("SELECT claim FROM last_claims WHERE function = ?1"));
  XPU_ASSIGN_OR_RETURN(Statement remember_claim,
                       database->Prepare("INSERT INTO last_claims (function, claim) VALUES (?1, ?2) "
                                         "ON CONFLICT (function) DO UPDATE SET claim = excluded.claim"));
  XPU_ASSIGN_OR_RETURN(Statement has_row, database->Prepare("SELECT 1 FROM claims WHERE function = ?1"));
  XPU_ASSIGN_OR_RETURN(Statement insert, database->Prepare(absl::StrCat("INSERT INTO claims (", kColumns,
                                                                        ") VALUES (", Parameters(), ")")));
  XPU_ASSIGN_OR_RETURN(Statement update,
                       database->Prepare(absl::StrCat("UPDATE claims SET (", kColumns, ") = (", Parameters(),
                                                      ") WHERE function = ?1 AND claim = ?2")));
  XPU_ASSIGN_OR_RETURN(Statement remove,
                       database->Prepare("DELETE FROM claims WHERE function = ?1 AND claim = ?2"));
  auto journal = std::unique_ptr<SqliteJournal>(new SqliteJournal(
      std::move(file), std::move(database),
      Statements{std::move(load), std::move(last_claim), std::move(remember_claim), std::move(has_row),
                 std::move(insert), std::move(update), std::move(remove)},
      clock));
  XPU_RETURN_IF_ERROR(journal->Load().status());
  return journal;
}

SqliteJournal::SqliteJournal(UniqueFd file, std::unique_ptr<Database> database, Statements statements,
                             Clock& clock)
    : file_(std::move(file)),
      database_(std::move(database)),
      statements_(std::move(statements)),
      clock_(clock) {}

absl::StatusOr<std::vector<ClaimRow>> SqliteJournal::Load() {
  absl::MutexLock lock(&mu_);
  Statement& load = statements_.load;
  const ResetAfter reset(load);
  std::vector<ClaimRow> rows;
  while (true) {
    XPU_ASSIGN_OR_RETURN(const bool more, load.Step());
    if (!more) break;
    absl::StatusOr<ClaimRow> row = ReadRow(load);
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
    row.claim = std::max<int64_t>(last + 1, absl::ToUnixMillis(clock_.Now()));

    const ResetAfter reset_remember(statements_.remember_claim);
    const ResetAfter reset_insert(statements_.insert);
    XPU_RETURN_IF_ERROR(statements_.remember_claim.Bind(1, function).Bind(2, row.claim).Run());
    BindRow(statements_.insert, row);
    return statements_.insert.Run();
  }));
  return row;
}

absl::Status SqliteJournal::Write(const ClaimRow& row) {
  absl::MutexLock lock(&mu_);
  Statement& update = statements_.update;
  const ResetAfter reset(update);
  BindRow(update, row);
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
