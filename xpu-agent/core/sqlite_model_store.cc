#include "xpu-agent/core/sqlite_model_store.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"
#include "xpu-agent/core/kinds.h"
#include "xpu-agent/core/model_tables.h"

namespace xpu {
namespace {

constexpr char kNetworkKey[] = "network";
constexpr char kVrfKey[] = "vrf";

absl::Status Damaged(absl::string_view table, const std::string& id, const absl::Status& why) {
  return absl::DataLossError(absl::StrCat("row \"", id, "\" of table ", table, " makes no sense: ",
                                          why.message(), "; move the file away to start empty"));
}

template <typename T>
std::string SelectAll() {
  return absl::StrCat("SELECT ", Table<T>::kColumns, " FROM ", Table<T>::kName);
}

template <typename T>
std::string Erase() {
  return absl::StrCat("DELETE FROM ", Table<T>::kName, " WHERE id = ?");
}

// An object that is there is changed, and what a constraint forbids is an error: two networks under one key
// would be joined in the switch.
template <typename T>
std::string Put() {
  const std::vector<std::string> columns = absl::StrSplit(Table<T>::kColumns, ", ");
  const std::vector<std::string> marks(columns.size(), "?");
  const std::vector<std::string> rest(columns.begin() + 1, columns.end());
  return absl::StrCat("INSERT INTO ", Table<T>::kName, " (", Table<T>::kColumns, ") VALUES (",
                      absl::StrJoin(marks, ", "), ") ON CONFLICT (id) DO UPDATE SET ",
                      absl::StrJoin(rest, ", ", [](std::string* out, const std::string& column) {
                        absl::StrAppend(out, column, " = excluded.", column);
                      }));
}

template <typename T>
absl::Status LoadTable(Database& database, SharedMap<T>* objects) {
  XPU_ASSIGN_OR_RETURN(Statement rows, database.Prepare(SelectAll<T>()));
  while (true) {
    XPU_ASSIGN_OR_RETURN(bool more, rows.Step());
    if (!more) return absl::OkStatus();
    absl::StatusOr<T> object = Table<T>::Read(rows);
    if (!object.ok()) return Damaged(Table<T>::kName, rows.Text(0), object.status());
    objects->emplace(object->id, *object);
  }
}

template <typename T>
absl::Status EraseRows(Database& database, const ObjectChanges<T>& changes) {
  for (const auto& [id, object] : changes) {
    if (object.has_value()) continue;
    XPU_ASSIGN_OR_RETURN(Statement erase, database.Prepare(Erase<T>()));
    XPU_RETURN_IF_ERROR(erase.Bind(1, id).Run());
  }
  return absl::OkStatus();
}

template <typename T>
absl::Status PutRows(Database& database, const ObjectChanges<T>& changes) {
  for (const auto& [id, object] : changes) {
    if (!object.has_value()) continue;
    XPU_ASSIGN_OR_RETURN(Statement put, database.Prepare(Put<T>()));
    Table<T>::Bind(*object, &put);
    XPU_RETURN_IF_ERROR(put.Run());
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteModelStore>> SqliteModelStore::Open(const std::string& path) {
  XPU_ASSIGN_OR_RETURN(std::unique_ptr<Database> database, Database::Open(path, ModelMigrations()));
  return std::unique_ptr<SqliteModelStore>(new SqliteModelStore(std::move(database)));
}

absl::StatusOr<AgentState> SqliteModelStore::Load() {
  AgentState state;
  absl::Status status;
  ForEachKind([&](const auto& kind) { status.Update(LoadTable(*database_, &(state.model.*kind.objects))); });
  XPU_RETURN_IF_ERROR(status);
  XPU_RETURN_IF_ERROR(LoadClaims(&state));
  XPU_ASSIGN_OR_RETURN(state.last_network_key, LoadLastKey(kNetworkKey));
  XPU_ASSIGN_OR_RETURN(state.last_vrf_key, LoadLastKey(kVrfKey));
  XPU_ASSIGN_OR_RETURN(Statement identifier, database_->Prepare("SELECT identifier FROM plugin"));
  XPU_ASSIGN_OR_RETURN(const bool is_known, identifier.Step());
  if (is_known) state.plugin_identifier = identifier.Text(0);
  return state;
}

absl::Status SqliteModelStore::LoadClaims(AgentState* state) {
  XPU_ASSIGN_OR_RETURN(Statement rows, database_->Prepare("SELECT port, highest, released FROM claims"));
  while (true) {
    XPU_ASSIGN_OR_RETURN(bool more, rows.Step());
    if (!more) return absl::OkStatus();
    state->claims[rows.Text(0)] = ClaimMark{rows.Int(1), rows.Int(2) != 0};
  }
}

absl::StatusOr<uint32_t> SqliteModelStore::LoadLastKey(absl::string_view kind) {
  XPU_ASSIGN_OR_RETURN(Statement key, database_->Prepare("SELECT value FROM last_keys WHERE kind = ?"));
  XPU_ASSIGN_OR_RETURN(bool found, key.Bind(1, kind).Step());
  if (found) return static_cast<uint32_t>(key.Int(0));
  return absl::DataLossError(
      absl::StrCat("table last_keys has no row \"", kind, "\"; move the file away to start empty"));
}

absl::Status SqliteModelStore::WriteLastKey(absl::string_view kind, const std::optional<uint32_t>& value) {
  if (!value.has_value()) return absl::OkStatus();
  XPU_ASSIGN_OR_RETURN(Statement put, database_->Prepare("UPDATE last_keys SET value = ? WHERE kind = ?"));
  return put.Bind(1, static_cast<int64_t>(*value)).Bind(2, kind).Run();
}

absl::Status SqliteModelStore::Write(const StateChange& change) {
  return database_->Transaction([&]() -> absl::Status {
    absl::Status status;
    // What goes makes room for what comes with the same key.
    ForEachKind([&](const auto& kind) {
      if (status.ok()) status = EraseRows(*database_, change.model.*kind.changes);
    });
    ForEachKind([&](const auto& kind) {
      if (status.ok()) status = PutRows(*database_, change.model.*kind.changes);
    });
    XPU_RETURN_IF_ERROR(status);
    for (const auto& [port, mark] : change.claims) {
      XPU_ASSIGN_OR_RETURN(Statement put,
                           database_->Prepare("INSERT OR REPLACE INTO claims VALUES (?, ?, ?)"));
      XPU_RETURN_IF_ERROR(
          put.Bind(1, port).Bind(2, mark.highest).Bind(3, static_cast<int64_t>(mark.released)).Run());
    }
    XPU_RETURN_IF_ERROR(WriteLastKey(kNetworkKey, change.last_network_key));
    XPU_RETURN_IF_ERROR(WriteLastKey(kVrfKey, change.last_vrf_key));
    if (!change.plugin_identifier.has_value()) return absl::OkStatus();
    XPU_ASSIGN_OR_RETURN(Statement put, database_->Prepare("INSERT OR REPLACE INTO plugin VALUES (1, ?)"));
    return put.Bind(1, *change.plugin_identifier).Run();
  });
}

}  // namespace xpu
