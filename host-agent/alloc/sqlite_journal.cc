#include "host-agent/alloc/sqlite_journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/base/casts.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "common/base/status_macros.h"
#include "host-agent/alloc/allocator.h"

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

// In the order in which BindRow and ReadRow go through them.
const char kColumns[] =
    "function, claim, state, card, port, host_ifname, host_mac, host_mtu, mac, known_by_alias, container_id, "
    "ifname, netns, pod_namespace, pod_name, cni_network, network_namespace, network, confirmed, addresses, "
    "gateways, mtu, host_pending, dpu_pending, vfio, before_mac, before_vlan, before_vlan_qos, "
    "before_vlan_proto, before_spoof_check, before_trust, before_link_state, before_min_tx_rate, "
    "before_max_tx_rate, vlan, ipam_type, ipam_path, ipam_args, ipam_config, ipam_pending, result, checksum";

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

int LinkStateNumber(VfSettings::LinkState state) {
  switch (state) {
    case VfSettings::LinkState::kAuto:
      return 1;
    case VfSettings::LinkState::kEnable:
      return 2;
    case VfSettings::LinkState::kDisable:
      return 3;
  }
  return 0;
}

absl::StatusOr<VfSettings::LinkState> LinkStateFromNumber(int64_t number) {
  using State = VfSettings::LinkState;
  for (State state : {State::kAuto, State::kEnable, State::kDisable}) {
    if (LinkStateNumber(state) == number) return state;
  }
  return absl::InvalidArgumentError(absl::StrCat(number, " is no state of a link"));
}

// FNV-1a, 64 bits, of a row's columns: enough against chance.
class RowChecksum {
 public:
  void AddNull() { AddBytes("n"); }
  void Add(int64_t number) { AddBytes(absl::StrCat("i", number, ";")); }
  void Add(absl::string_view text) {
    AddBytes(absl::StrCat("t", text.size(), ";"));
    AddBytes(text);
  }
  int64_t value() const { return absl::bit_cast<int64_t>(value_); }

 private:
  void AddBytes(absl::string_view bytes) {
    for (const char byte : bytes) value_ = (value_ ^ static_cast<uint8_t>(byte)) * 0x100000001b3;
  }
  uint64_t value_ = 0xcbf29ce484222325;
};

// Binds parameter after parameter.
class RowWriter {
 public:
  explicit RowWriter(Statement& statement) : statement_(statement) {}
  void Put(absl::string_view text) {
    statement_.Bind(++at_, text);
    checksum_.Add(text);
  }
  void Put(int64_t number) {
    statement_.Bind(++at_, number);
    checksum_.Add(number);
  }
  // The last.
  void PutChecksum() { statement_.Bind(++at_, checksum_.value()); }
  // NULL for none.
  template <typename T>
  void PutMaybe(const std::optional<T>& value) {
    if (!value) {
      statement_.BindNull(++at_);
      checksum_.AddNull();
    } else if constexpr (std::is_arithmetic_v<T>) {
      Put(static_cast<int64_t>(*value));
    } else {
      Put(absl::string_view(*value));
    }
  }

 private:
  Statement& statement_;
  int at_ = 0;
  RowChecksum checksum_;
};

// Reads column after column; the first that holds something else than what is asked for is remembered.
class RowReader {
 public:
  explicit RowReader(const Statement& statement) : statement_(statement) {}
  const absl::Status& status() const { return status_; }

  std::string Text() {
    std::string text = statement_.Text(at_++);
    checksum_.Add(text);
    return text;
  }
  bool Bool() { return Number<uint8_t>(1) != 0; }
  // 0 to `max`.
  template <typename T>
  T Number(T max = std::numeric_limits<T>::max()) {
    const int64_t number = statement_.Int(at_++);
    checksum_.Add(number);
    if (number >= 0 && number <= static_cast<int64_t>(max)) return static_cast<T>(number);
    status_.Update(absl::InvalidArgumentError(absl::StrCat(number, " in column ", at_, " is out of range")));
    return 0;
  }
  template <typename T>
  std::optional<T> MaybeNumber(T max = std::numeric_limits<T>::max()) {
    if (SkipNull()) return std::nullopt;
    return Number<T>(max);
  }
  std::optional<std::string> MaybeText() {
    if (SkipNull()) return std::nullopt;
    return Text();
  }
  std::optional<bool> MaybeBool() {
    if (SkipNull()) return std::nullopt;
    return Bool();
  }
  // The last: it must be that of all before it.
  void CheckChecksum() {
    const bool matches = statement_.IsNull(at_) || statement_.Int(at_) == checksum_.value();
    if (!matches) status_.Update(absl::InvalidArgumentError("its checksum is another"));
  }
  // What `parse` makes of the text or number.
  template <typename T, typename From>
  T Parsed(absl::StatusOr<T> (*parse)(From), const From& from) {
    absl::StatusOr<T> value = parse(from);
    status_.Update(value.status());
    return value.ok() ? *std::move(value) : T();
  }
  // The same of each word of a text.
  template <typename T>
  std::vector<T> ParsedList(absl::StatusOr<T> (*parse)(absl::string_view)) {
    std::vector<T> values;
    const std::string text = Text();
    for (absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
      values.push_back(Parsed(parse, word));
    }
    return values;
  }

