#include "control-plane/apiserver/store/object_table.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace xpu::apiserver {
namespace {

using nlohmann::json;

// One row of `counters`: the history may be empty, and versions are never used twice.
constexpr absl::string_view kSchema = R"(
  CREATE TABLE objects (
    collection TEXT NOT NULL,
    ns TEXT NOT NULL,
    name TEXT NOT NULL,
    object TEXT NOT NULL,
    PRIMARY KEY (collection, ns, name)
  ) WITHOUT ROWID;
  CREATE INDEX objects_by_namespace ON objects (ns);
  CREATE TABLE history (
    version INTEGER PRIMARY KEY,
    collection TEXT NOT NULL,
    ns TEXT NOT NULL,
    name TEXT NOT NULL,
    before TEXT,
    after TEXT
  );
  CREATE TABLE counters (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    version INTEGER NOT NULL,
    forgotten INTEGER NOT NULL
  );
  INSERT INTO counters VALUES (0, 0, 0);
)";

// Who owns what (metadata.ownerReferences), by the owner.
constexpr absl::string_view kOwners = R"(
  CREATE TABLE owners (
    uid TEXT NOT NULL,
    collection TEXT NOT NULL,
    ns TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (uid, collection, ns, name)
  ) WITHOUT ROWID;
  INSERT OR IGNORE INTO owners
    SELECT json_extract(owner.value, '$.uid'), collection, ns, name
    FROM objects, json_each(CASE WHEN json_valid(object) THEN object ELSE '{}' END,
                            '$.metadata.ownerReferences') AS owner
    WHERE json_extract(owner.value, '$.uid') IS NOT NULL;
)";

// Objects are larger than what SQLite keeps in a leaf of a table without rowids (a quarter of a page), and a
// change rewrites one leaf of this table and nothing else.
constexpr absl::string_view kRowIds = R"(
  CREATE TABLE objects_by_id (
    id INTEGER PRIMARY KEY,
    collection TEXT NOT NULL,
    ns TEXT NOT NULL,
    name TEXT NOT NULL,
    object TEXT NOT NULL
  );
  INSERT INTO objects_by_id (collection, ns, name, object)
    SELECT collection, ns, name, object FROM objects ORDER BY collection, ns, name;
  DROP TABLE objects;
  ALTER TABLE objects_by_id RENAME TO objects;
  CREATE UNIQUE INDEX objects_by_name ON objects (collection, ns, name);
  CREATE INDEX objects_by_namespace ON objects (ns, collection, name);
)";

// Nobody asks the file for what is in a namespace.
constexpr absl::string_view kNoNamespaces = "DROP INDEX objects_by_namespace";

// Some thousand objects stay in memory (16 MiB). A longer log before its pages are brought into the database:
// a page that was changed often is brought there once.
constexpr char kTuning[] =
    "PRAGMA cache_size=-16384; PRAGMA wal_autocheckpoint=4000; PRAGMA temp_store=MEMORY";

// More changes than were ever made between a backup and the loss that it was
// made for.
constexpr int64_t kRestoreGap = 1'000'000'000;

}  // namespace

struct ObjectTable::Statements {
  Statement own, disown, put, remove, append, counters, history, oldest, forget, note;
};

void ObjectTable::StatementsDeleter::operator()(Statements* statements) const { delete statements; }

absl::StatusOr<std::unique_ptr<ObjectTable>> ObjectTable::Open(const std::string& path, bool full_sync) {
  XPU_ASSIGN_OR_RETURN(std::unique_ptr<Database> db,
                       Database::Open(path,
                                      {std::string(kSchema), std::string(kOwners), std::string(kRowIds),
                                       std::string(kNoNamespaces)},
                                      {.exclusive = true, .can_sync = full_sync}));
  XPU_RETURN_IF_ERROR(db->Execute(kTuning));
  // Versions are counted in memory, so a second server on the same file would break both: keep it out.
  XPU_RETURN_IF_ERROR(db->Execute("BEGIN IMMEDIATE; COMMIT"));
  std::unique_ptr<ObjectTable> table(new ObjectTable(std::move(db), path));
  XPU_RETURN_IF_ERROR(table->PrepareAll());
  return table;
}

