#pragma once

#include <memory>
#include <string>

#include "common/sqlite/database.h"
#include "xpu-agent/core/model_store.h"

namespace xpu {

// A ModelStore in a SQLite file. What it cannot make sense of is DataLoss and names table and row.
class SqliteModelStore : public ModelStore {
 public:
  // Errors as Database::Open().
  static absl::StatusOr<std::unique_ptr<SqliteModelStore>> Open(const std::string& path);

  absl::StatusOr<AgentState> Load() override;
  absl::Status Write(const StateChange& change) override;

 private:
  explicit SqliteModelStore(std::unique_ptr<Database> database) : database_(std::move(database)) {}
  absl::Status LoadBridges(AgentState* state);
  absl::Status LoadPorts(AgentState* state);
  absl::Status LoadClaims(AgentState* state);
  absl::Status WriteBridge(const std::string& id, const std::optional<LogicalBridge>& bridge);
  absl::Status WritePort(const std::string& id, const std::optional<BridgePort>& port);

  std::unique_ptr<Database> database_;
};

}  // namespace xpu