 private:
  bool SkipNull() {
    if (!statement_.IsNull(at_)) return false;
    ++at_;
    checksum_.AddNull();
    return true;
  }

  const Statement& statement_;
  int at_ = 0;
  RowChecksum checksum_;
  absl::Status status_;
};

// In milliseconds since 1970: the year 33658.
constexpr int64_t kMaxClaim = 1'000'000'000'000'000;
constexpr uint16_t kMaxVlan = 4094;
constexpr uint8_t kMaxQos = 7;

void BindSettings(RowWriter& out, const VfSettings& settings) {
  std::optional<std::string> mac;
  if (settings.mac) mac = settings.mac->ToString();
  out.PutMaybe(mac);
  const auto of_vlan = [&](auto field) {
    return settings.vlan ? std::optional<int>((*settings.vlan).*field) : std::nullopt;
  };
  out.PutMaybe(of_vlan(&VfSettings::Vlan::id));
  out.PutMaybe(of_vlan(&VfSettings::Vlan::qos));
  out.PutMaybe(of_vlan(&VfSettings::Vlan::protocol));
  out.PutMaybe(settings.spoof_check);
  out.PutMaybe(settings.trust);
  out.PutMaybe(settings.link_state ? std::optional<int>(LinkStateNumber(*settings.link_state))
                                   : std::nullopt);
  out.PutMaybe(settings.min_tx_rate);
  out.PutMaybe(settings.max_tx_rate);
}

VfSettings ReadSettings(RowReader& in) {
  VfSettings settings;
  if (const auto mac = in.MaybeText())
    settings.mac = in.Parsed<MacAddress, absl::string_view>(MacAddress::Parse, *mac);
  const auto id = in.MaybeNumber<uint16_t>(kMaxVlan);
  const auto qos = in.MaybeNumber<uint8_t>(kMaxQos);
  const auto protocol = in.MaybeNumber<uint16_t>();
  if (id) {
    settings.vlan = VfSettings::Vlan{.id = *id};
    settings.vlan->qos = qos.value_or(0);
    settings.vlan->protocol = protocol.value_or(settings.vlan->protocol);
  }
  settings.spoof_check = in.MaybeBool();
  settings.trust = in.MaybeBool();
  if (const auto state = in.MaybeNumber<int64_t>()) {
    settings.link_state = in.Parsed(LinkStateFromNumber, *state);
  }
  settings.min_tx_rate = in.MaybeNumber<uint32_t>();
  settings.max_tx_rate = in.MaybeNumber<uint32_t>();
  return settings;
}

void BindRow(Statement& statement, const ClaimRow& row) {
  const Attachment attachment = row.attachment.value_or(Attachment());
  const auto to_string = [](std::string* out, const auto& value) { out->append(value.ToString()); };
  RowWriter out(statement);
  out.Put(row.function.ToString());
  out.Put(row.claim);
  out.Put(StateNumber(row.state));
  out.Put(row.card);
  out.Put(row.port);
  out.Put(row.host_ifname);
  out.Put(row.host_mac.ToString());
  out.Put(row.host_mtu);
  out.Put(row.mac.ToString());
  out.Put(row.known_by_alias);
  out.PutMaybe(row.attachment ? std::optional<std::string>(attachment.container_id) : std::nullopt);
  out.Put(attachment.ifname);
  out.Put(attachment.netns);
  out.Put(attachment.pod_namespace);
  out.Put(attachment.pod_name);
  out.Put(attachment.cni_network);
  out.Put(attachment.network_namespace);
  out.Put(attachment.network);
  out.Put(row.confirmed);
  out.Put(absl::StrJoin(row.addresses, " ", to_string));
  out.Put(absl::StrJoin(row.gateways, " ", to_string));
  out.Put(row.mtu);
  out.Put(row.host_pending);
  out.Put(row.dpu_pending);
  out.Put(row.vfio);
  BindSettings(out, row.settings_before);
  out.PutMaybe(attachment.vlan);
  for (std::string IpamCall::*field :
       {&IpamCall::type, &IpamCall::path, &IpamCall::args, &IpamCall::config}) {
    out.PutMaybe(row.ipam ? std::optional<std::string>((*row.ipam).*field) : std::nullopt);
  }
  out.Put(row.ipam_pending);
  out.Put(row.result);
  out.PutChecksum();
}

