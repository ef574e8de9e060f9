#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/rpc/rpc.h"
#include "xpu-agent/core/model_owner.h"
#include "xpu-agent/services/services.h"
#include "xpu/agent/v1/offload_service.grpc.pb.h"

namespace xpu {
namespace {

using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

void Fill(const std::map<std::string, PortOffload>& ports, const ModelView& view,
          agent::v1::GetOffloadResponse* answer) {
  std::map<std::string, std::string> ids;
  for (const auto& [id, representor] : view.state().model.representors)
    ids.emplace(representor.interface, id);
  for (const auto& [interface, offload] : ports) {
    agent::v1::PortOffload& shown = *answer->add_ports();
    shown.set_interface(interface);
    if (const auto id = ids.find(interface); id != ids.end()) shown.set_port(id->second);
    shown.set_offloaded(offload.offloaded);
    shown.set_fallen_back(offload.fallen_back);
    shown.set_offloaded_packets(offload.offloaded_packets);
    shown.set_fallen_back_packets(offload.fallen_back_packets);
    for (const auto& [reason, count] : offload.reasons) {
      agent::v1::OffloadReason& why = *shown.add_reasons();
      why.set_reason(reason);
      why.set_count(count);
    }
  }
}

// The switch takes its time, so it is asked on a thread of its own, once for all calls that came meanwhile.
class OffloadServiceImpl final : public agent::v1::OffloadService::CallbackService {
 public:
  OffloadServiceImpl(ModelOwner& owner, OffloadSource source)
      : owner_(owner), source_(std::move(source)), thread_([this] { Run(); }) {}
  ~OffloadServiceImpl() override {
    {
      absl::MutexLock lock(&mu_);
      stop_ = true;
    }
    thread_.join();
  }

  ServerUnaryReactor* GetOffload(CallbackServerContext* context, const agent::v1::GetOffloadRequest*,
                                 agent::v1::GetOffloadResponse* answer) override {
    ServerUnaryReactor* reactor = context->DefaultReactor();
    absl::MutexLock lock(&mu_);
    waiting_.push_back({reactor, answer});
    return reactor;
  }

 private:
  struct Call {
    ServerUnaryReactor* reactor;
    agent::v1::GetOffloadResponse* answer;
  };

  void Run() {
    while (true) {
      std::vector<Call> calls;
      {
        absl::MutexLock lock(&mu_);
        const auto due = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return stop_ || !waiting_.empty(); };
        mu_.Await(absl::Condition(&due));
        if (stop_ && waiting_.empty()) return;
        calls.swap(waiting_);
      }
      auto ports = source_();
      if (!ports.ok()) {
        for (const Call& call : calls) call.reactor->Finish(ToGrpc(ports.status()));
        continue;
      }
      owner_.Read([calls = std::move(calls), ports = *std::move(ports)](const ModelView& view) {
        for (const Call& call : calls) {
          Fill(ports, view, call.answer);
          call.reactor->Finish(grpc::Status::OK);
        }
      });
    }
  }

  ModelOwner& owner_;
  const OffloadSource source_;
  absl::Mutex mu_;
  std::vector<Call> waiting_ ABSL_GUARDED_BY(mu_);
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeOffloadService(ModelOwner& owner, OffloadSource source) {
  if (source == nullptr) {
    source = [] { return absl::UnimplementedError("the agent's switch does not tell what is offloaded"); };
  }
  return std::make_unique<OffloadServiceImpl>(owner, std::move(source));
}

}  // namespace xpu
