#pragma once

#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/api/selector.h"
#include "common/kube/resource_store.h"

namespace xpu {

// What of a selection the server does, and what is left to the client.
struct FieldSelection {
  // Of the request: labelSelector and fieldSelector.
  std::string labels;
  std::string fields;
  // What the client looks at itself; everything where the server does it all.
  api::Selector rest;

  // What a watch shows of an event that the server has sent: one that selects by fields itself tells of an
  // object that leaves the selection as deleted, and of others not at all; here their versions go by as
  // bookmarks.
  WatchEvent Select(const WatchEvent& event) const;
};

// Which kinds one server cannot select by the fields that they declare: CustomResourceDefinitions have
// selectableFields since Kubernetes 1.31 (KEP 4358), and an older server answers 400. Safe from any thread.
class FieldSelections {
 public:
  // How to ask for it, as far as is known. InvalidArgument for a selector that cannot be read.
  absl::StatusOr<FieldSelection> For(const ResourceKind& kind, const ListOptions& options);
  // Whether the server has refused because it cannot select so; then For() says it otherwise from now on.
  bool IsRefusal(const ResourceKind& kind, const FieldSelection& asked, const absl::Status& answer);

 private:
  absl::Mutex mu_;
  std::set<ResourceKind> unselectable_ ABSL_GUARDED_BY(mu_);
};

}  // namespace xpu