absl::Status ObjectTable::PrepareAll() {
  auto prepare = [&](absl::string_view sql) { return db_->Prepare(sql); };
  XPU_ASSIGN_OR_RETURN(Statement own, prepare("INSERT OR REPLACE INTO owners VALUES (?, ?, ?, ?)"));
  XPU_ASSIGN_OR_RETURN(Statement disown, prepare("DELETE FROM owners WHERE uid=? AND "
                                                 "collection=? AND ns=? AND name=?"));
  XPU_ASSIGN_OR_RETURN(Statement put,
                       prepare("INSERT INTO objects (collection, ns, name, object) VALUES (?1, ?2, ?3, ?4) "
                               "ON CONFLICT (collection, ns, name) DO UPDATE SET object=excluded.object"));
  XPU_ASSIGN_OR_RETURN(Statement remove,
                       prepare("DELETE FROM objects WHERE collection=? AND ns=? AND name=?"));
  XPU_ASSIGN_OR_RETURN(Statement append, prepare("INSERT INTO history VALUES (?, ?, ?, ?, ?, ?)"));
  // The counter is of when the history was forgotten last: it may be empty, and versions are never used
  // twice.
  XPU_ASSIGN_OR_RETURN(
      Statement counters,
      prepare(
          "SELECT max(version, coalesce((SELECT max(version) FROM history), 0)), forgotten FROM counters"));
  XPU_ASSIGN_OR_RETURN(Statement history,
                       prepare("SELECT version, ns, name, before, after FROM history "
                               "WHERE version > ?1 AND version <= ?5 AND collection=?2 AND "
                               "(?3='' OR ns=?3) "
                               "ORDER BY version LIMIT ?4"));
  XPU_ASSIGN_OR_RETURN(Statement oldest, prepare("SELECT version, collection, ns, name, after FROM history "
                                                 "WHERE version <= ? ORDER BY version"));
  XPU_ASSIGN_OR_RETURN(Statement forget, prepare("DELETE FROM history WHERE version <= ?"));
  XPU_ASSIGN_OR_RETURN(Statement note,
                       prepare("UPDATE counters SET version=max(version, ?1), forgotten=max(forgotten, ?1)"));
  statements_.reset(new Statements{std::move(own), std::move(disown), std::move(put), std::move(remove),
                                   std::move(append), std::move(counters), std::move(history),
                                   std::move(oldest), std::move(forget), std::move(note)});
  return absl::OkStatus();
}

absl::StatusOr<ObjectMap> ObjectTable::Load() {
  absl::MutexLock lock(&db_->mutex());
  ObjectMap objects;
  XPU_ASSIGN_OR_RETURN(Statement rows, db_->Prepare("SELECT collection, ns, name, object FROM objects"));
  while (true) {
    XPU_ASSIGN_OR_RETURN(const bool found, rows.Step());
    if (!found) break;
    objects.Load({rows.Text(0), rows.Text(1), rows.Text(2)}, rows.Text(3));
  }
  XPU_ASSIGN_OR_RETURN(
      Statement changes,
      db_->Prepare("SELECT collection, ns, name, after, version FROM history ORDER BY version"));
  last_.clear();
  while (true) {
    XPU_ASSIGN_OR_RETURN(const bool found, changes.Step());
    if (!found) break;
    const ObjectMap::Key key{changes.Text(0), changes.Text(1), changes.Text(2)};
    objects.Load(key, changes.IsNull(3) ? std::nullopt : std::optional(changes.Text(3)));
    last_[key] = changes.Int(4);
  }
  XPU_ASSIGN_OR_RETURN(Statement owners, db_->Prepare("SELECT collection, ns, name, uid FROM owners"));
  while (true) {
    XPU_ASSIGN_OR_RETURN(const bool found, owners.Step());
    if (!found) return objects;
    objects.LoadOwner({owners.Text(0), owners.Text(1), owners.Text(2)}, owners.Text(3));
  }
}

absl::Status ObjectTable::Write(const std::deque<Change>& changes, int64_t forget) {
  absl::MutexLock lock(&db_->mutex());
  XPU_RETURN_IF_ERROR(db_->Transaction([&]() -> absl::Status {
    for (const Change& change : changes) XPU_RETURN_IF_ERROR(Append(change));
    return forget > 0 ? ForgetUpTo(forget) : absl::OkStatus();
  }));
  // Those that are forgotten already are in the other table.
  for (const Change& change : changes) {
    if (change.version > forget) last_[{change.collection, change.ns, change.name}] = change.version;
  }
  return absl::OkStatus();
}

absl::Status ObjectTable::NoteOwners(const Change& change) {
  // Looking would take the objects out of the cache of the thread that works on them.
  if (!change.may_have_owners) return absl::OkStatus();
  const std::set<std::string> before = OwnersOf(change.before);
  const std::set<std::string> after = OwnersOf(change.after);
  const auto run = [&](Statement& statement, const std::string& uid) {
    return statement.Bind(1, uid).Bind(2, change.collection).Bind(3, change.ns).Bind(4, change.name).Run();
  };
  for (const std::string& uid : before) {
    if (!after.contains(uid)) XPU_RETURN_IF_ERROR(run(statements_->disown, uid));
  }
  for (const std::string& uid : after) {
    if (!before.contains(uid)) XPU_RETURN_IF_ERROR(run(statements_->own, uid));
  }
  return absl::OkStatus();
}

