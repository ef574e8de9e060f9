#include "common/base/folder_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace xpu {

absl::StatusOr<std::unique_ptr<FolderWatch>> FolderWatch::Start(EventLoop& loop, const std::string& folder,
                                                                Callback callback, Events events) {
  UniqueFd fd(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!fd) return absl::ErrnoToStatus(errno, "cannot make an inotify instance");
  constexpr uint32_t kNames =
      IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
  const uint32_t mask = events == Events::kNames ? kNames : kNames | IN_CLOSE_WRITE;
  if (inotify_add_watch(fd.get(), folder.c_str(), mask) < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot watch the folder ", folder));
  }
  std::unique_ptr<FolderWatch> watch(new FolderWatch(std::move(fd), std::move(callback)));
  watch->readable_ = loop.OnReadable(watch->fd_.get(), [raw = watch.get()] { raw->Read(); });
  return watch;
}

void FolderWatch::Read() {
  alignas(inotify_event) char buffer[4096];
  const ssize_t size = read(fd_.get(), buffer, sizeof buffer);
  std::vector<std::pair<Change, std::string>> changes;
  for (ssize_t at = 0; at < size;) {
    const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
    at += static_cast<ssize_t>(sizeof *event + event->len);
    const std::string name = event->len == 0 ? "" : event->name;
    if (event->mask & IN_Q_OVERFLOW) {
      changes.emplace_back(Change::kUnknown, "");
    } else if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)) {
      changes.emplace_back(Change::kFolderGone, "");
    } else if (event->mask & (IN_CREATE | IN_MOVED_TO)) {
      changes.emplace_back(Change::kCreated, name);
    } else if (event->mask & (IN_DELETE | IN_MOVED_FROM)) {
      changes.emplace_back(Change::kRemoved, name);
    } else if (event->mask & IN_CLOSE_WRITE) {
      changes.emplace_back(Change::kWritten, name);
    }
  }
  // The callback may destroy this object.
  const Callback callback = callback_;
  for (const auto& [change, name] : changes) callback(change, name);
}

}  // namespace xpu
