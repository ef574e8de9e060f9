#include "host-agent/alloc/sqlite_journal.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"

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

// Subfunctions, functions without an interface, settings of the physical function, IPAM plugins, networks of
// a VLAN, CNI results. NULL in before_*: was not changed.
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
)sql";

// In the order in which BindRow and ReadRow go through them.
const char kColumns[] =
    "function, claim, state, card, port, host_ifname, host_mac, host_mtu, mac, known_by_alias, container_id, "
    "ifname, netns, pod_namespace, pod_name, cni_network, network_namespace, network, confirmed, addresses, "
    "gateways, mtu, host_pending, dpu_pending, vfio, before_mac, before_vlan, before_vlan_qos, "
    "before_vlan_proto, before_spoof_check, before_trust, before_link_state, before_min_tx_rate, "
    "before_max_tx_rate, vlan, ipam_type, ipam_path, ipam_args, ipam_config, ipam_pending, result";

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

// Binds parameter after parameter.
class RowWriter {
 public:
  explicit RowWriter(Statement& statement) : statement_(statement) {}
  void Put(absl::string_view text) { statement_.Bind(++at_, text); }
  void Put(int64_t number) { statement_.Bind(++at_, number); }
  // NULL for none.
  template <typename T>
  void PutMaybe(const std::optional<T>& value) {
    if (!value) {
      statement_.BindNull(++at_);
    } else if constexpr (std::is_arithmetic_v<T>) {
      Put(static_cast<int64_t>(*value));
    } else {
      Put(absl::string_view(*value));
    }
  }

 private:
  Statement& statement_;
  int at_ = 0;
};

// Reads column after column; the first that holds something else than what is asked for is remembered.
class RowReader {
 public:
  explicit RowReader(const Statement& statement) : statement_(statement) {}
  const absl::Status& status() const { return status_; }

  std::string Text() { return statement_.Text(at_++); }
  bool Bool() { return Number<uint8_t>(1) != 0; }
  // 0 to `max`.
  template <typename T>
  T Number(T max = std::numeric_limits<T>::max()) {
    const int64_t number = statement_.Int(at_++);
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
    return true;
  }

  const Statement& statement_;
  int at_ = 0;
  absl::Status status_;
};

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
    settings.vlan.emplace().id = *id;
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
}

absl::StatusOr<ClaimRow> ReadRow(const Statement& statement) {
  RowReader in(statement);
  ClaimRow row;
  const auto parse_mac = [&in] {
    return in.Parsed<MacAddress, absl::string_view>(MacAddress::Parse, in.Text());
  };
  row.function = in.Parsed<FunctionId, absl::string_view>(FunctionId::Parse, in.Text());
  row.claim = in.Number<int64_t>();
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
  IpamCall ipam{.type = ipam_type.value_or(""), .path = in.Text(), .args = in.Text(), .config = in.Text()};
  if (ipam_type) row.ipam = std::move(ipam);
  row.ipam_pending = in.Bool();
  row.result = in.Text();
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
  XPU_ASSIGN_OR_RETURN(std::unique_ptr<Database> database, Database::Open(path, {kSchemaV1, kSchemaV2}));
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
