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

// How objects are written: in one line, what is no UTF-8 replaced.
std::string ObjectText(const nlohmann::json& object);

// The two tables of the store: objects as they are, and the changes that made them so. Knows no rules. Not
// thread-safe. Errors are those of Database; DataLoss for a row that is no object.
class ObjectTable {
 public:
  // With `full_sync` what is committed survives a loss of power after database().Sync().
  static absl::StatusOr<std::unique_ptr<ObjectTable>> Open(const std::string& path, bool full_sync);

  Database& database() { return *db_; }

  absl::StatusOr<std::optional<nlohmann::json>> Read(const std::string& collection, const std::string& ns,
                                                     const std::string& name);
  // The objects behind `after_ns` and `after_name` (both empty: from the first) in the order of namespace and
  // name; an empty `ns` means all. Until `row` says false or an error.
  absl::Status Scan(const std::string& collection, const std::string& ns, const std::string& after_ns,
                    const std::string& after_name,
                    absl::FunctionRef<absl::StatusOr<bool>(nlohmann::json)> row);
  struct Key {
    std::string collection;
    std::string ns;
    std::string name;
  };
  // Of everything in a namespace, in a collection, and of what names `uid` as its owner.
  absl::StatusOr<std::vector<Key>> KeysIn(const std::string& ns);
  absl::StatusOr<std::vector<Key>> KeysOf(const std::string& collection);
  absl::StatusOr<std::vector<Key>> DependentsOf(const std::string& uid);

  // Makes the change in the objects and writes it down in the history. `change.before` is what the object is.
  absl::Status Apply(const Change& change);
  // Of the last change of a transaction, before it is committed.
  absl::Status NoteVersion(int64_t version);

  // What the backup at `path` holds instead of what is here. The history is
  // forgotten, and versions go on far behind all that were ever given, here or
  // there, so that nobody takes one for another. The backup stays as it is.
  // DataLoss for a file that is no backup, and then nothing has changed.
  absl::Status Restore(const std::string& path);

  // Version of the last change, 0 for none.
  absl::StatusOr<int64_t> LastVersion();
  // The version after which the history is whole.
  absl::StatusOr<int64_t> ForgottenVersion();
  // Behind `after`, up to and including `last`.
  absl::StatusOr<std::vector<Change>> History(const std::string& collection, const std::string& ns,
                                              int64_t after, int64_t last, int limit);
  // Forgets changes up to and including `version`.
  absl::Status Forget(int64_t version);

 private:
  ObjectTable(std::unique_ptr<Database> db, std::string path) : db_(std::move(db)), path_(std::move(path)) {}
  absl::Status PrepareAll();
  absl::Status AppendHistory(const Change& change);
  // Who owns an object, from its state before a change to that after it.
  absl::Status NoteOwners(const Change& change);

  std::unique_ptr<Database> db_;
  const std::string path_;
  // Prepared once; destroyed before the database.
  struct Statements;
  struct StatementsDeleter {
    void operator()(Statements* statements) const;
  };
  std::unique_ptr<Statements, StatementsDeleter> statements_;
};

}  // namespace xpu::apiserver
