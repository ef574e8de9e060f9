#include "test/component/device_plugin/fake_host_agent.h"

#include <deque>
#include <set>
#include <stdexcept>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/rpc/rpc.h"
#include "grpcpp/grpcpp.h"
#include "xpu/hostagent/v1/host_agent.grpc.pb.h"

namespace xpu {

namespace pb = hostagent::v1;

class FakeHostAgent::Service : public pb::HostAgentService::CallbackService,
                               public std::enable_shared_from_this<Service> {
 public:
  void Set(Functions functions, int claims);
  void SetAllocate(OnAllocate on_allocate) {
    absl::MutexLock lock(&mutex_);
    on_allocate_ = std::move(on_allocate);
  }

 private:
  class Stream;

  grpc::ServerWriteReactor<pb::WatchFunctionsResponse>* WatchFunctions(
      grpc::CallbackServerContext*, const pb::WatchFunctionsRequest*) override;
  grpc::ServerUnaryReactor* Allocate(grpc::CallbackServerContext* context, const pb::AllocateRequest* request,
                                     pb::AllocateResponse* response) override {
    OnAllocate on_allocate;
    {
      absl::MutexLock lock(&mutex_);
      on_allocate = on_allocate_;
    }
    absl::Status status;
    if (on_allocate != nullptr) {
      status = on_allocate({request->functions().begin(), request->functions().end()}, *response);
    }
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(ToGrpc(status));
    return reactor;
  }

  absl::Mutex mutex_;
  pb::WatchFunctionsResponse list_ ABSL_GUARDED_BY(mutex_);
  bool known_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<Stream*> streams_ ABSL_GUARDED_BY(mutex_);
  OnAllocate on_allocate_ ABSL_GUARDED_BY(mutex_);
};

// One WatchFunctions call: every list that is set, in its order.
class FakeHostAgent::Service::Stream : public grpc::ServerWriteReactor<pb::WatchFunctionsResponse> {
 public:
  explicit Stream(std::shared_ptr<Service> service) : service_(std::move(service)) {}

  // With the lock of the service held.
  void Send(const pb::WatchFunctionsResponse& list) {
    waiting_.push_back(list);
    WriteNext();
  }
  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&service_->mutex_);
    writing_ = false;
    waiting_.pop_front();
    ok ? WriteNext() : FinishOnce();
  }
  void OnCancel() override {
    absl::MutexLock lock(&service_->mutex_);
    FinishOnce();
  }
  void OnDone() override {
    {
      absl::MutexLock lock(&service_->mutex_);
      service_->streams_.erase(this);
    }
    delete this;
  }

 private:
  void WriteNext() {
    if (writing_ || finished_ || waiting_.empty()) return;
    writing_ = true;
    StartWrite(&waiting_.front());
  }
  void FinishOnce() {
    if (!std::exchange(finished_, true)) Finish(grpc::Status::CANCELLED);
  }

  const std::shared_ptr<Service> service_;
  std::deque<pb::WatchFunctionsResponse> waiting_;
  bool writing_ = false;
  bool finished_ = false;
};

grpc::ServerWriteReactor<pb::WatchFunctionsResponse>* FakeHostAgent::Service::WatchFunctions(
    grpc::CallbackServerContext*, const pb::WatchFunctionsRequest*) {
  absl::MutexLock lock(&mutex_);
  auto* stream = new Stream(shared_from_this());
  streams_.insert(stream);
  if (known_) stream->Send(list_);
  return stream;
}

void FakeHostAgent::Service::Set(Functions functions, int claims) {
  absl::MutexLock lock(&mutex_);
  known_ = true;
  list_.mutable_functions()->Assign(functions.begin(), functions.end());
  list_.set_claims(claims);
  for (Stream* stream : streams_) stream->Send(list_);
}

struct FakeHostAgent::Server {
  std::unique_ptr<RpcServer> rpc;
};

pb::Function FakeHostAgent::Function(const std::string& address, absl::string_view pf, int numa_node) {
  pb::Function function;
  function.set_id(address);
  function.set_pf_address(std::string(pf));
  function.set_card("card0");
  function.set_numa_node(numa_node);
  function.set_healthy(true);
  function.set_kind(pb::Function::KIND_VF);
  function.set_vendor("15b3");
  function.set_device("101e");
  function.set_driver("mlx5_core");
  function.set_link_type("ether");
  return function;
}

FakeHostAgent::FakeHostAgent(std::string address)
    : address_(std::move(address)),
      service_(std::make_shared<Service>()),
      server_(std::make_unique<Server>()) {}

FakeHostAgent::~FakeHostAgent() = default;

void FakeHostAgent::Start() {
  auto server = RpcServer::Start({address_}, {service_.get()});
  if (!server.ok()) throw std::runtime_error(server.status().ToString());
  server_->rpc = *std::move(server);
}

void FakeHostAgent::Stop() { server_->rpc = nullptr; }

void FakeHostAgent::Set(Functions functions, int claims) { service_->Set(std::move(functions), claims); }

void FakeHostAgent::SetAllocate(OnAllocate on_allocate) { service_->SetAllocate(std::move(on_allocate)); }

}  // namespace xpu
