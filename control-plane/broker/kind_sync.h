#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/api/selector.h"
#include "common/base/backoff.h"
#include "common/base/event_loop.h"
#include "common/ctrl/controller.h"
#include "common/ctrl/event_recorder.h"
#include "common/kube/informer.h"
#include "common/kube/resource_store.h"
#include "control-plane/broker/copy.h"
#include "control-plane/broker/sync_plan.h"

namespace xpu::broker {

// A namespace of the source and the one of the target that has the copies.
struct NamespacePair {
  std::string source;
  std::string target;
  // Copies are removed, and nothing is copied.
  bool drain = false;
};

// Keeps the copies of one kind's objects, and their status in the source, for as long as it is there. Holds
// no state that matters: what it has to know stands in the objects, so that it may be killed and started
// anywhere at any time. While a side cannot be reached, nothing is concluded from that.
class KindSync {
 public:
  struct Options {
    ResourceKind kind;
    bool has_status = true;
    Origin origin;
    // Each source and each target once.
    std::vector<NamespacePair> namespaces;
    std::string label_selector;
    int workers = 8;
    Backoff::Options backoff;
    uint64_t seed = 1;
  };

  // InvalidArgument: the selector cannot be read. Nothing is owned; all must outlive the object. `events` may
  // be null: else objects of the source are told there what keeps them from being copied.
  static absl::StatusOr<std::unique_ptr<KindSync>> Make(EventLoop& loop, ResourceStore& source,
                                                        ResourceStore& target, EventRecorder* events,
                                                        Options options);
  // On the loop, or while it does not run. Waits for requests under way.
  ~KindSync();

 private:
  struct Mapping {
    NamespacePair names;
    std::unique_ptr<Informer> source;
    std::unique_ptr<Informer> target;
  };

  KindSync(ResourceStore& source, ResourceStore& target, EventRecorder* events, api::Selector selector,
           Options options);
  void Watch(EventLoop& loop);
  // `target` is the name of the copy.
  absl::Status Reconcile(const ResourceName& target);
  // What both sides say now, rather than what they said last.
  absl::StatusOr<Pair> ReadPair(const Mapping& mapping, const ResourceName& target);
  Pair PairAsSeen(const Mapping& mapping, const ResourceName& target) const;
  bool IsNamed(const Mapping& mapping, const Resource& source) const;
  // Aborted: somebody was quicker, look again.
  absl::Status Do(const Step& step, Pair* pair);
  absl::Status Tell(const Pair& pair, const absl::Status& why);

  ResourceStore& source_;
  ResourceStore& target_;
  EventRecorder* const events_;
  const api::Selector selector_;
  const Options options_;
  // By the target's namespace.
  std::map<std::string, Mapping> mappings_;
  std::unique_ptr<Controller> controller_;
};

}  // namespace xpu::broker
