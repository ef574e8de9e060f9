#include "control-plane/broker/broker.h"

#include <memory>
#include <utility>
#include <vector>

#include "common/base/status_macros.h"
#include "common/ctrl/event_recorder.h"
#include "spdlog/spdlog.h"

namespace xpu::broker {
namespace {

// Copies while it is told to. On the loop.
class Copying {
 public:
  Copying(const BrokerOptions& options, const BrokerDeps& deps)
      : options_(options),
        deps_(deps),
        events_({.component = "xpu-broker", .host = options.identity, .backoff = options.retry},
                deps.source) {}

  absl::Status Start() {
    uint64_t seed = 1;
    for (KindSync::Options sync : options_.config.syncs) {
      sync.backoff = options_.retry;
      sync.seed = seed += 2;
      XPU_ASSIGN_OR_RETURN(std::unique_ptr<KindSync> made,
                           KindSync::Make(deps_.loop, deps_.source, deps_.target, &events_, std::move(sync)));
      syncs_.push_back(std::move(made));
    }
    spdlog::info("copies {}'s objects of {} kinds", options_.config.origin.name, syncs_.size());
    if (deps_.changed) deps_.changed(true);
    return absl::OkStatus();
  }

  void Stop() {
    if (syncs_.empty()) return;
    syncs_.clear();
    if (deps_.changed) deps_.changed(false);
  }

 private:
  const BrokerOptions& options_;
  const BrokerDeps& deps_;
  EventRecorder events_;
  std::vector<std::unique_ptr<KindSync>> syncs_;
};

}  // namespace

absl::Status RunBroker(const BrokerOptions& options, const BrokerDeps& deps) {
  Copying copying(options, deps);
  if (!options.config.lease.has_value()) {
    XPU_RETURN_IF_ERROR(copying.Start());
    deps.loop.Run();
    copying.Stop();
    return absl::OkStatus();
  }
  const absl::Duration duration = options.config.lease->duration;
  // A holder gives up well before anybody else may begin, after several tries.
  const LeaderElection::Options election = {.lease = options.config.lease->name,
                                            .identity = options.identity,
                                            .lease_duration = duration,
                                            .renew_deadline = duration * 2 / 3,
                                            .renew_period = duration / 7};
  absl::Status failed;
  {
    LeaderElection leader(deps.loop, options.config.lease->in_source ? deps.source : deps.target, election,
                          [&](bool leading) {
                            if (!leading) return copying.Stop();
                            failed = copying.Start();
                            if (!failed.ok()) deps.loop.Stop();
                          });
    deps.loop.Run();
    // Before the Lease is given back, so that no two processes copy at a time.
    copying.Stop();
  }
  return failed;
}

}  // namespace xpu::broker
