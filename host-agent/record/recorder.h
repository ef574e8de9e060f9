#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "common/base/backoff.h"
#include "common/base/event_loop.h"
#include "common/ctrl/controller.h"
#include "common/kube/informer.h"
#include "common/kube/resource_store.h"
#include "host-agent/alloc/allocator.h"

namespace xpu {

// Keeps the Netdev resources of this host as its journal is: one for each claim, none for what has no claim.
// Level-triggered, so that what was missed while the API server was away, or what somebody else changed or
// deleted, is put right; no pod ever waits for it. An attachment that is under way is recorded when it is
// complete.
//
// Construct and destroy it on the loop's thread, or while the loop does not run.
class Recorder {
 public:
  struct Options {
    // Name of this host (node): a label of RFC 1123.
    std::string host;
    Backoff::Options backoff;
  };
  // Not owned.
  Recorder(Options options, EventLoop& loop, ResourceStore& store, Allocator& allocator);
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  // A function's row has changed. Safe from any thread, never blocks.
  void RowChanged(const FunctionId& function);

 private:
  absl::Status Reconcile(const ResourceName& key);
  absl::Status Write(const Resource& record);
  absl::Status Remove(const Resource& resource);

  const Options options_;
  ResourceStore& store_;
  Allocator& allocator_;
  // Its objects are functions: a name without namespace.
  std::unique_ptr<Controller> controller_;
  std::unique_ptr<Informer> informer_;
};

}  // namespace xpu
