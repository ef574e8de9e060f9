#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/alarm.h"
#include "grpcpp/grpcpp.h"

namespace xpu {

// Watches whether a gRPC channel is connected, and keeps it connecting, on a thread of its own that sleeps
// until gRPC reports a change. A watch of gRPC's cannot be called off; it ends when the channel does. So this
// object wants to hold the channel's last reference when it goes away.
class ConnectionWatch {
 public:
  explicit ConnectionWatch(std::shared_ptr<grpc::Channel> channel);
  ~ConnectionWatch();

  // As OpiClient::ObserveConnection(). The thread starts with the first observer.
  void Observe(std::function<void(bool connected)> changed);

 private:
  void Run();
  // Notes what is now and asks for the next change; false when the object is going away.
  bool Next();
  void Tell();

  grpc::CompletionQueue queue_;
  absl::Mutex mu_;
  std::shared_ptr<grpc::Channel> channel_ ABSL_GUARDED_BY(mu_);
  std::function<void(bool)> observer_ ABSL_GUARDED_BY(mu_);
  // The last that was found out; nothing while the first attempt is under way.
  std::optional<bool> connected_ ABSL_GUARDED_BY(mu_);
  // What the observer was told last.
  std::optional<bool> told_ ABSL_GUARDED_BY(mu_);
  bool telling_ ABSL_GUARDED_BY(mu_) = false;
  // Wakes the thread for an observer that has come.
  std::unique_ptr<grpc::Alarm> wake_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

}  // namespace xpu
