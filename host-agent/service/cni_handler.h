#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "host-agent/attach/attacher.h"
#include "host-agent/attach/workers.h"
#include "host-agent/cni/cni_config.h"
#include "host-agent/ipam/ipam.h"

namespace xpu {

// One call of the CNI plugin after the other: reads it, gives it to the attacher in turn with all else that
// is done to its function, and forms the answer. Safe from any thread; never blocks.
class CniHandler {
 public:
  struct Request {
    CniParameters parameters;
    // Standard input of the plugin.
    std::string config;
    CniDialect dialect = CniDialect::kXpu;
  };
  // Called once, on any thread: the bytes for standard output, or a CNI error (host-agent/cni/cni_error.h).
  using Done = std::function<void(absl::StatusOr<std::string>)>;

  // Not owned.
  struct Parts {
    Allocator& allocator;
    Inventory& inventory;
    Attacher& attacher;
    KeyedExecutor& executor;
    // Null: nothing is delegated.
    IpamRunner* ipam = nullptr;
  };
  explicit CniHandler(Parts parts) : parts_(std::move(parts)), ipam_workers_(kMaxIpamThreads) {}

  void Add(const Request& request, Done done);
  // Needs only container id and interface name. An attachment that nobody knows is gone already.
  void Del(const Request& request, Done done);
  void Check(const Request& request, Done done);
  // Takes back what the network of that name has attached and the runtime knows no more. As much as possible
  // is done before an error is answered.
  void Gc(const Request& request, Done done);
  // OK if some function of some card is fit for use.
  void Status(const Request& request, Done done);

 private:
  // Container id and interface name.
  using AttachmentKey = std::pair<std::string, std::string>;
  static constexpr int kMaxIpamThreads = 32;

  // The request's, or that of the card that its function is of.
  CniDialect DialectOf(const Request& request) const;
  absl::StatusOr<AttachRequest> ToAttachRequest(const Request& request, const CniArgs& args,
                                                const CniConfig& config) const;
  bool IsBeingAdded(const AttachmentKey& key) const;

  const Parts parts_;
  mutable absl::Mutex mu_;
  // Functions of ADDs that are under way or waiting: a DEL must wait for these too, although the journal does
  // not know them yet.
  std::map<AttachmentKey, std::multiset<FunctionId>> adding_ ABSL_GUARDED_BY(mu_);
  // For plugins that are asked about a network and no function. Goes first.
  Workers ipam_workers_;
};

}  // namespace xpu
