#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "common/base/clock.h"
#include "common/rpc/call_gate.h"
#include "xpu-agent/access/caller.h"
#include "xpu-agent/access/refusals.h"
#include "xpu-agent/core/agent_state.h"
#include "xpu-agent/slowpath/token_buckets.h"

namespace grpc {
class Service;
class ServerContextBase;
}  // namespace grpc

namespace xpu {

// Who may do what on this card. The card trusts no host: a host may claim functions, put them into networks
// with the addresses that the card gives, and take them out again; networks are made by operators.
//
// Safe from any thread.
class AccessPolicy final : public CallGate {
 public:
  struct Options {
    // Name of the card.
    std::string card;
    // Of SPIFFE IDs; empty: whatever the authority signs.
    std::string trust_domain;
    // Calls of one identity: so many a second, and so many at once. A call that is streaming counts once.
    double calls_per_second = 500;
    double burst = 2000;
  };
  // `clock` is not owned.
  AccessPolicy(Options options, Clock& clock);

  //   PermissionDenied    a stranger, a host of another card, or a call that no host may make
  //   ResourceExhausted   too many calls
  absl::Status Admit(const std::vector<std::string>& uris, absl::string_view method) override;

  // A connection ended before there was a call; `why` is what TLS says.
  void CountHandshake(const std::string& why);

  // The caller of a call that was admitted.
  Caller CallerOf(const grpc::ServerContextBase& context) const;

  // What a host may do with a bridge port; others may do anything. PermissionDenied, and counted:
  //   the port is not that of a function of the host
  //   it was made by somebody who has no claims, an operator
  //   the request has no claim
  //   the spec names logical bridges: a host puts functions into networks with BindPort, which gives it
  //   addresses
  // `call` is for the count.
  absl::Status MayMakePort(const Caller& caller, const AgentState& state, const std::string& id,
                           int64_t claim, const std::vector<std::string>& logical_bridges,
                           absl::string_view call);
  // The same for binding, unbinding and deleting.
  absl::Status MayUsePort(const Caller& caller, const AgentState& state, const std::string& id, int64_t claim,
                          absl::string_view call);

  // Whether the caller may say what a port is limited to: anybody but hosts, who could lift limits by it.
  absl::Status MayLimitPort(const Caller& caller, absl::string_view call);

  std::vector<Refusals::Entry> refusals() const { return refusals_.List(); }

 private:
  absl::Status Refuse(const Caller& caller, RefusalReason reason, absl::string_view call, std::string why);

  const Options options_;
  Clock& clock_;
  Refusals refusals_;
  absl::Mutex mu_;
  slowpath::TokenBuckets<std::string> buckets_ ABSL_GUARDED_BY(mu_);
};

// Tells operators what was refused (proto/xpu/agent/v1/access_service.proto). The policy outlives it.
std::unique_ptr<grpc::Service> MakeAccessService(const AccessPolicy& policy);

}  // namespace xpu
