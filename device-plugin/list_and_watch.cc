#include "device-plugin/list_and_watch.h"

#include <utility>

#include "kubelet/deviceplugin/v1beta1/api.pb.h"

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

void ListAndWatch::Start(std::shared_ptr<DeviceBoard> board, const LoopCall& call, LoopInbox::Post post,
                         std::function<void()> ended) {
  const std::shared_ptr<ListAndWatch> stream(new ListAndWatch(std::move(board), call, std::move(post)));
  call.OnDrained([raw = stream.get()] {
    raw->writing_ = false;
    raw->WriteNext();
  });
  // This keeps it.
  call.OnEnd([stream, ended = std::move(ended)] {
    stream->board_->RemoveWatcher(stream->watcher_);
    ended();
  });
  stream->watcher_ =
      stream->board_->AddWatcher([weak = std::weak_ptr<ListAndWatch>(stream),
                                  post = stream->post_](std::shared_ptr<const PluginDevices> devices) {
        // The board waits, and must not be called from here.
        post([weak, devices = std::move(devices)]() mutable {
          const std::shared_ptr<ListAndWatch> self = weak.lock();
          if (self == nullptr) return;
          self->next_ = std::move(devices);
          self->WriteNext();
        });
      });
}

void ListAndWatch::WriteNext() {
  if (writing_ || next_ == nullptr) return;
  writing_ = true;
  call_.Write(ToResponse(*std::exchange(next_, nullptr)).SerializeAsString());
}

}  // namespace xpu
