#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/sqlite/database.h"
#include "control-plane/apiserver/store/event.h"
#include "nlohmann/json.hpp"

namespace xpu::apiserver {

// The two tables of the store: objects as they are, and the changes that made them so. Knows no rules. Not
// thread-safe. Errors are those of Database; DataLoss for a row that is no object.
class ObjectTable {
 public:
  static absl::StatusOr<std::unique_ptr<ObjectTable>> Open(const std::string& path, bool full_sync);

  Database& database() { return *db_; }

  absl::StatusOr<std::optional<nlohmann::json>> Read(const std::string& collection, const std::string& ns,
                                                     const std::string& name);
  // The objects behind `after_ns` and `after_name` (both empty: from the first) in the order of namespace and
  // name; an empty `ns` means all. Until `row` says false or an error.
  absl::Status Scan(const std::string& collection, const std::string& ns, const std::string& after_ns,
                    const std::string& after_name,
                    absl::FunctionRef<absl::StatusOr<bool>(nlohmann::json)> row);
  // Collections and names of everything in a namespace.
  struct Key {
    std::string collection;
    std::string name;
  };
  absl::StatusOr<std::vector<Key>> KeysIn(const std::string& ns);

  // Makes the change in the objects and writes it down in the history.
  absl::Status Apply(const Change& change);

  // Version of the last change, 0 for none.
  absl::StatusOr<int64_t> LastVersion();
  // The version after which the history is whole.
  absl::StatusOr<int64_t> ForgottenVersion();
  absl::StatusOr<std::vector<Change>> History(const std::string& collection, const std::string& ns,
                                              int64_t after, int limit);
  // Forgets changes up to and including `version`.
  absl::Status Forget(int64_t version);

 private:
  explicit ObjectTable(std::unique_ptr<Database> db) : db_(std::move(db)) {}
  absl::Status PrepareAll();

  std::unique_ptr<Database> db_;
  // Prepared once; destroyed before the database.
  struct Statements;
  struct StatementsDeleter {
    void operator()(Statements* statements) const;
  };
  std::unique_ptr<Statements, StatementsDeleter> statements_;
};

}  // namespace xpu::apiserver
