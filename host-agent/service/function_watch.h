#pragma once

#include <memory>
#include <set>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "host-agent/testing/latest.h"
#include "xpu/hostagent/v1/host_agent.grpc.pb.h"

namespace xpu {

// Follows WatchFunctions until it goes away.
class FunctionWatch {
 public:
  explicit FunctionWatch(hostagent::v1::HostAgentService::Stub& stub) {
    reader_ = stub.WatchFunctions(&context_, {});
    thread_ = std::thread([this] {
      hostagent::v1::WatchFunctionsResponse response;
      while (reader_->Read(&response)) {
        {
          absl::MutexLock lock(&mu_);
          for (const hostagent::v1::Function& function : response.functions()) {
            if (!function.healthy()) were_unhealthy_.insert(function.id());
          }
        }
        latest_.Set(response);
      }
      const grpc::Status status = reader_->Finish();
      absl::MutexLock lock(&mu_);
      end_ = status.error_code();
      ended_ = true;
    });
  }
  ~FunctionWatch() {
    context_.TryCancel();
    thread_.join();
  }
  template <class Predicate>
  bool WaitFor(Predicate predicate) {
    return latest_.WaitFor(predicate);
  }
  // The newest list.
  hostagent::v1::WatchFunctionsResponse Last() { return latest_.Get(); }
  bool WaitForEnd() {
    absl::MutexLock lock(&mu_);
    return mu_.AwaitWithTimeout(absl::Condition(&ended_), absl::Seconds(20));
  }
  // The functions that any list has called not healthy.
  std::set<std::string> were_unhealthy() {
    absl::MutexLock lock(&mu_);
    return were_unhealthy_;
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<hostagent::v1::WatchFunctionsResponse>> reader_;
  Latest<hostagent::v1::WatchFunctionsResponse> latest_;
  absl::Mutex mu_;
  std::set<std::string> were_unhealthy_ ABSL_GUARDED_BY(mu_);
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
  grpc::StatusCode end_ ABSL_GUARDED_BY(mu_) = grpc::StatusCode::OK;
  std::thread thread_;
};

}  // namespace xpu
