#pragma once

#include <memory>
#include <optional>
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
  absl::Status LoadClaims(AgentState* state);
  absl::StatusOr<uint32_t> LoadLastKey(absl::string_view kind);
  absl::Status WriteLastKey(absl::string_view kind, const std::optional<uint32_t>& value);

  std::unique_ptr<Database> database_;
};

}  // namespace xpu
