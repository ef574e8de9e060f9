#include "device-plugin/allocate_client.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "xpu/hostagent/v1/host_agent.pb.h"

namespace xpu {
namespace {

using hostagent::v1::AllocateRequest;
using hostagent::v1::AllocateResponse;

constexpr char kMethod[] = "/xpu.hostagent.v1.HostAgentService/Allocate";

}  // namespace

AllocateClient::AllocateClient(EventLoop& loop, const std::string& address, absl::Duration timeout)
    : address_(address), timeout_(timeout), client_(loop, std::string(absl::StripPrefix(address, "unix:"))) {}

uint64_t AllocateClient::Allocate(const std::vector<std::string>& functions, Done done) {
  AllocateRequest request;
  request.mutable_functions()->Assign(functions.begin(), functions.end());
  const uint64_t call = next_++;
  pending_[call] = {
      .request = request.SerializeAsString(), .deadline = absl::Now() + timeout_, .done = std::move(done)};
  Ask(call);
  return call;
}

void AllocateClient::Ask(uint64_t call) {
  Pending& pending = pending_.at(call);
  pending.call = client_.Call(kMethod, pending.request,
                              {.timeout = pending.deadline - absl::Now(), .wait_for_ready = true},
                              [this, call](const LoopRpcClient::Reply& reply) { OnReply(call, reply); });
}

void AllocateClient::Cancel(uint64_t call) {
  const auto found = pending_.find(call);
  if (found == pending_.end()) return;
  client_.Cancel(found->second.call);
  pending_.erase(found);
}

void AllocateClient::OnReply(uint64_t call, const LoopRpcClient::Reply& reply) {
  const auto found = pending_.find(call);
  if (found == pending_.end()) return;
  if (!reply.answered) return Ask(call);
  const Done done = std::move(found->second.done);
  pending_.erase(found);
  if (absl::IsDeadlineExceeded(reply.status)) {
    return done(absl::DeadlineExceededError(absl::StrCat(
        "the host agent at ", address_, " did not answer within ", absl::FormatDuration(timeout_),
        "; look whether it runs (systemctl status xpu-host-agent)")));
  }
  if (!reply.status.ok()) return done(reply.status);
  AllocateResponse parsed;
  if (!parsed.ParseFromString(reply.response)) {
    return done(
        absl::InternalError(absl::StrCat("the host agent at ", address_, " gave an answer of another kind")));
  }
  done(std::map<std::string, std::string>(parsed.envs().begin(), parsed.envs().end()));
}

}  // namespace xpu
