#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/event_loop.h"
#include "control-plane/sandbox/card/file_tree.h"

namespace xpu {

// A tree of files shown to every process by FUSE, the way sysfs shows the kernel's: nothing is cached, every
// look is answered anew. Belongs to the loop's thread, which must never look into the folder itself.
class FuseMount {
 public:
  struct Callbacks {
    // The tree as it is now.
    std::function<std::shared_ptr<const FileTree>()> tree;
    // Somebody writes `data` to a writable file. 0 or an errno; the writer waits for it.
    std::function<int(absl::string_view path, absl::string_view data)> write;
  };
  // Mounts at the folder `path`, which must be there. A mount that a killed process left there is replaced.
  static absl::StatusOr<std::unique_ptr<FuseMount>> Mount(const std::string& path, EventLoop& loop,
                                                          Callbacks callbacks);
  // Unmounts.
  ~FuseMount();

 private:
  struct State;
  explicit FuseMount(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace xpu
