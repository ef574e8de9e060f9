#include "xpu-agent/core/sqlite_model_store.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"

namespace xpu {
namespace {

// Migration i brings the file from version i to i + 1. Those that were released are never changed.
const char kSchema[] = R"sql(
CREATE TABLE bridges (
  id          TEXT PRIMARY KEY,
  vlan_id     INTEGER NOT NULL,
  vni         INTEGER,            -- NULL: local
  vtep        TEXT,
  network_key INTEGER NOT NULL UNIQUE,
  prefixes    TEXT NOT NULL,      -- separated by blanks
  gateways    TEXT NOT NULL,
  mtu         INTEGER NOT NULL
) STRICT;
CREATE TABLE ports (
  id        TEXT PRIMARY KEY,
  mac       TEXT NOT NULL,
  trunk     INTEGER NOT NULL,
  bridges   TEXT NOT NULL,
  ofport    INTEGER NOT NULL,
  bound     INTEGER NOT NULL,
  addresses TEXT NOT NULL,
  claim     INTEGER NOT NULL
) STRICT;
CREATE TABLE claims (
  port     TEXT PRIMARY KEY,
  highest  INTEGER NOT NULL,
  released INTEGER NOT NULL
) STRICT;
CREATE TABLE last_network_key (value INTEGER NOT NULL) STRICT;
INSERT INTO last_network_key VALUES (0);
)sql";
// OpenFlow numbers are the representors', which are on the switch with or without a port.
const char kNoOfport[] = "ALTER TABLE ports DROP COLUMN ofport;";
const char kVlan[] = "ALTER TABLE ports ADD COLUMN vlan INTEGER;  -- NULL: in the bridges";

template <typename T>
std::string Join(const std::vector<T>& values) {
  return absl::StrJoin(values, " ", [](std::string* out, const T& value) { out->append(value.ToString()); });
}

template <typename T>
absl::StatusOr<std::vector<T>> Split(const std::string& text) {
  std::vector<T> values;
  for (absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    XPU_ASSIGN_OR_RETURN(T value, T::Parse(word));
    values.push_back(value);
  }
  return values;
}

absl::StatusOr<LogicalBridge> ReadBridge(const Statement& row) {
  LogicalBridge bridge;
  bridge.id = row.Text(0);
  bridge.vlan_id = static_cast<uint32_t>(row.Int(1));
  if (!row.IsNull(2)) bridge.vni = static_cast<uint32_t>(row.Int(2));
  if (!row.IsNull(3)) {
    XPU_ASSIGN_OR_RETURN(bridge.vtep, InterfaceAddress::Parse(row.Text(3)));
  }
  bridge.network_key = static_cast<uint32_t>(row.Int(4));
  XPU_ASSIGN_OR_RETURN(bridge.prefixes, Split<IpPrefix>(row.Text(5)));
  XPU_ASSIGN_OR_RETURN(bridge.gateways, Split<IpAddress>(row.Text(6)));
  bridge.mtu = static_cast<uint32_t>(row.Int(7));
  return bridge;
}

absl::StatusOr<BridgePort> ReadPort(const Statement& row) {
  BridgePort port;
  port.id = row.Text(0);
  XPU_ASSIGN_OR_RETURN(port.mac, MacAddress::Parse(row.Text(1)));
  port.type = row.Int(2) != 0 ? BridgePortType::kTrunk : BridgePortType::kAccess;
  port.logical_bridges = absl::StrSplit(row.Text(3), ' ', absl::SkipEmpty());
  port.bound = row.Int(4) != 0;
  XPU_ASSIGN_OR_RETURN(port.addresses, Split<InterfaceAddress>(row.Text(5)));
  port.claim = row.Int(6);
  if (!row.IsNull(7)) port.vlan = static_cast<uint16_t>(row.Int(7));
  return port;
}

absl::Status Damaged(absl::string_view table, const std::string& id, const absl::Status& why) {
  return absl::DataLossError(absl::StrCat("row \"", id, "\" of table ", table, " makes no sense: ",
                                          why.message(), "; move the file away to start empty"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteModelStore>> SqliteModelStore::Open(const std::string& path) {
  XPU_ASSIGN_OR_RETURN(std::unique_ptr<Database> database, Database::Open(path, {kSchema, kNoOfport, kVlan}));
  return std::unique_ptr<SqliteModelStore>(new SqliteModelStore(std::move(database)));
}

absl::StatusOr<AgentState> SqliteModelStore::Load() {
  AgentState state;
  XPU_RETURN_IF_ERROR(LoadBridges(&state));
  XPU_RETURN_IF_ERROR(LoadPorts(&state));
  XPU_RETURN_IF_ERROR(LoadClaims(&state));
  return state;
}

absl::Status SqliteModelStore::LoadBridges(AgentState* state) {
  XPU_ASSIGN_OR_RETURN(
      Statement rows,
      database_->Prepare("SELECT id, vlan_id, vni, vtep, network_key, prefixes, gateways, mtu FROM bridges"));
  while (true) {
    XPU_ASSIGN_OR_RETURN(bool more, rows.Step());
    if (!more) return absl::OkStatus();
    absl::StatusOr<LogicalBridge> bridge = ReadBridge(rows);
    if (!bridge.ok()) return Damaged("bridges", rows.Text(0), bridge.status());
    state->model.bridges.emplace(bridge->id, *bridge);
  }
}

absl::Status SqliteModelStore::LoadPorts(AgentState* state) {
  XPU_ASSIGN_OR_RETURN(
      Statement rows,
      database_->Prepare("SELECT id, mac, trunk, bridges, bound, addresses, claim, vlan FROM ports"));
  while (true) {
    XPU_ASSIGN_OR_RETURN(bool more, rows.Step());
    if (!more) return absl::OkStatus();
    absl::StatusOr<BridgePort> port = ReadPort(rows);
    if (!port.ok()) return Damaged("ports", rows.Text(0), port.status());
    state->model.ports.emplace(port->id, *port);
  }
}

absl::Status SqliteModelStore::LoadClaims(AgentState* state) {
  XPU_ASSIGN_OR_RETURN(Statement rows, database_->Prepare("SELECT port, highest, released FROM claims"));
  while (true) {
    XPU_ASSIGN_OR_RETURN(bool more, rows.Step());
    if (!more) break;
    state->claims[rows.Text(0)] = ClaimMark{rows.Int(1), rows.Int(2) != 0};
  }
  XPU_ASSIGN_OR_RETURN(Statement key, database_->Prepare("SELECT value FROM last_network_key"));
  XPU_ASSIGN_OR_RETURN(bool found, key.Step());
  if (!found)
    return absl::DataLossError("table last_network_key is empty; move the file away to start empty");
  state->last_network_key = static_cast<uint32_t>(key.Int(0));
  return absl::OkStatus();
}

absl::Status SqliteModelStore::Write(const StateChange& change) {
  return database_->Transaction([&]() -> absl::Status {
    // What goes makes room for what comes with the same key.
    for (const auto& [id, bridge] : change.bridges) {
      if (!bridge.has_value()) XPU_RETURN_IF_ERROR(WriteBridge(id, bridge));
    }
    for (const auto& [id, bridge] : change.bridges) {
      if (bridge.has_value()) XPU_RETURN_IF_ERROR(WriteBridge(id, bridge));
    }
    for (const auto& [id, port] : change.ports) XPU_RETURN_IF_ERROR(WritePort(id, port));
    for (const auto& [port, mark] : change.claims) {
      XPU_ASSIGN_OR_RETURN(Statement put,
                           database_->Prepare("INSERT OR REPLACE INTO claims VALUES (?, ?, ?)"));
      XPU_RETURN_IF_ERROR(
          put.Bind(1, port).Bind(2, mark.highest).Bind(3, static_cast<int64_t>(mark.released)).Run());
    }
    if (change.last_network_key.has_value()) {
      XPU_ASSIGN_OR_RETURN(Statement put, database_->Prepare("UPDATE last_network_key SET value = ?"));
      XPU_RETURN_IF_ERROR(put.Bind(1, static_cast<int64_t>(*change.last_network_key)).Run());
    }
    return absl::OkStatus();
  });
}

absl::Status SqliteModelStore::WriteBridge(const std::string& id,
                                           const std::optional<LogicalBridge>& bridge) {
  if (!bridge.has_value()) {
    XPU_ASSIGN_OR_RETURN(Statement erase, database_->Prepare("DELETE FROM bridges WHERE id = ?"));
    return erase.Bind(1, id).Run();
  }
  XPU_ASSIGN_OR_RETURN(Statement put, database_->Prepare(R"sql(
      INSERT INTO bridges VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
        vlan_id = excluded.vlan_id, vni = excluded.vni, vtep = excluded.vtep, network_key = excluded.network_key,
        prefixes = excluded.prefixes, gateways = excluded.gateways, mtu = excluded.mtu)sql"));
  put.Bind(1, id).Bind(2, static_cast<int64_t>(bridge->vlan_id));
  bridge->vni.has_value() ? put.Bind(3, static_cast<int64_t>(*bridge->vni)) : put.BindNull(3);
  bridge->vtep.has_value() ? put.Bind(4, bridge->vtep->ToString()) : put.BindNull(4);
  put.Bind(5, static_cast<int64_t>(bridge->network_key));
  put.Bind(6, Join(bridge->prefixes)).Bind(7, Join(bridge->gateways));
  return put.Bind(8, static_cast<int64_t>(bridge->mtu)).Run();
}

absl::Status SqliteModelStore::WritePort(const std::string& id, const std::optional<BridgePort>& port) {
  if (!port.has_value()) {
    XPU_ASSIGN_OR_RETURN(Statement erase, database_->Prepare("DELETE FROM ports WHERE id = ?"));
    return erase.Bind(1, id).Run();
  }
  XPU_ASSIGN_OR_RETURN(Statement put,
                       database_->Prepare("INSERT OR REPLACE INTO ports VALUES (?, ?, ?, ?, ?, ?, ?, ?)"));
  put.Bind(1, id).Bind(2, port->mac.ToString());
  put.Bind(3, static_cast<int64_t>(port->type == BridgePortType::kTrunk));
  put.Bind(4, absl::StrJoin(port->logical_bridges, " "));
  put.Bind(5, static_cast<int64_t>(port->bound)).Bind(6, Join(port->addresses));
  put.Bind(7, port->claim);
  port->vlan.has_value() ? put.Bind(8, static_cast<int64_t>(*port->vlan)) : put.BindNull(8);
  return put.Run();
}

}  // namespace xpu