absl::StatusOr<ClaimRow> ReadRow(const Statement& statement) {
  RowReader in(statement);
  ClaimRow row;
  const auto parse_mac = [&in] {
    return in.Parsed<MacAddress, absl::string_view>(MacAddress::Parse, in.Text());
  };
  row.function = in.Parsed<FunctionId, absl::string_view>(FunctionId::Parse, in.Text());
  row.claim = in.Number<int64_t>(kMaxClaim);
  row.state = in.Parsed(StateFromNumber, in.Number<int64_t>());
  row.card = in.Text();
  row.port = in.Text();
  row.host_ifname = in.Text();
  row.host_mac = parse_mac();
  row.host_mtu = in.Number<uint32_t>();
  row.mac = parse_mac();
  row.known_by_alias = in.Bool();
  const std::optional<std::string> container_id = in.MaybeText();
  Attachment attachment;
  attachment.container_id = container_id.value_or("");
  attachment.ifname = in.Text();
  attachment.netns = in.Text();
  attachment.pod_namespace = in.Text();
  attachment.pod_name = in.Text();
  attachment.cni_network = in.Text();
  attachment.network_namespace = in.Text();
  attachment.network = in.Text();
  row.confirmed = in.Bool();
  row.addresses = in.ParsedList(InterfaceAddress::Parse);
  row.gateways = in.ParsedList(IpAddress::Parse);
  row.mtu = in.Number<uint32_t>();
  row.host_pending = in.Bool();
  row.dpu_pending = in.Bool();
  row.vfio = in.Bool();
  row.settings_before = ReadSettings(in);
  attachment.vlan = in.MaybeNumber<uint16_t>(kMaxVlan);
  if (container_id) row.attachment = std::move(attachment);
  const std::optional<std::string> ipam_type = in.MaybeText();
  IpamCall ipam;
  for (std::string IpamCall::*field : {&IpamCall::path, &IpamCall::args, &IpamCall::config}) {
    ipam.*field = in.MaybeText().value_or("");
  }
  ipam.type = ipam_type.value_or("");
  if (ipam_type) row.ipam = std::move(ipam);
  row.ipam_pending = in.Bool();
  row.result = in.Text();
  in.CheckChecksum();
  XPU_RETURN_IF_ERROR(in.status());
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

// Our own words are right, so what SQLite cannot make sense of is a file that is not what its version says.
absl::Status AsDamage(const absl::Status& status, const std::string& path) {
  if (!absl::IsInternal(status)) return status;
  return absl::DataLossError(
      absl::StrCat(path, " does not have the tables that it should: ", status.message()));
}

absl::StatusOr<std::unique_ptr<Database>> OpenDatabase(const std::string& path) {
  absl::StatusOr<std::unique_ptr<Database>> database = Database::Open(path, {kSchemaV1, kSchemaV2});
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
  absl::StatusOr<Statement> load = (*database)->Prepare(absl::StrCat("SELECT ", kColumns, " FROM claims"));
  if (!load.ok()) return {};
  std::vector<ClaimRow> rows;
  while (true) {
    const absl::StatusOr<bool> more = load->Step();
    if (!more.ok() || !*more) return rows;
    absl::StatusOr<ClaimRow> row = ReadRow(*load);
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

// "?1, ?2, …" of as many columns as there are.
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
  XPU_ASSIGN_OR_RETURN(Statement load, prepare(absl::StrCat("SELECT ", kColumns, " FROM claims")));
  XPU_ASSIGN_OR_RETURN(Statement last_claim, prepare("SELECT claim FROM last_claims WHERE function = ?1"));
  XPU_ASSIGN_OR_RETURN(Statement remember_claim,
                       prepare("INSERT INTO last_claims (function, claim) VALUES (?1, ?2) "
                               "ON CONFLICT (function) DO UPDATE SET claim = excluded.claim"));
  XPU_ASSIGN_OR_RETURN(Statement has_row, prepare("SELECT 1 FROM claims WHERE function = ?1"));
  XPU_ASSIGN_OR_RETURN(Statement insert, prepare(absl::StrCat("INSERT INTO claims (", kColumns, ") VALUES (",
                                                              Parameters(), ")")));
  XPU_ASSIGN_OR_RETURN(Statement update,
                       prepare(absl::StrCat("UPDATE claims SET (", kColumns, ") = (", Parameters(),
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
      BindRow(statements_.insert, row);
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
    if (last < 0 || last >= kMaxClaim) {
      return absl::DataLossError(
          absl::StrCat("the journal's last claim of function ", function, " cannot have been ", last));
    }
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