absl::Status ObjectTable::Append(const Change& change) {
  XPU_RETURN_IF_ERROR(NoteOwners(change));
  Statement& append = statements_->append;
  append.Bind(1, change.version).Bind(2, change.collection).Bind(3, change.ns).Bind(4, change.name);
  if (change.before == nullptr) {
    append.BindNull(5);
  } else {
    append.Bind(5, change.before_text.empty() ? ObjectText(*change.before) : change.before_text);
  }
  change.after == nullptr ? append.BindNull(6) : append.Bind(6, change.text);
  return append.Run();
}

absl::Status ObjectTable::Fold(int64_t version) {
  Statement& oldest = statements_->oldest;
  const absl::Cleanup reset = [&] { oldest.Reset(); };
  oldest.Bind(1, version);
  while (true) {
    XPU_ASSIGN_OR_RETURN(const bool found, oldest.Step());
    if (!found) return absl::OkStatus();
    const ObjectMap::Key key{oldest.Text(1), oldest.Text(2), oldest.Text(3)};
    const auto last = last_.find(key);
    // The history goes on to say how it is.
    if (last != last_.end() && last->second > oldest.Int(0)) continue;
    Statement& write = oldest.IsNull(4) ? statements_->remove : statements_->put;
    write.Bind(1, key.collection).Bind(2, key.ns).Bind(3, key.name);
    if (!oldest.IsNull(4)) write.Bind(4, oldest.Text(4));
    XPU_RETURN_IF_ERROR(write.Run());
    // Without it the next one is written, which is never wrong.
    if (last != last_.end()) last_.erase(last);
  }
}

absl::Status ObjectTable::Restore(const std::string& path) {
  // Of a copy, which is brought to this program's schema and counted on.
  const std::string copy = absl::StrCat(path_ == ":memory:" ? path : path_, ".restore");
  const auto clear = [&] {
    for (const char* suffix : {"", "-wal", "-shm"}) unlink(absl::StrCat(copy, suffix).c_str());
  };
  clear();
  const absl::Cleanup clear_after = clear;
  std::error_code failed;
  if (!std::filesystem::copy_file(path, copy, failed)) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot read the backup ", path, ": ", failed.message()));
  }
  XPU_ASSIGN_OR_RETURN(const std::unique_ptr<ObjectTable> backup, Open(copy, /*full_sync=*/false));
  XPU_RETURN_IF_ERROR(backup->db_->CheckIntegrity());
  XPU_ASSIGN_OR_RETURN(const int64_t there, backup->LastVersion());
  // Every store has a namespace from its beginning.
  if (there == 0) return absl::DataLossError(absl::StrCat(path, " is no backup of this server's"));
  XPU_ASSIGN_OR_RETURN(const int64_t here, LastVersion());
  const int64_t next = std::max(here, there) + kRestoreGap;
  XPU_RETURN_IF_ERROR(backup->Forget(next));
  absl::MutexLock lock(&db_->mutex());
  return db_->CopyFrom(*backup->db_);
}

absl::StatusOr<int64_t> ObjectTable::Counter(int column) {
  absl::MutexLock lock(&db_->mutex());
  Statement& counters = statements_->counters;
  absl::Cleanup reset = [&] { counters.Reset(); };
  XPU_ASSIGN_OR_RETURN(bool found, counters.Step());
  return found ? counters.Int(column) : 0;
}

absl::StatusOr<int64_t> ObjectTable::LastVersion() { return Counter(0); }
absl::StatusOr<int64_t> ObjectTable::ForgottenVersion() { return Counter(1); }

absl::StatusOr<std::vector<Change>> ObjectTable::History(const std::string& collection, const std::string& ns,
                                                         int64_t after, int64_t last, int limit) {
  absl::MutexLock lock(&db_->mutex());
  Statement& history = statements_->history;
  absl::Cleanup reset = [&] { history.Reset(); };
  history.Bind(1, after).Bind(2, collection).Bind(3, ns).Bind(4, int64_t{limit}).Bind(5, last);
  std::vector<Change> changes;
  while (true) {
    XPU_ASSIGN_OR_RETURN(bool found, history.Step());
    if (!found) return changes;
    Change change{history.Int(0), collection, history.Text(1), history.Text(2), nullptr, nullptr};
    if (!history.IsNull(3)) {
      XPU_ASSIGN_OR_RETURN(change.before, ReadObjectText(history.Text(3)));
    }
    if (!history.IsNull(4)) {
      change.text = history.Text(4);
      XPU_ASSIGN_OR_RETURN(change.after, ReadObjectText(change.text));
    }
    changes.push_back(std::move(change));
  }
}

absl::Status ObjectTable::ForgetUpTo(int64_t version) {
  XPU_RETURN_IF_ERROR(Fold(version));
  XPU_RETURN_IF_ERROR(statements_->forget.Bind(1, version).Run());
  return statements_->note.Bind(1, version).Run();
}

absl::Status ObjectTable::Forget(int64_t version) {
  absl::MutexLock lock(&db_->mutex());
  return db_->Transaction([&] { return ForgetUpTo(version); });
}

}  // namespace xpu::apiserver
