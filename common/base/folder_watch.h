#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/base/event_loop.h"
#include "common/base/unique_fd.h"

namespace xpu {

// Tells what comes and goes in a folder, and if asked to what is written there (inotify(7)). Lives on the
// loop's thread.
class FolderWatch {
 public:
  enum class Change {
    kCreated,     // or moved in
    kRemoved,     // or moved out
    kWritten,     // closed after writing
    kUnknown,     // the kernel lost events: anything may have changed; no name
    kFolderGone,  // nothing more will come; no name
  };
  // What is told of.
  enum class Events { kNames, kNamesAndContents };
  using Callback = std::function<void(Change change, const std::string& name)>;

  // NotFound if there is no such folder.
  static absl::StatusOr<std::unique_ptr<FolderWatch>> Start(EventLoop& loop, const std::string& folder,
                                                            Callback callback,
                                                            Events events = Events::kNames);

 private:
  FolderWatch(UniqueFd fd, Callback callback) : fd_(std::move(fd)), callback_(std::move(callback)) {}
  void Read();

  UniqueFd fd_;
  Callback callback_;
  EventLoop::Handle readable_;
};

}  // namespace xpu
