#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/api/kinds.h"
#include "common/api/selector.h"
#include "common/base/clock.h"
#include "common/sqlite/database_copy.h"
#include "control-plane/apiserver/store/event.h"
#include "control-plane/apiserver/store/kind_table.h"
#include "nlohmann/json.hpp"

namespace xpu::apiserver {

class Transaction;

struct ObjectName {
  std::string ns;  // empty for kinds without namespaces
  std::string name;
  friend auto operator<=>(const ObjectName&, const ObjectName&) = default;
};

// Which half of an object a write is about; the other half stays as it is.
enum class Part { kMain, kStatus };

enum class PatchKind {
  kMerge /* RFC 7386 */,
  kJson /* RFC 6902 */,
  kStrategic /* strategic_merge.h */
};

// What a delete must find, or it is a Conflict.
struct Preconditions {
  std::optional<std::string> uid;
  std::optional<std::string> resource_version;
};

// What a delete does with objects that name the deleted one as their owner (metadata.ownerReferences). An
// object with another owner that stays is only let go.
enum class Propagation {
  kBackground,  // they are deleted after it
  kForeground,  // before it, which waits for those with blockOwnerDeletion
  kOrphan,      // they stay, without that owner
};
inline constexpr char kForegroundFinalizer[] = "foregroundDeletion";

struct Deleted {
  // The last state; still there, with a deletionTimestamp, if `waits`.
  nlohmann::json object;
  bool waits = false;
};

// What is done about fields that the schema of a kind does not name (Kubernetes' fieldValidation).
enum class UnknownFields {
  kAsKindSays,  // kinds of the program are Invalid, others are pruned with a
                // warning
  kStrict,      // BadRequest
  kWarn,        // pruned, and told
  kIgnore,      // pruned
};

// How a write is done.
struct WriteOptions {
  // Everything is done but the writing.
  bool dry_run = false;
  // Who writes, for metadata.managedFields.
  std::string manager = "unknown";
  UnknownFields unknown = UnknownFields::kAsKindSays;
  // Where warnings go; null for nowhere.
  std::vector<std::string>* warnings = nullptr;
  // The last word before an object is written: an error refuses it, and what is missing may be filled in.
  // `old` is null for a new one. May read the store.
  std::function<absl::Status(const nlohmann::json* old, nlohmann::json* object)> admit;
  // Where set, the JSON of the object goes here, as it is written, and the call returns null instead of the
  // object. Not for deletes.
  std::string* text = nullptr;
};

// A part of a collection.
struct Page {
  // Begins behind this one; empty: at the first.
  ObjectName after;
  // At most so many; 0 for all.
  size_t limit = 0;
};

struct Listing {
  std::vector<nlohmann::json> items;
  int64_t version = 0;
  // The last one of `items`, if there are more behind it.
  std::optional<ObjectName> more_after;
};

// The objects, in memory and in one SQLite file with their history, with the semantics of Kubernetes' API:
// metadata that the server owns, optimistic locking, generations, finalizers, namespaces. Every call is one
// transaction, and what it returns has been committed, or will be with its group. Errors are those of
// api_error.h. Not thread-safe.
class ObjectStore {
 public:
  struct Options {
    // SQLite file, or ":memory:".
    std::string path;
    // Every commit survives a loss of power, not only a kill of the process.
    bool full_sync = true;
    // How many changes a watch may be behind.
    int64_t history = 10'000;
    // Of all objects together, as they are written: they are held in memory. A write that would make them
    // more is ResourceExhausted.
    size_t most_bytes = size_t{1} << 30;
  };

  // The kinds that it serves. CustomResourceDefinitions that are written here change them at once, before
  // listeners hear of it.
  const KindTable& kinds() const;

  // Opens or makes the file; makes sure that the namespace "default" is there. FailedPrecondition if another
  // process has the file.
  static absl::StatusOr<std::unique_ptr<ObjectStore>> Open(const Options& options, Clock& clock);
  ~ObjectStore();

