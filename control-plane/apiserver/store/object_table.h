#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/sqlite/database.h"
#include "control-plane/apiserver/store/event.h"
#include "control-plane/apiserver/store/object_map.h"

namespace xpu::apiserver {

// The file of the store: the objects as they were when the history begins, and the changes since; an object
// that has changed again and again is written into the history alone, and once more when that forgets its
// last change. Knows no rules. For any thread. Errors are those of Database; DataLoss for a row that is no
// object.
class ObjectTable {
 public:
  // With `full_sync` what is written survives a loss of power after Sync().
  static absl::StatusOr<std::unique_ptr<ObjectTable>> Open(const std::string& path, bool full_sync);

  // For a copy of it (DatabaseCopy).
  Database& database() { return *db_; }

  // All objects as they are.
  absl::StatusOr<ObjectMap> Load();
  // Writes the changes down, all of them or none; `Change::before` is what each object is then. Then forgets
  // the history up to and including `forget`.
  absl::Status Write(const std::deque<Change>& changes, int64_t forget);
  // See Database::Sync.
  absl::Status Sync() const { return db_->Sync(); }

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
  // Forgets changes up to and including `version`; later ones have later versions, also when there are none.
  absl::Status Forget(int64_t version);

 private:
  absl::StatusOr<int64_t> Counter(int column);
  absl::Status ForgetUpTo(int64_t version);
  ObjectTable(std::unique_ptr<Database> db, std::string path) : db_(std::move(db)), path_(std::move(path)) {}
  absl::Status PrepareAll();
  absl::Status Append(const Change& change);
  // Keeps the last change of each object, as far as it would be forgotten, in the other table.
  absl::Status Fold(int64_t version);
  // Who owns an object, from its state before a change to that after it.
  absl::Status NoteOwners(const Change& change);

  std::unique_ptr<Database> db_;
  const std::string path_;
  // The last change of each object that this program has committed, as long as the history has it. With the
  // database's mutex.
  absl::flat_hash_map<ObjectMap::Key, int64_t> last_;
  // Prepared once; destroyed before the database.
  struct Statements;
  struct StatementsDeleter {
    void operator()(Statements* statements) const;
  };
  std::unique_ptr<Statements, StatementsDeleter> statements_;
};

}  // namespace xpu::apiserver
