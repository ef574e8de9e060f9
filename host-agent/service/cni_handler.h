#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "host-agent/attach/attacher.h"
#include "host-agent/attach/workers.h"
#include "host-agent/cni/cni_config.h"

namespace xpu {

// One call of the CNI plugin after the other: reads it, gives it to the attacher in turn with all else that
// is done to its function, and forms the answer. Safe from any thread; never blocks.
class CniHandler {
 public:
  struct Request {
    CniParameters parameters;
    // Standard input of the plugin.
    std::string config;
  };
  // Called once, on any thread: the bytes for standard output, or a CNI error (host-agent/cni/cni_error.h).
  using Done = std::function<void(absl::StatusOr<std::string>)>;

  // Not owned.
  CniHandler(Allocator& allocator, Attacher& attacher, KeyedExecutor& executor);

  void Add(const Request& request, Done done);
  // Needs only container id and interface name. An attachment that nobody knows is gone already.
  void Del(const Request& request, Done done);

 private:
  using AttachmentKey = std::pair<std::string, std::string>;

  Allocator& allocator_;
  Attacher& attacher_;
  KeyedExecutor& executor_;
  absl::Mutex mu_;
  // Functions of ADDs that are under way or waiting: a DEL must wait for these too, although the journal does
  // not know them yet.
  std::map<AttachmentKey, std::multiset<FunctionId>> adding_ ABSL_GUARDED_BY(mu_);
};

}  // namespace xpu
