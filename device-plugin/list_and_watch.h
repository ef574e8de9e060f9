#pragma once

#include <functional>
#include <memory>

#include "common/base/loop_inbox.h"
#include "common/loop_rpc/loop_rpc_server.h"
#include "device-plugin/device_board.h"

namespace xpu {

// One ListAndWatch stream: writes the board's list at once and then whenever it has changed. Lists that
// change faster than the kubelet reads are skipped, the last one never. Lives on the loop's thread until the
// call is over; the board must be changed there too.
class ListAndWatch : public std::enable_shared_from_this<ListAndWatch> {
 public:
  // `post` belongs to an inbox of the loop. `ended` is called when the call is over.
  static void Start(std::shared_ptr<DeviceBoard> board, const LoopCall& call, LoopInbox::Post post,
                    std::function<void()> ended);

 private:
  ListAndWatch(std::shared_ptr<DeviceBoard> board, const LoopCall& call, LoopInbox::Post post)
      : board_(std::move(board)), call_(call), post_(std::move(post)) {}
  void WriteNext();

  const std::shared_ptr<DeviceBoard> board_;
  const LoopCall call_;
  const LoopInbox::Post post_;
  DeviceBoard::WatcherId watcher_ = 0;
  // The list that is to be written next; null if the kubelet has the newest.
  std::shared_ptr<const PluginDevices> next_;
  // A list is on its way.
  bool writing_ = false;
};

}  // namespace xpu
