#include "device-plugin/allocate_client.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "common/rpc/rpc.h"
#include "grpcpp/grpcpp.h"
#include "xpu/hostagent/v1/host_agent.grpc.pb.h"

namespace xpu {
namespace {

using hostagent::v1::AllocateRequest;
using hostagent::v1::AllocateResponse;
using hostagent::v1::HostAgentService;

constexpr char kMethod[] = "/xpu.hostagent.v1.HostAgentService/Allocate";

// A call through gRPC; kept by its callback.
struct SlowCall {
  std::unique_ptr<HostAgentService::Stub> stub;
  grpc::ClientContext context;
  AllocateRequest request;
  AllocateResponse response;
};

}  // namespace

struct AllocateClient::Pending {
  std::string request;
  Done done;
  uint64_t quick = 0;
  std::shared_ptr<SlowCall> slow;
};

AllocateClient::AllocateClient(EventLoop& loop, const std::string& address,
                               const std::shared_ptr<grpc::Channel>& channel, absl::Duration timeout)
    : address_(address),
      timeout_(timeout),
      channel_(channel),
      quick_(loop, std::string(absl::StripPrefix(address, "unix:"))),
      inbox_(loop) {}

AllocateClient::~AllocateClient() {
  for (auto& [call, pending] : pending_) {
    if (pending.slow != nullptr) pending.slow->context.TryCancel();
  }
}

uint64_t AllocateClient::Allocate(const std::vector<std::string>& functions, Done done) {
  AllocateRequest request;
  request.mutable_functions()->Assign(functions.begin(), functions.end());
  const uint64_t call = next_++;
  Pending& pending = pending_[call];
  pending.request = request.SerializeAsString();
  pending.done = std::move(done);
  pending.quick =
      quick_.Call(kMethod, pending.request, timeout_, [this, call](const LoopRpcClient::Reply& reply) {
        const auto found = pending_.find(call);
        if (found == pending_.end()) return;
        found->second.quick = 0;
        if (!reply.answered) return Slowly(call);
        OnReply(call, reply.status, reply.response);
      });
  if (pending.quick == 0) Slowly(call);
  return call;
}

void AllocateClient::Slowly(uint64_t call) {
  Pending& pending = pending_.at(call);
  const auto slow = std::make_shared<SlowCall>();
  pending.slow = slow;
  slow->stub = HostAgentService::NewStub(channel_);
  slow->context.set_deadline(absl::ToChronoTime(absl::Now() + timeout_));
  slow->context.set_wait_for_ready(true);
  slow->request.ParseFromString(pending.request);
  slow->stub->async()->Allocate(&slow->context, &slow->request, &slow->response,
                                [this, call, slow, post = inbox_.post()](const grpc::Status& status) {
                                  post([this, call, slow, status = FromGrpc(status)] {
                                    OnReply(call, status, slow->response.SerializeAsString());
                                  });
                                });
}

void AllocateClient::Cancel(uint64_t call) {
  const auto found = pending_.find(call);
  if (found == pending_.end()) return;
  if (found->second.quick != 0) quick_.Cancel(found->second.quick);
  if (found->second.slow != nullptr) found->second.slow->context.TryCancel();
  pending_.erase(found);
}

void AllocateClient::OnReply(uint64_t call, const absl::Status& status, const std::string& response) {
  const auto found = pending_.find(call);
  if (found == pending_.end()) return;
  const Done done = std::move(found->second.done);
  pending_.erase(found);
  if (absl::IsDeadlineExceeded(status)) {
    return done(absl::DeadlineExceededError(absl::StrCat(
        "the host agent at ", address_, " did not answer within ", absl::FormatDuration(timeout_),
        "; look whether it runs (systemctl status xpu-host-agent)")));
  }
  if (!status.ok()) return done(status);
  AllocateResponse parsed;
  if (!parsed.ParseFromString(response)) {
    return done(
        absl::InternalError(absl::StrCat("the host agent at ", address_, " gave an answer of another kind")));
  }
  done(std::map<std::string, std::string>(parsed.envs().begin(), parsed.envs().end()));
}

}  // namespace xpu