  // `object` is as a client sends it; metadata.namespace must have been filled in by the caller.
  absl::StatusOr<nlohmann::json> Create(const api::KindInfo& kind, const nlohmann::json& object,
                                        const WriteOptions& options = {});
  absl::StatusOr<nlohmann::json> Get(const api::KindInfo& kind, const ObjectName& name);
  // The same as it is written.
  absl::StatusOr<std::string> GetText(const api::KindInfo& kind, const ObjectName& name);
  // In the order of namespace and name; an empty `ns` means all.
  absl::StatusOr<Listing> List(const api::KindInfo& kind, const std::string& ns,
                               const api::Selector& selector, const Page& page = {});
  absl::StatusOr<nlohmann::json> Update(const api::KindInfo& kind, const ObjectName& name, Part part,
                                        nlohmann::json object, const WriteOptions& options = {});
  absl::StatusOr<nlohmann::json> Patch(const api::KindInfo& kind, const ObjectName& name, Part part,
                                       PatchKind patch_kind, const nlohmann::json& patch,
                                       const WriteOptions& options = {});
  struct Applied {
    nlohmann::json object;
    bool created = false;
  };
  // Server-side apply, see managed_fields.h: makes the object if it is not there. `force`: takes fields over
  // that other managers own; otherwise they are Conflicts.
  absl::StatusOr<Applied> Apply(const api::KindInfo& kind, const ObjectName& name, Part part,
                                nlohmann::json applied, bool force, const WriteOptions& options = {});
  // A namespace takes what is in it along, and goes when all of that has gone; so does a
  // CustomResourceDefinition.
  absl::StatusOr<Deleted> Delete(const api::KindInfo& kind, const ObjectName& name,
                                 const Preconditions& preconditions, const WriteOptions& options = {},
                                 Propagation propagation = Propagation::kBackground);

  // The version of the last change that has been committed and told of.
  int64_t version() const;
  // The changes of a collection after `version`, in order, at most `limit`. Expired if the history does not
  // reach back so far, or if `version` has not happened yet, as when the file was replaced by an older one.
  absl::StatusOr<std::vector<Change>> ChangesSince(const api::KindInfo& kind, const std::string& ns,
                                                   int64_t version, int limit);
  // From now on calls are committed together, as the disk takes its time for each commit: `begun` is called
  // when the first one waits for Flush(). Until then, what any call has returned may still turn out not to
  // have happened, and nobody else may be told of it.
  void Group(std::function<void()> begun);
  bool has_group() const;
  // Commits what waits, and tells of its changes. An error: none of it has happened.
  absl::Status Flush();
  // The same in three steps, so that calls go on while the file is written and the disk is waited for. The
  // first closes the group, which is not empty, and gives the version of its last change.
  int64_t Seal();
  // Brings the group to the disk. From any thread, also during calls of the others. An error: none of it has
  // happened, or, if the disk did not do as it was told, nobody knows: then the store refuses all writes, and
  // the process should end.
  absl::Status Save();
  bool has_failed() const;
  // On the thread of the calls, with what Save() said: tells of the group's changes, or takes them back, and
  // those that were made after them.
  void Settle(const absl::Status& saved);
  // There are changes that nobody has been told of. Calls that read see them.
  bool is_unsettled() const;

  // Begins a copy of what is committed, into a new file at `path`, which goes on while the store is in use;
  // it must not be restored meanwhile.
  absl::StatusOr<std::unique_ptr<DatabaseCopy>> BackUp(const std::string& path);
  // What the backup at `path` holds instead of what is here. All versions that
  // were given before are too old from then on, so that every watch begins
  // anew. Flush() first. DataLoss for a file that is no backup, and then
  // nothing has changed; as Sync() for a disk that has failed.
  absl::Status Restore(const std::string& path);
  // Called after each Restore.
  void OnRestore(std::function<void()> callback);

  // Forgets the history up to now.
  absl::Status Compact();

  // Called after each commit, once for each of its changes, in order; one after the other if there are
  // several. Must not call the store, and lives as long as it does.
  void OnChange(std::function<void(const Change&)> callback);
  // Called after that, and, with the error, when a group could not be saved.
  void OnSettled(std::function<void(const absl::Status&)> callback);

 private:
  struct State;
  explicit ObjectStore(std::unique_ptr<State> state);

  // Writes a new object, or one instead of `old`, with these managedFields if they are not null.
  absl::StatusOr<ObjectPtr> MakeIn(Transaction& transaction, const api::KindInfo& kind, nlohmann::json sent,
                                   const nlohmann::json* managed, const WriteOptions& options);
  absl::StatusOr<ObjectPtr> ReplaceIn(Transaction& transaction, const api::KindInfo& kind, Part part,
                                      const ObjectPtr& old, nlohmann::json sent,
                                      const nlohmann::json* managed, const WriteOptions& options);
  // All CustomResourceDefinitions that are there.
  absl::Status ServeAllCrds();
  // Takes up what a CustomResourceDefinition declares.
  absl::Status ServeCrd(const Change& change);
  // ResourceExhausted if there is too much, and more than before.
  absl::Status CheckRoom(size_t before) const;
  // What was written before survives a loss of power; otherwise the disk has failed.
  absl::Status Sync();
  // What has been committed.
  void Tell(const std::deque<Change>& changes);
  // Runs `work` as one transaction and tells of its changes.
  absl::Status Commit(bool dry_run, const std::function<absl::Status(Transaction&)>& work);

  std::unique_ptr<State> state_;
};

// "xpu.opiproject.org/networks": what versions of a kind have in common.
std::string CollectionOf(const ResourceKind& kind);

}  // namespace xpu::apiserver
