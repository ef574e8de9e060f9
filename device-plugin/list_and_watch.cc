#include "device-plugin/list_and_watch.h"

#include <utility>

namespace xpu {
namespace {

v1beta1::ListAndWatchResponse ToResponse(const PluginDevices& devices) {
  v1beta1::ListAndWatchResponse response;
  for (const PluginDevice& device : devices) {
    v1beta1::Device* out = response.add_devices();
    out->set_id(device.id);
    out->set_health(device.healthy ? "Healthy" : "Unhealthy");
    // No topology says "anywhere"; a node of -1 would be taken for one.
    if (device.numa_node >= 0) out->mutable_topology()->add_nodes()->set_id(device.numa_node);
  }
  return response;
}

}  // namespace

ListAndWatch::ListAndWatch(std::shared_ptr<DeviceBoard> board, std::function<void()> ended)
    : board_(std::move(board)), ended_(std::move(ended)) {
  watcher_ =
      board_->AddWatcher([this](std::shared_ptr<const PluginDevices> devices) { Offer(std::move(devices)); });
}

void ListAndWatch::Offer(std::shared_ptr<const PluginDevices> devices) {
  absl::MutexLock lock(&mutex_);
  next_ = std::move(devices);
  WriteNext();
}

void ListAndWatch::WriteNext() {
  if (writing_ || finished_ || next_ == nullptr) return;
  writing_ = true;
  response_ = ToResponse(*std::exchange(next_, nullptr));
  StartWrite(&response_);
}

void ListAndWatch::OnWriteDone(bool ok) {
  absl::MutexLock lock(&mutex_);
  writing_ = false;
  if (!ok) return FinishOnce();
  WriteNext();
}

void ListAndWatch::OnCancel() {
  absl::MutexLock lock(&mutex_);
  FinishOnce();
}

void ListAndWatch::FinishOnce() {
  if (std::exchange(finished_, true)) return;
  Finish(grpc::Status(grpc::StatusCode::CANCELLED, "the stream is over"));
}

void ListAndWatch::OnDone() {
  board_->RemoveWatcher(watcher_);
  const std::function<void()> ended = ended_;
  delete this;
  ended();
}

}  // namespace xpu
