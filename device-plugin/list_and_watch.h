#pragma once

#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "device-plugin/device_board.h"
#include "grpcpp/grpcpp.h"
#include "kubelet/deviceplugin/v1beta1/api.pb.h"

namespace xpu {

// One ListAndWatch stream: writes the board's list at once and then whenever it has changed. Lists that
// change faster than the kubelet reads are skipped, the last one never. Deletes itself when the call is over.
class ListAndWatch : public grpc::ServerWriteReactor<v1beta1::ListAndWatchResponse> {
 public:
  // `ended` is called last of all.
  ListAndWatch(std::shared_ptr<DeviceBoard> board, std::function<void()> ended);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  void Offer(std::shared_ptr<const PluginDevices> devices);
  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FinishOnce() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::shared_ptr<DeviceBoard> board_;
  const std::function<void()> ended_;
  DeviceBoard::WatcherId watcher_ = 0;

  // Taken with the board's lock held, so the board is never called with it.
  absl::Mutex mutex_;
  // The list that is to be written next; null if the kubelet has the newest.
  std::shared_ptr<const PluginDevices> next_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  // What is being written; must not change meanwhile.
  v1beta1::ListAndWatchResponse response_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace xpu
