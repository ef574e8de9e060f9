#pragma once

#include <cstdint>
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
#include "control-plane/apiserver/store/event.h"
#include "nlohmann/json.hpp"

namespace xpu::apiserver {

struct ObjectName {
  std::string ns;  // empty for kinds without namespaces
  std::string name;
};

// Which half of an object a write is about; the other half stays as it is.
enum class Part { kMain, kStatus };

enum class PatchKind { kMerge /* RFC 7386 */, kJson /* RFC 6902 */ };

// What a delete must find, or it is a Conflict.
struct Preconditions {
  std::optional<std::string> uid;
  std::optional<std::string> resource_version;
};

struct Deleted {
  // The last state; still there, with a deletionTimestamp, if `waits`.
  nlohmann::json object;
  bool waits = false;
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

// The objects and their history in one SQLite file, with the semantics of Kubernetes' API: metadata that the
// server owns, optimistic locking, generations, finalizers, namespaces. Every call is one transaction, and
// what it returns has been committed. Errors are those of api_error.h. Not thread-safe.
class ObjectStore {
 public:
  struct Options {
    // SQLite file, or ":memory:".
    std::string path;
    // Every commit survives a loss of power, not only a kill of the process.
    bool full_sync = false;
    // How many changes a watch may be behind.
    int64_t history = 10'000;
  };

  // Opens or makes the file; makes sure that the namespace "default" is there. FailedPrecondition if another
  // process has the file.
  static absl::StatusOr<std::unique_ptr<ObjectStore>> Open(const Options& options, Clock& clock);
  ~ObjectStore();

  // `object` is as a client sends it; metadata.namespace must have been filled in by the caller.
  absl::StatusOr<nlohmann::json> Create(const api::KindInfo& kind, const nlohmann::json& object);
  absl::StatusOr<nlohmann::json> Get(const api::KindInfo& kind, const ObjectName& name);
  // In the order of namespace and name; an empty `ns` means all.
  absl::StatusOr<Listing> List(const api::KindInfo& kind, const std::string& ns,
                               const api::Selector& selector, const Page& page = {});
  absl::StatusOr<nlohmann::json> Update(const api::KindInfo& kind, const ObjectName& name, Part part,
                                        nlohmann::json object);
  absl::StatusOr<nlohmann::json> Patch(const api::KindInfo& kind, const ObjectName& name, Part part,
                                       PatchKind patch_kind, const nlohmann::json& patch);
  // A namespace takes what is in it along, and goes when all of that has gone.
  absl::StatusOr<Deleted> Delete(const api::KindInfo& kind, const ObjectName& name,
                                 const Preconditions& preconditions);

  // The version of the last change.
  int64_t version() const;
  // The changes of a collection after `version`, in order, at most `limit`. Expired if the history does not
  // reach back so far, or if `version` has not happened yet, as when the file was replaced by an older one.
  absl::StatusOr<std::vector<Change>> ChangesSince(const api::KindInfo& kind, const std::string& ns,
                                                   int64_t version, int limit);
  // Forgets the history up to now.
  absl::Status Compact();

  // Called after each commit, once for each of its changes, in order. Must not call the store.
  void OnChange(std::function<void(const Change&)> callback);

 private:
  class Transaction;
  struct State;
  explicit ObjectStore(std::unique_ptr<State> state);

  // Runs `work` as one transaction and tells of its changes.
  absl::Status Commit(const std::function<absl::Status(Transaction&)>& work);

  std::unique_ptr<State> state_;
};

// "xpu.opiproject.org/networks": what versions of a kind have in common.
std::string CollectionOf(const ResourceKind& kind);

}  // namespace xpu::apiserver
