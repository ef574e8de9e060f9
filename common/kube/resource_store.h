#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/api/resource_kind.h"
#include "nlohmann/json.hpp"

namespace xpu {

struct ResourceName {
  std::string ns;  // empty for kinds without namespaces, and in lists for all namespaces
  std::string name;

  std::string ToString() const { return ns.empty() ? name : ns + "/" + name; }
  friend auto operator<=>(const ResourceName&, const ResourceName&) = default;
};

// An object as the Kubernetes API writes it in JSON: apiVersion, kind, metadata, spec, status.
using Resource = nlohmann::json;

struct ResourceList {
  std::vector<Resource> items;
  // Version of the store that the list shows; where a watch goes on.
  std::string resource_version;
};

struct WatchEvent {
  enum class Type { kAdded, kModified, kDeleted, kBookmark };
  Type type = Type::kAdded;
  // For kDeleted the last state; for kBookmark only metadata.resourceVersion.
  Resource object;
};

enum class PatchType { kMerge /* RFC 7386 */, kJson /* RFC 6902 */ };

struct ListOptions {
  // As kubectl's --selector, e.g. "app=demo"; empty for all.
  std::string label_selector;
  // As kubectl's --field-selector, e.g. "spec.host=node-1"; empty for all.
  std::string field_selector;
  // Labels that all objects of that field_selector have. Asked for in its place where the server cannot
  // select by fields that the kind declares (CustomResourceDefinitions before Kubernetes 1.31), so that it
  // sends less; who asked gets what field_selector says either way.
  std::string labels_of_fields;
};

// One manager's say of an object's fields (Kubernetes, "Server-Side Apply").
struct ApplyOptions {
  // Who says it: owns the fields that it has named last, and those alone.
  std::string field_manager;
  // Fields of other managers that would become different are taken over; else they are a conflict.
  bool force = false;
  // Of the status and nothing else; without, of everything else.
  bool status = false;
};

// What a deletion must find, or it is Aborted; empty for any.
struct DeleteOptions {
  // metadata.uid: this very object and not one that was made since under its name.
  std::string uid;
  // metadata.resourceVersion: the object as it was read.
  std::string resource_version;
};

// A store that speaks the Kubernetes API's semantics (Kubernetes API conventions; resourceVersion,
// generation, finalizers, status subresource). Safe from any thread; calls block for one request at most,
// bounded by the implementation's deadline.
//
// Errors are the API's, as absl codes, and carry the server's message:
//   NotFound, AlreadyExists; InvalidArgument (422 and 400: the message names the field's path);
//   Aborted (409: the object has changed, read again); FailedPrecondition (409 of an Apply: the message names
//   fields and who owns them, and reading again does not help); OutOfRange (410: the version is too old, list
//   again); PermissionDenied, Unauthenticated; ResourceExhausted (429); Unavailable (no answer, 5xx);
//   DeadlineExceeded.
class ResourceStore {
 public:
  virtual ~ResourceStore() = default;

  virtual absl::StatusOr<Resource> Create(const ResourceKind& kind, const Resource& object) = 0;
  virtual absl::StatusOr<Resource> Get(const ResourceKind& kind, const ResourceName& name) = 0;
  virtual absl::StatusOr<ResourceList> List(const ResourceKind& kind, const std::string& ns,
                                            const ListOptions& options = {}) = 0;
  // Replaces all but status. With metadata.resourceVersion set, only if that is the current one.
  virtual absl::StatusOr<Resource> Update(const ResourceKind& kind, const Resource& object) = 0;
  // Replaces status only.
  virtual absl::StatusOr<Resource> UpdateStatus(const ResourceKind& kind, const Resource& object) = 0;
  virtual absl::StatusOr<Resource> Patch(const ResourceKind& kind, const ResourceName& name, PatchType type,
                                         const nlohmann::json& patch) = 0;
  // Sets the fields that `object` has, makes the object if it is not there (not of status: NotFound), and
  // takes away what this manager has applied before, names no more and nobody else owns. One request,
  // whatever others write meanwhile. With metadata.resourceVersion only as it was read, else Aborted; with
  // metadata.uid it makes none, and of another object it changes the status at most.
  virtual absl::StatusOr<Resource> Apply(const ResourceKind& kind, const Resource& object,
                                         const ApplyOptions& options) = 0;
  // With finalizers left, the object only gets a deletionTimestamp and goes when the last one is removed.
  virtual absl::Status Delete(const ResourceKind& kind, const ResourceName& name,
                              const DeleteOptions& options = {}) = 0;

  // A running watch; ends when it goes away, after which no callback runs any more. Must not be destroyed
  // from one of its own callbacks.
  class Watcher {
   public:
    virtual ~Watcher() = default;
  };
  struct WatchCallbacks {
    // Called in order, on a thread of the store's.
    std::function<void(const WatchEvent&)> event;
    // Called once, last: why the watch ended (OutOfRange: list again; OK: the server closed it).
    std::function<void(const absl::Status&)> ended;
  };
  // Every change after `resource_version`, in order.
  virtual absl::StatusOr<std::unique_ptr<Watcher>> Watch(const ResourceKind& kind, const std::string& ns,
                                                         const std::string& resource_version,
                                                         const ListOptions& options,
                                                         WatchCallbacks callbacks) = 0;
};

}  // namespace xpu
